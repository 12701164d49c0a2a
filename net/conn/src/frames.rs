//! Cuts frames out of the byte stream: a 4-byte big-endian length, then that many bytes.
//!
//! Small frames arrive many at a time and leave as ranges of one buffer. A large frame gets a
//! buffer of its own that grows with what has arrived, never with what was announced.
//!
//! A connection that sends large frames is asked for the next one's length first: meanwhile it
//! holds no buffer to speak of, and the frame then arrives in one that has its size.

use std::io;

use engine_runtime::Slice;

use crate::limits::{RECEIVE_CREDIT_BYTES_MAX, RECEIVE_SIZE_BYTES_MAX, RECEIVE_SIZE_BYTES_MIN};
use crate::transport::Transport;

const PREFIX: usize = 4;

/// Why no frame follows.
#[derive(Debug)]
pub enum FrameError {
    /// The peer closed, between two frames.
    Ended,
    /// The peer closed inside a frame.
    EndedInside,
    /// The announced length is negative or above `socket.request.max.bytes`.
    Size(i32),
    /// The socket failed.
    Io(io::Error),
}

/// The receiving side of a connection.
pub(crate) struct Frames {
    /// Bytes received; `cut` of them belong to frames that were handed out.
    buffer: Vec<u8>,
    /// Frames already complete in a buffer that was frozen.
    frozen: Option<Frozen>,
    frame_size_bytes_max: usize,
    /// The largest frame this connection has completed: it gets that much at once.
    credit_bytes: usize,
    /// Room for small frames; follows what arrives together.
    batch_bytes: usize,
    /// The last frame was a large one: the next one probably is.
    expects_large: bool,
}

struct Frozen {
    bytes: Slice,
    position: usize,
}

/// What the bytes at hand amount to.
enum Progress {
    /// A frame of this many bytes (with prefix) is complete.
    Complete(usize),
    /// This many bytes (with prefix) make the frame; fewer are there.
    Partial(usize),
    /// Not even the length is there.
    Unknown,
}

impl Frames {
    pub(crate) fn new(frame_size_bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            frozen: None,
            frame_size_bytes_max,
            credit_bytes: 0,
            batch_bytes: RECEIVE_SIZE_BYTES_MIN,
            expects_large: false,
        }
    }

    /// Bytes of a frame that is not complete; above zero the slow-sender clock runs.
    pub(crate) fn arrived_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// A frame that has already arrived, without its prefix.
    pub(crate) fn take_ready(&mut self) -> Result<Option<Slice>, FrameError> {
        let Some(frozen) = &mut self.frozen else {
            return Ok(None);
        };
        let rest = &frozen.bytes[frozen.position..];
        let progress = progress(rest, self.frame_size_bytes_max)?;
        if let Progress::Complete(size) = progress {
            let start = frozen.position + PREFIX;
            frozen.position += size;
            let frame = frozen.bytes.slice(start..frozen.position);
            self.credit_bytes = self.credit_bytes.max(size);
            self.expects_large = size > RECEIVE_SIZE_BYTES_MAX;
            return Ok(Some(frame));
        }
        // What is left is the beginning of a frame: it moves to a buffer of its own.
        let rest = frozen.bytes.slice(frozen.position..frozen.bytes.len());
        self.frozen = None;
        self.buffer = Vec::with_capacity(self.capacity_for(&progress, rest.len()));
        self.buffer.extend_from_slice(&rest);
        Ok(None)
    }

    /// How large the buffer of the next receive is, with what has arrived already.
    pub(crate) fn room_bytes(&self) -> Result<usize, FrameError> {
        let progress = progress(&self.buffer, self.frame_size_bytes_max)?;
        Ok(self.capacity_for(&progress, self.buffer.len()))
    }

    /// Receives once. Call [`Frames::take_ready`] until it has no frame before calling this.
    pub(crate) async fn receive(&mut self, transport: &Transport) -> Result<(), FrameError> {
        assert!(self.frozen.is_none());
        let progress = progress(&self.buffer, self.frame_size_bytes_max)?;
        let capacity = self.capacity_for(&progress, self.buffer.len());
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.reserve_exact(capacity.saturating_sub(buffer.len()));
        let size_bytes_max = match progress {
            // Exactly the rest of a large frame, so that the next one starts a buffer of its own.
            Progress::Partial(size) if size > RECEIVE_SIZE_BYTES_MAX => {
                size.min(capacity) - buffer.len()
            }
            _ => capacity - buffer.len(),
        };
        let (result, buffer) = transport.receive(buffer, size_bytes_max).await;
        self.buffer = buffer;
        match result {
            Ok(0) if self.buffer.is_empty() => Err(FrameError::Ended),
            Ok(0) => Err(FrameError::EndedInside),
            Ok(_) => {
                self.adapt_batch();
                self.freeze_if_complete()
            }
            Err(error) => Err(FrameError::Io(error)),
        }
    }

    /// A full buffer says that more may wait, a nearly empty one that less would do.
    fn adapt_batch(&mut self) {
        let wanted = match self.buffer.len() {
            len if len >= self.batch_bytes => self.batch_bytes * 2,
            len if len < self.batch_bytes / 4 => self.batch_bytes / 2,
            _ => self.batch_bytes,
        };
        self.batch_bytes = wanted.clamp(RECEIVE_SIZE_BYTES_MIN, RECEIVE_SIZE_BYTES_MAX);
    }

    fn freeze_if_complete(&mut self) -> Result<(), FrameError> {
        let progress = progress(&self.buffer, self.frame_size_bytes_max)?;
        if let Progress::Complete(_) = progress {
            let bytes = Slice::from_vec(std::mem::take(&mut self.buffer));
            self.frozen = Some(Frozen { bytes, position: 0 });
        }
        Ok(())
    }

    /// How much to have room for. A large frame: at least twice what has arrived, at most the
    /// frame, and at once as much as this connection is known to send.
    fn capacity_for(&self, progress: &Progress, arrived_bytes: usize) -> usize {
        let known = self.credit_bytes.min(RECEIVE_CREDIT_BYTES_MAX);
        match *progress {
            Progress::Unknown if self.expects_large => PREFIX,
            Progress::Unknown => self.batch_bytes.max(PREFIX),
            Progress::Partial(size) | Progress::Complete(size) if size <= self.batch_bytes => {
                self.batch_bytes
            }
            Progress::Partial(size) | Progress::Complete(size) => {
                size.min(self.batch_bytes.max(known).max(2 * arrived_bytes))
            }
        }
    }
}

fn progress(bytes: &[u8], frame_size_bytes_max: usize) -> Result<Progress, FrameError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Ok(Progress::Unknown);
    };
    let announced = i32::from_be_bytes(*prefix);
    let size = usize::try_from(announced).map_err(|_| FrameError::Size(announced))?;
    if size > frame_size_bytes_max {
        return Err(FrameError::Size(announced));
    }
    let size = size + PREFIX;
    Ok(if bytes.len() >= size {
        Progress::Complete(size)
    } else {
        Progress::Partial(size)
    })
}
