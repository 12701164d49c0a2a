//! The lines of a file or of standard input, read on a thread of their own.
//!
//! Owns the reading thread and what it read ahead, for `ottla produce`. A read may wait for a
//! person, and nobody can be told to stop meanwhile: so it does not wait on the command's core.

use std::io::{self, Read};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};

use engine_runtime::{Door, Queue, queue, spawn_thread};

/// What is read of the input.
pub(crate) struct Lines {
    arrived: Rc<Queue<io::Result<Vec<u8>>>>,
    /// Buffers for the thread to fill: never more than [`READ_AHEAD_COUNT`] exist.
    empty: Sender<Vec<u8>>,
    /// Read and not yet handed out, from `start` on.
    text: Vec<u8>,
    start: usize,
    /// No newline is in `text` before this place.
    scanned: usize,
    is_ended: bool,
}

impl Lines {
    /// Starts to read.
    ///
    /// # Errors
    /// When the system has no room for a thread.
    pub(crate) fn read(mut input: impl Read + Send + 'static) -> io::Result<Self> {
        let arrived = Rc::new(queue(READ_AHEAD_COUNT));
        let door = Door::new(Rc::clone(&arrived));
        let (empty, to_fill) = channel::<Vec<u8>>();
        spawn_thread("ottla-input", move || {
            while let Ok(mut buffer) = to_fill.recv() {
                buffer.resize(READ_SIZE_BYTES, 0);
                let read = read_once(&mut input, &mut buffer).map(|count| {
                    buffer.truncate(count);
                    buffer
                });
                door.post(move |arrived: &Rc<Queue<_>>| {
                    let pushed = arrived.try_push(read);
                    assert!(pushed.is_ok(), "as many buffers as places");
                });
            }
        })?;
        for _ in 0..READ_AHEAD_COUNT {
            // The thread has ended only if the process ends.
            let _ = empty.send(Vec::new());
        }
        Ok(Self {
            arrived,
            empty,
            text: Vec::new(),
            start: 0,
            scanned: 0,
            is_ended: false,
        })
    }

    /// The next line that is at hand, without its end; at the input's end also a line without one.
    pub(crate) fn next_at_hand(&mut self) -> Option<&[u8]> {
        let newline = self.text[self.scanned..]
            .iter()
            .position(|&byte| byte == b'\n');
        let (end, next) = match newline {
            Some(position) => (self.scanned + position, self.scanned + position + 1),
            None if self.is_ended && self.start < self.text.len() => {
                (self.text.len(), self.text.len())
            }
            None => {
                self.scanned = self.text.len();
                return None;
            }
        };
        let line = &self.text[self.start..end];
        self.start = next;
        self.scanned = next;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether [`Self::more`] would give something at once.
    pub(crate) fn has_more(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Whether the input ended in a line that is still to be handed out.
    pub(crate) fn has_rest(&self) -> bool {
        self.start < self.text.len()
    }

    /// Waits for more of the input and tells how many bytes came; none when it has ended. Dropped
    /// before it is done, it has taken nothing.
    ///
    /// # Errors
    /// As the input's.
    pub(crate) async fn more(&mut self) -> io::Result<usize> {
        if self.is_ended {
            return Ok(0);
        }
        let Some(arrived) = self.arrived.pop().await else {
            return Ok(0);
        };
        let buffer = arrived?;
        self.text.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.text.extend_from_slice(&buffer);
        self.is_ended = buffer.is_empty();
        let count = buffer.len();
        if !self.is_ended {
            let _ = self.empty.send(buffer);
        }
        Ok(count)
    }
}

/// How much is read at a time.
const READ_SIZE_BYTES: usize = 1024 * 1024;

/// How many reads may be ahead of the producer.
const READ_AHEAD_COUNT: usize = 2;

fn read_once(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use engine_runtime::{Runtime, RuntimeOptions};

    /// Gives its parts one read at a time, then an error if it has one, then its end.
    struct Parts(VecDeque<&'static [u8]>, Option<io::ErrorKind>);

    impl Read for Parts {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop_front() {
                Some(part) => {
                    buffer[..part.len()].copy_from_slice(part);
                    Ok(part.len())
                }
                None => self.1.take().map_or(Ok(0), |kind| Err(kind.into())),
            }
        }
    }

    fn all(parts: &[&'static [u8]], error: Option<io::ErrorKind>) -> (Vec<String>, bool) {
        let input = Parts(parts.iter().copied().collect(), error);
        let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
        runtime.block_on(async move {
            let mut lines = Lines::read(input).unwrap();
            let mut found = Vec::new();
            loop {
                let more = lines.more().await;
                while let Some(line) = lines.next_at_hand() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
                match more {
                    Ok(0) => return (found, false),
                    Ok(_) => {}
                    Err(_) => return (found, true),
                }
            }
        })
    }

    #[test]
    fn lines_are_whole_however_they_are_read() {
        let (found, failed) = all(&[b"a\nb", b"b\r\n\nc", b"c", b"\nlast"], None);
        assert_eq!(found, ["a", "bb", "", "cc", "last"]);
        assert!(!failed);
        assert_eq!(all(&[], None), (vec![], false));
    }

    #[test]
    fn lines_before_an_error_are_handed_out() {
        let (found, failed) = all(&[b"a\nb\nc"], Some(io::ErrorKind::IsADirectory));
        assert_eq!(found, ["a", "b"]);
        assert!(failed);
    }
}
