//! The broker's side: sends answers, each a small head and a payload out of a cache's memory.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use engine_runtime::{AppendBuf, Runtime, RuntimeOptions, Slice, Stream};

use crate::bare_ring::BareRing;
use crate::receiver::{Consumer, Expectation, add_to_checksum};
use crate::system::{self, Arena, Pages};

/// The largest answer.
pub(crate) const PAYLOAD_SIZE_BYTES_MAX: usize = 1 << 20;

/// The first payload begins here: batches do not begin at page boundaries.
const PAYLOAD_START: usize = 1000;

const HEAD: [u8; 64] = [0x48; 64];

/// How an answer goes to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `Stream::send` of the runtime: one operation for so many answers.
    Runtime { pages: Pages, answers: usize },
    /// Linked operations on a ring without the runtime.
    Ring { pages: Pages, is_zero_copy: bool },
    /// Page references: vmsplice(2) into a pipe, splice(2) from there to the socket.
    Splice { pages: Pages },
}

/// One run's cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) bytes: u64,
    pub(crate) sender_cpu: Duration,
    pub(crate) receiver_cpu: Duration,
    /// Of threads that are neither: the ring's workers.
    pub(crate) other_cpu: Duration,
    pub(crate) elapsed: Duration,
}

/// What is sent, and what sends it.
pub(crate) struct Sender {
    runtime: Runtime,
    ring: BareRing,
    pipe: (OwnedFd, OwnedFd),
    /// The same bytes in the memory of the runtime's own buffers.
    ordinary_slice: Slice,
    huge_slice: Slice,
    ordinary: Arena,
    transparent: Arena,
    reserved: io::Result<Arena>,
    size_bytes: usize,
    /// Whether the consumer asks for each answer, as in Kafka, or takes a stream of them.
    is_asked: bool,
}

impl Sender {
    pub(crate) fn new(size_bytes: usize, is_asked: bool) -> io::Result<Self> {
        assert!(size_bytes > PAYLOAD_SIZE_BYTES_MAX);
        let options = RuntimeOptions {
            // The cost of the path, not of waiting for the next request.
            spin_max: Duration::ZERO,
            registers_staging: false,
            ..RuntimeOptions::default()
        };
        let mut ordinary = vec![0; size_bytes];
        fill(&mut ordinary);
        let mut huge = AppendBuf::new(size_bytes, 0);
        let arena = |pages| {
            let mut arena = Arena::map(pages, size_bytes)?;
            fill(arena.bytes_mut());
            Ok(arena)
        };
        Ok(Self {
            runtime: Runtime::uring(&options).map_err(io::Error::other)?,
            ring: BareRing::new()?,
            pipe: system::pipe()?,
            ordinary_slice: Slice::from_vec(ordinary),
            huge_slice: huge.append_with(size_bytes, fill),
            ordinary: arena(Pages::Ordinary)?,
            transparent: arena(Pages::Transparent)?,
            reserved: arena(Pages::Reserved),
            size_bytes,
            is_asked,
        })
    }

    /// Whether the machine has what the way needs.
    pub(crate) fn has(&self, way: Way) -> io::Result<()> {
        let (Way::Ring { pages, .. } | Way::Splice { pages }) = way else {
            return Ok(());
        };
        match (&self.reserved, pages) {
            (Err(error), Pages::Reserved) => Err(error.kind().into()),
            _ => Ok(()),
        }
    }

    fn payload(&self, answer: usize, size: usize) -> Range<usize> {
        let start = PAYLOAD_START + answer * size % (self.size_bytes - PAYLOAD_SIZE_BYTES_MAX);
        start..(start + size).min(self.size_bytes)
    }

    /// Sends `count` answers over a new connection and says what that cost both sides.
    pub(crate) fn run(
        &mut self,
        consumer: &Consumer,
        way: Way,
        size: usize,
        count: usize,
        is_checked: bool,
    ) -> io::Result<Figures> {
        let answers = match way {
            Way::Runtime { answers, .. } => answers,
            _ => 1,
        };
        consumer.expect(Expectation {
            is_checked,
            asked_bytes: u64::from(self.is_asked) * (answers * (size + HEAD.len())) as u64,
        });
        let (process_before, before) = (system::process_cpu(), system::thread_cpu());
        let began = Instant::now();
        match way {
            Way::Runtime { pages, answers } => {
                self.send_by_runtime(consumer.address, pages, size, count, answers)?;
            }
            Way::Ring {
                pages,
                is_zero_copy,
            } => self.send_by_ring(consumer.address, pages, size, count, is_zero_copy)?,
            Way::Splice { pages } => self.send_by_splice(consumer.address, pages, size, count)?,
        }
        let sender_cpu = system::thread_cpu() - before;
        let received = consumer.result();
        let process_cpu = system::process_cpu() - process_before;
        assert_eq!(received.bytes, (count * (size + HEAD.len())) as u64);
        if is_checked {
            assert_eq!(received.checksum, self.checksum(size, count), "{way:?}");
        }
        Ok(Figures {
            bytes: received.bytes,
            sender_cpu,
            receiver_cpu: received.cpu,
            other_cpu: process_cpu.saturating_sub(sender_cpu + received.cpu),
            elapsed: received.ended - began,
        })
    }

