//! Where encoded bytes go: into a vector, or only into a count.

use engine_base::Uuid;

/// Takes bytes in order. Encoding is written once, against this trait, and serves both the bytes
/// (`Writer`, `Vec<u8>`) and their number (`Counter`).
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Appends one byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends the sixteen bytes of an id.
    fn put_uuid(&mut self, value: Uuid) {
        self.put(&value.0);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
}

/// Counts what would be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Bytes put so far.
    pub size: usize,
}

impl Sink for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
    }

    fn put_u8(&mut self, _value: u8) {
        self.size += 1;
    }
}
