//! What carries the bytes. One variant today; TLS joins as another.

use std::io;
use std::net::Shutdown;

use engine_runtime::{Slice, Stream};

/// A connection's byte stream.
pub enum Transport {
    /// Bytes as they are.
    Plain(Stream),
}

impl Transport {
    /// Receives what is there, at most `size_bytes_max`, appended to `buffer`; zero at the end.
    pub(crate) async fn receive(
        &self,
        buffer: Vec<u8>,
        size_bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        match self {
            Self::Plain(stream) => stream.recv(buffer, size_bytes_max).await,
        }
    }

    /// Sends all of `parts`, in order.
    pub(crate) async fn send(&self, parts: Vec<Slice>) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.send(parts).await,
        }
    }

    /// Ends both directions: a pending receive returns zero, a pending send fails.
    pub(crate) async fn shutdown(&self) {
        match self {
            // A connection that is gone already has nothing to end.
            Self::Plain(stream) => drop(stream.shutdown(Shutdown::Both).await),
        }
    }
}