    fn checksum(&self, size: usize, count: usize) -> u64 {
        (0..count).fold(0, |sum, answer| {
            let payload = &self.ordinary.bytes()[self.payload(answer, size)];
            add_to_checksum(add_to_checksum(sum, &HEAD), payload)
        })
    }

    fn send_by_runtime(
        &self,
        address: SocketAddr,
        pages: Pages,
        size: usize,
        count: usize,
        answers: usize,
    ) -> io::Result<()> {
        let memory = match pages {
            Pages::Ordinary => &self.ordinary_slice,
            _ => &self.huge_slice,
        };
        let (memory, is_asked) = (memory.clone(), self.is_asked);
        let payloads: Vec<_> = (0..count)
            .map(|answer| self.payload(answer, size))
            .collect();
        self.runtime.block_on(async move {
            let stream = Stream::connect(address).await?;
            stream.set_nodelay(true)?;
            for group in payloads.chunks(answers) {
                let slices = group.iter().flat_map(|payload| {
                    let head = Slice::from_vec(HEAD.to_vec());
                    [head, memory.slice(payload.clone())]
                });
                stream.send(slices.collect::<Vec<_>>()).await?;
                if is_asked {
                    let (count, _) = stream.recv(Vec::with_capacity(1), 1).await;
                    count?;
                }
            }
            Ok(())
        })
    }

    fn send_by_ring(
        &mut self,
        address: SocketAddr,
        pages: Pages,
        size: usize,
        count: usize,
        is_zero_copy: bool,
    ) -> io::Result<()> {
        let mut stream = connect(address)?;
        for answer in 0..count {
            let range = self.payload(answer, size);
            let payload = match pages {
                Pages::Ordinary => &self.ordinary,
                Pages::Transparent => &self.transparent,
                Pages::Reserved => self.reserved.as_ref().expect("checked by `has`"),
            };
            let payload = &payload.bytes()[range];
            self.ring
                .send(stream.as_fd(), &HEAD, payload, is_zero_copy)?;
            if self.is_asked {
                stream.read_exact(&mut [0])?;
            }
        }
        self.ring.drain()
    }

    fn send_by_splice(
        &self,
        address: SocketAddr,
        pages: Pages,
        size: usize,
        count: usize,
    ) -> io::Result<()> {
        let mut stream = connect(address)?;
        stream.set_nonblocking(true)?;
        let arena = match pages {
            Pages::Ordinary => &self.ordinary,
            Pages::Transparent => &self.transparent,
            Pages::Reserved => self.reserved.as_ref().expect("checked by `has`"),
        };
        for answer in 0..count {
            self.splice_answer(stream.as_fd(), arena, self.payload(answer, size))?;
            if self.is_asked {
                system::wait_readable(stream.as_fd())?;
                stream.read_exact(&mut [0])?;
            }
        }
        Ok(())
    }

    fn splice_answer(
        &self,
        socket: BorrowedFd<'_>,
        arena: &Arena,
        payload: Range<usize>,
    ) -> io::Result<()> {
        let mut head = &HEAD[..];
        while !head.is_empty() {
            let sent = attempt(socket, || system::send_before_more(socket, head))?;
            head = &head[sent..];
        }
        let (reader, writer) = (self.pipe.0.as_fd(), self.pipe.1.as_fd());
        let (mut put, mut moved) = (payload.start, payload.start);
        while moved < payload.end {
            if put < payload.end {
                match system::put_pages(writer, arena, put..payload.end) {
                    Ok(count) => put += count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            moved += attempt(socket, || system::splice(reader, socket, put - moved))?;
        }
        Ok(())
    }

    /// Zero-copy payloads sent, and how many of them the kernel copied.
    pub(crate) fn zero_copy_counts(&self) -> (u64, u64) {
        (self.ring.zero_copy, self.ring.copied)
    }
}

/// Waits for room in the socket as long as there is none.
fn attempt(
    socket: BorrowedFd<'_>,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                system::wait_writable(socket)?;
            }
            result => return result,
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Every eight bytes say where they lie.
pub(crate) fn fill(bytes: &mut [u8]) {
    for (index, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&(index as u64).to_le_bytes());
    }
}
