//! The consumer: a thread on the other core that takes what is sent and does nothing with it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::system;

/// What a consumer's socket is read into again and again: it stays in the core's own cache.
const READ_SIZE_BYTES: usize = 256 << 10;

/// What one connection cost its receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) bytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) ended: Instant,
    /// Of everything received, in order.
    pub(crate) checksum: u64,
}

/// What a connection will bring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expectation {
    /// Whether its bytes are to be looked at.
    pub(crate) is_checked: bool,
    /// After so many bytes the consumer asks for more; zero when it never does.
    pub(crate) asked_bytes: u64,
}

/// Accepts one connection after another and reads each to its end.
pub(crate) struct Consumer {
    pub(crate) address: SocketAddr,
    results: Receiver<Received>,
    expectations: SyncSender<Expectation>,
    _thread: JoinHandle<io::Result<()>>,
}

impl Consumer {
    pub(crate) fn start(core: usize) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, results) = sync_channel(1);
        let (expectations, expected) = sync_channel(1);
        let thread = std::thread::Builder::new().spawn(move || {
            system::pin_to(core);
            serve(&listener, &expected, &sender)
        })?;
        Ok(Self {
            address,
            results,
            expectations,
            _thread: thread,
        })
    }

    /// To be said before each connection.
    pub(crate) fn expect(&self, expectation: Expectation) {
        self.expectations
            .send(expectation)
            .expect("the consumer lives as long as the experiment");
    }

    /// Waits for the end of the connection.
    pub(crate) fn result(&self) -> Received {
        self.results
            .recv()
            .expect("the consumer lives as long as the experiment")
    }
}

fn serve(
    listener: &TcpListener,
    expected: &Receiver<Expectation>,
    results: &SyncSender<Received>,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE_BYTES];
    while let Ok(expectation) = expected.recv() {
        let (stream, _) = listener.accept()?;
        let received = receive(stream, &mut buffer, expectation)?;
        if results.send(received).is_err() {
            break;
        }
    }
    Ok(())
}

fn receive(
    mut stream: TcpStream,
    buffer: &mut [u8],
    expectation: Expectation,
) -> io::Result<Received> {
    stream.set_nodelay(true)?;
    let Expectation {
        is_checked,
        asked_bytes,
    } = expectation;
    let mut asked_at = asked_bytes;
    let before = system::thread_cpu();
    let mut bytes = 0;
    let mut checksum = 0;
    loop {
        let count = stream.read(buffer)?;
        if count == 0 {
            break;
        }
        if is_checked {
            checksum = add_to_checksum(checksum, &buffer[..count]);
        }
        bytes += count as u64;
        if asked_bytes > 0 && bytes >= asked_at {
            asked_at += asked_bytes;
            stream.write_all(&[1])?;
        }
    }
    Ok(Received {
        bytes,
        cpu: system::thread_cpu() - before,
        ended: Instant::now(),
        checksum,
    })
}

/// FNV-1a: depends on every byte and on their order.
pub(crate) fn add_to_checksum(checksum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(checksum, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
