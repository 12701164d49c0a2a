//! A TCP connection.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use super::options::{self, KeepAlive};
use crate::buffer::Slice;
use crate::context;
use crate::driver::address::RawAddress;
use crate::driver::{Driver, system};
use crate::file::is_transient;
use crate::handle::{Handle, RawHandle};
use crate::op::{Operation, Vectors, io_result, perform};

/// One end of a connection. Receiving and sending are independent: one task may wait in each.
///
/// An idle connection holds no buffer: it waits in [`Stream::readable`] and receives when bytes are
/// there.
pub struct Stream {
    handle: Rc<Handle>,
    peer: SocketAddr,
    /// Guards the order of bytes: two sends at once would mix.
    is_sending: Cell<bool>,
}

/// A connection between two cores: see [`Stream::into_handoff`].
#[derive(Debug)]
pub struct StreamHandoff {
    raw: RawHandle,
    peer: SocketAddr,
}

impl Stream {
    pub(super) fn new(raw: RawHandle, peer: SocketAddr) -> Self {
        Self {
            handle: Rc::new(Handle::new(raw)),
            peer,
            is_sending: Cell::new(false),
        }
    }

    /// Connects to `peer`. There is no time limit but the kernel's (minutes): see
    /// [`crate::timeout`].
    ///
    /// # Errors
    /// As connect(2).
    pub async fn connect(peer: SocketAddr) -> io::Result<Self> {
        let raw = match context::current().driver() {
            Driver::Uring(_) => RawHandle::Fd(system::new_socket(&RawAddress::new(peer))?),
            Driver::Sim(sim) => RawHandle::Sim(sim.new_socket()),
        };
        let stream = Self::new(raw, peer);
        let operation = Operation::Connect {
            socket: Rc::clone(&stream.handle),
            address: Box::new(RawAddress::new(peer)),
        };
        let (_, result) = perform(operation).await;
        io_result(result)?;
        Ok(stream)
    }

