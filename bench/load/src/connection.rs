//! One blocking connection: whole frames out, whole frames in. Several answers that arrive together
//! cost one system call.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use net_wire::Request;
use net_wire::frame::{read_response, write_request};

use crate::failure::Failure;
use crate::incoming::Incoming;

/// An answer that takes longer is a broker that hangs. Parked polls set their own.
pub(crate) const ANSWER_SECONDS_MAX: u64 = 60;
/// Every request carries it: answers come in the order of requests, so it tells nothing.
pub(crate) const CORRELATION_ID: i32 = 7;
pub(crate) const CLIENT_ID: &str = "load";

/// A connection and what has arrived on it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: Incoming,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(bootstrap: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(bootstrap)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))?;
        Ok(Self {
            stream,
            incoming: Incoming::default(),
        })
    }

    /// A second handle to write with while another thread reads.
    pub(crate) fn writer(&self) -> Result<TcpStream, Failure> {
        Ok(self.stream.try_clone()?)
    }

    /// Sends complete frames.
    pub(crate) fn send(&mut self, frames: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(frames)?)
    }

    /// The next frame, without its length.
    pub(crate) fn receive(&mut self) -> Result<&[u8], Failure> {
        while !self.incoming.has_frame() {
            self.incoming.receive(&mut self.stream)?;
        }
        Ok(self.incoming.next_frame().expect("a whole frame is there"))
    }

    /// One request and its answer.
    pub(crate) fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response<'_>, Failure> {
        let frame = frame(request, version)?;
        self.send(&frame)?;
        answer::<R>(self.receive()?, version)
    }
}

/// A request as it goes to the socket.
pub(crate) fn frame<R: Request>(request: &R, version: i16) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    write_request(&mut out, request, version, CORRELATION_ID, Some(CLIENT_ID))
        .map_err(|error| Failure::Protocol(format!("{} {version}: {error:?}", R::NAME)))?;
    Ok(out)
}

/// The answer to a request `R` from its frame.
pub(crate) fn answer<R: Request>(frame: &[u8], version: i16) -> Result<R::Response<'_>, Failure> {
    read_response(frame, version)
        .map(|(_, response)| response)
        .map_err(|error| Failure::Protocol(format!("answer to {} {version}: {error:?}", R::NAME)))
}
