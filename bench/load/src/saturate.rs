//! As many produce requests as the answers allow, on all connections, from one thread that sleeps
//! only when nothing is ready: a thread for each connection would make the broker pay for waking it
//! with every answer.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::args::Target;
use crate::batch::check_produced;
use crate::connection::ANSWER_SECONDS_MAX;
use crate::failure::Failure;
use crate::incoming::Incoming;
use crate::run::{Phase, Tally};

/// Also the longest time until the end of the run is seen.
const POLL: Duration = Duration::from_millis(100);

/// What every connection sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// One request for each partition, sent in turn.
    pub(crate) frames: &'a [Vec<u8>],
    /// Bytes that a request counts for.
    pub(crate) batch_size_bytes: usize,
    /// Requests in flight on each connection.
    pub(crate) depth: usize,
}

/// Keeps `depth` requests in flight on each connection until the run is over.
pub(crate) fn saturate(target: &Target, work: Work<'_>, phase: &Phase) -> Result<Tally, Failure> {
    let mut poll = Poll::new()?;
    let mut peers = Vec::with_capacity(target.connections);
    for index in 0..target.connections {
        let mut stream = connect(&target.bootstrap)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut stream, Token(index), interest)?;
        peers.push(Peer::new(stream, index));
    }
    let mut tally = Tally::default();
    let mut events = Events::with_capacity(target.connections.min(1024));
    let mut last_event = Instant::now();
    while !(phase.stopped() && peers.iter().all(Peer::is_idle)) {
        if let Err(error) = poll.poll(&mut events, Some(POLL))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            let peer = &mut peers[event.token().0];
            peer.receive(work, phase, &mut tally)?;
            peer.send(work, phase)?;
            last_event = Instant::now();
        }
        if last_event.elapsed() > Duration::from_secs(ANSWER_SECONDS_MAX) {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
    }
    Ok(tally)
}

/// A connected stream that does not block.
fn connect(bootstrap: &str) -> Result<TcpStream, Failure> {
    let address = bootstrap
        .to_socket_addrs()?
        .next()
        .ok_or(Failure::Options("the broker's name has no address"))?;
    let stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}

/// One connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    incoming: Incoming,
    /// When the requests began whose answers are out.
    in_flight: VecDeque<Instant>,
    /// Counts up; modulo the partitions it is the next request's partition.
    next: usize,
    /// Bytes of the next request that the socket has taken.
    sent: usize,
}

impl Peer {
    fn new(stream: TcpStream, index: usize) -> Self {
        Self {
            stream,
            incoming: Incoming::default(),
            in_flight: VecDeque::new(),
            next: index,
            sent: 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Takes the answers that are there.
    fn receive(&mut self, work: Work<'_>, phase: &Phase, tally: &mut Tally) -> Result<(), Failure> {
        loop {
            let is_drained = match self.incoming.receive(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                other => other?,
            };
            while let Some(frame) = self.incoming.next_frame() {
                check_produced(frame)?;
                let began = self
                    .in_flight
                    .pop_front()
                    .ok_or_else(|| Failure::Protocol("an answer to no request".to_owned()))?;
                if phase.measures() {
                    tally.count(began, work.batch_size_bytes);
                }
            }
            if is_drained {
                return Ok(());
            }
        }
    }

    /// Sends what may be in flight and what the socket takes. A request counts from its first byte.
    fn send(&mut self, work: Work<'_>, phase: &Phase) -> Result<(), Failure> {
        while self.sent > 0 || (self.in_flight.len() < work.depth && !phase.stopped()) {
            let frame = &work.frames[self.next % work.frames.len()];
            let began = Instant::now();
            let written = match self.stream.write(&frame[self.sent..]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                other => other?,
            };
            if self.sent == 0 {
                self.in_flight.push_back(began);
            }
            self.sent += written;
            if self.sent == frame.len() {
                self.sent = 0;
                self.next += 1;
            }
        }
        Ok(())
    }
}
