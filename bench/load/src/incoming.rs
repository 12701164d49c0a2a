//! What has arrived on a connection, cut into frames.

use std::io::{self, Read};
use std::ops::Range;

use net_wire::frame::FRAME_PREFIX_SIZE_BYTES;

const BUFFER_SIZE_BYTES: usize = 64 << 10;

/// A buffer that grows to the largest answer.
#[derive(Debug)]
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    /// Received and not yet handed out.
    rest: Range<usize>,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER_SIZE_BYTES],
            rest: 0..0,
        }
    }
}

impl Incoming {
    /// Whether a whole frame has arrived.
    pub(crate) fn has_frame(&self) -> bool {
        self.next_size().is_some_and(|size| size <= self.rest.len())
    }

    /// The next whole frame, without its length; `None` until more has been received.
    pub(crate) fn next_frame(&mut self) -> Option<&[u8]> {
        let size = self.next_size().filter(|&size| size <= self.rest.len())?;
        let frame = self.rest.start + FRAME_PREFIX_SIZE_BYTES..self.rest.start + size;
        self.rest.start += size;
        Some(&self.buffer[frame])
    }

    /// Bytes of the next frame with its length.
    fn next_size(&self) -> Option<usize> {
        let prefix = self.buffer[self.rest.clone()].first_chunk()?;
        Some(FRAME_PREFIX_SIZE_BYTES + u32::from_be_bytes(*prefix) as usize)
    }

    /// Reads once. Returns whether the source had less than there was room for: a socket that
    /// does not block is empty then.
    pub(crate) fn receive(&mut self, source: &mut impl Read) -> io::Result<bool> {
        self.make_room();
        let read = source.read(&mut self.buffer[self.rest.end..])?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the broker closed the connection",
            ));
        }
        self.rest.end += read;
        Ok(self.rest.end < self.buffer.len())
    }

    /// Room for the next frame, and for more when that costs nothing.
    fn make_room(&mut self) {
        if self.rest.is_empty() {
            self.rest = 0..0;
        }
        let wanted = self.next_size().unwrap_or(BUFFER_SIZE_BYTES);
        if self.rest.start + wanted > self.buffer.len() || self.rest.end == self.buffer.len() {
            self.buffer.copy_within(self.rest.clone(), 0);
            self.rest = 0..self.rest.len();
        }
        if wanted > self.buffer.len() {
            self.buffer.resize(wanted.next_power_of_two(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize) -> Vec<u8> {
        let mut frame = u32::try_from(size).unwrap().to_be_bytes().to_vec();
        frame.extend((0..size).map(|at| at as u8));
        frame
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let sizes = [0, 5, 70_000, 1, 65_532, 200_000];
        let sent: Vec<u8> = sizes.iter().flat_map(|&size| frame(size)).collect();
        for step in [1, 3, 4096, usize::MAX] {
            let mut incoming = Incoming::default();
            let mut source = &sent[..];
            let mut seen = Vec::new();
            while seen.len() < sizes.len() {
                while let Some(got) = incoming.next_frame() {
                    assert_eq!(got, &frame(got.len())[FRAME_PREFIX_SIZE_BYTES..]);
                    seen.push(got.len());
                }
                if seen.len() < sizes.len() {
                    let (mut now, _) = source.split_at(step.min(source.len()));
                    let before = now.len();
                    incoming.receive(&mut now).unwrap();
                    source = &source[before - now.len()..];
                }
            }
            assert_eq!(seen, sizes);
            assert!(incoming.receive(&mut source).is_err());
        }
    }
}