    /// The address of the other end.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address of this end.
    ///
    /// # Errors
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.handle.raw() {
            RawHandle::Fd(fd) => options::local_addr(fd.as_fd()),
            RawHandle::Sim(socket) => match context::current().driver() {
                Driver::Sim(sim) => sim.local_addr(socket),
                Driver::Uring(_) => unreachable!("a simulated socket never leaves its world"),
            },
        }
    }

    /// Waits until bytes, the end of the stream or an error can be received. Takes nothing and
    /// holds no buffer.
    ///
    /// # Errors
    /// As poll(2); errors of the connection are reported by [`Stream::recv`].
    pub async fn readable(&self) -> io::Result<()> {
        let operation = Operation::Readable {
            socket: Rc::clone(&self.handle),
        };
        let (_, result) = perform(operation).await;
        io_result(result).map(|_| ())
    }

    /// Appends up to `size_bytes_max` received bytes to `buffer`, which grows to make room. `Ok(0)`
    /// is the end of the stream. The buffer comes back in either case. When the future is dropped
    /// the bytes it may have received are lost: close the connection then.
    ///
    /// # Errors
    /// As recv(2).
    ///
    /// # Panics
    /// When `size_bytes_max` is zero: the result would look like the end of the stream.
    pub async fn recv(
        &self,
        buffer: Vec<u8>,
        size_bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        assert!(size_bytes_max > 0);
        let mut buffer = buffer;
        buffer.reserve(size_bytes_max);
        loop {
            let operation = Operation::Receive {
                socket: Rc::clone(&self.handle),
                buffer,
                size_bytes: size_bytes_max,
            };
            let (operation, result) = perform(operation).await;
            let Operation::Receive {
                buffer: received, ..
            } = operation
            else {
                unreachable!("an operation comes back as it was started")
            };
            buffer = received;
            match io_result(result) {
                Ok(count) => {
                    assert!(count <= size_bytes_max);
                    return (Ok(count), buffer);
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return (Err(error), buffer),
            }
        }
    }

    /// Sends all of `slices`, in order. When the future is dropped an unknown part was sent: close
    /// the connection then.
    ///
    /// # Errors
    /// As send(2): an unknown part was sent.
    ///
    /// # Panics
    /// When another send of this stream is still running: their bytes would mix.
    pub async fn send(&self, slices: impl Into<Vec<Slice>>) -> io::Result<()> {
        let mut vectors = Vectors::new(slices.into(), 0);
        let size_bytes = vectors.size_bytes_total();
        assert!(!self.is_sending.replace(true));
        let _turn = SendTurn(&self.is_sending);
        let mut done = 0;
        while done < size_bytes {
            let operation = Operation::Send {
                socket: Rc::clone(&self.handle),
                vectors,
                header: None,
            };
            let (operation, result) = perform(operation).await;
            vectors = match operation {
                Operation::Send { vectors, .. } => vectors,
                _ => unreachable!("an operation comes back as it was started"),
            };
            match io_result(result) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
            vectors.rebuild(done);
        }
        Ok(())
    }

    /// Ends one or both directions. The peer sees the end of the stream; a pending
    /// [`Stream::recv`] of this end completes.
    ///
    /// # Errors
    /// As shutdown(2).
    pub async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let operation = Operation::Shutdown {
            socket: Rc::clone(&self.handle),
            how: match how {
                Shutdown::Read => libc::SHUT_RD,
                Shutdown::Write => libc::SHUT_WR,
                Shutdown::Both => libc::SHUT_RDWR,
            },
        };
        let (_, result) = perform(operation).await;
        io_result(result).map(|_| ())
    }

    /// Sends small segments at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// As setsockopt(2); so for the other options.
    pub fn set_nodelay(&self, is_on: bool) -> io::Result<()> {
        self.set(libc::IPPROTO_TCP, libc::TCP_NODELAY, i32::from(is_on))
    }

    /// The kernel's send buffer (`socket.send.buffer.bytes`); turns its own tuning off.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn set_send_buffer_bytes(&self, size_bytes: usize) -> io::Result<()> {
        self.set_buffer(libc::SO_SNDBUF, size_bytes)
    }

    /// The kernel's receive buffer (`socket.receive.buffer.bytes`); turns its own tuning off.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn set_receive_buffer_bytes(&self, size_bytes: usize) -> io::Result<()> {
        self.set_buffer(libc::SO_RCVBUF, size_bytes)
    }

    fn set_buffer(&self, name: i32, size_bytes: usize) -> io::Result<()> {
        let size = i32::try_from(size_bytes).unwrap_or(i32::MAX);
        self.set(libc::SOL_SOCKET, name, size)
    }

    /// How long sent bytes may stay unacknowledged before the kernel closes the connection
    /// (`TCP_USER_TIMEOUT`, whole milliseconds).
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn set_user_timeout(&self, timeout: Duration) -> io::Result<()> {
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        self.set(libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, millis)
    }

    /// Probes the peer while the connection is idle.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn set_keepalive(&self, keepalive: KeepAlive) -> io::Result<()> {
        match self.handle.raw() {
            RawHandle::Fd(fd) => options::set_keepalive(fd.as_fd(), keepalive),
            RawHandle::Sim(_) => Ok(()),
        }
    }

    fn set(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        match self.handle.raw() {
            RawHandle::Fd(fd) => system::set_option(fd.as_fd(), level, name, value),
            RawHandle::Sim(_) => Ok(()),
        }
    }

    /// Takes the connection off this core, for [`Stream::adopt`] on another. Bytes a dropped
    /// receive may have taken are lost, so hand over between two receives.
    ///
    /// # Errors
    /// EMFILE when an operation still holds the descriptor and it cannot be duplicated.
    pub fn into_handoff(self) -> io::Result<StreamHandoff> {
        let raw = match Rc::try_unwrap(self.handle) {
            Ok(handle) => handle.into_raw(),
            // A cancelled operation has not completed yet: it keeps its own descriptor.
            Err(shared) => match shared.raw() {
                RawHandle::Fd(fd) => RawHandle::Fd(fd.as_fd().try_clone_to_owned()?),
                RawHandle::Sim(socket) => RawHandle::Sim(socket.clone()),
            },
        };
        Ok(StreamHandoff {
            raw,
            peer: self.peer,
        })
    }

    /// Takes a connection over to this core.
    #[must_use]
    pub fn adopt(handoff: StreamHandoff) -> Self {
        Self::new(handoff.raw, handoff.peer)
    }
}

struct SendTurn<'a>(&'a Cell<bool>);

impl Drop for SendTurn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({})", self.peer)
    }
}

impl StreamHandoff {
    /// The address of the other end.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}
