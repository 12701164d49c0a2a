//! What a core may ask of the world outside it.
//!
//! An [`Operation`] owns everything the kernel may touch while it runs: buffers, addresses,
//! headers, a count of the file. The core's table owns the operation from its start to its last
//! completion; the future that waits for it owns a ticket only. Dropping the future asks for
//! cancellation and leaves the operation where it is.

mod future;
mod table;

use std::ffi::CString;
use std::rc::Rc;
use std::{fmt, io};

pub(crate) use future::perform;
pub(crate) use table::{OperationId, OperationTable, Outcome};

use crate::buffer::{AppendBuf, BlockBuf, Slice};
use crate::driver::address::RawAddress;
use crate::driver::system;
use crate::handle::Handle;
use crate::limits::{BUFFERS_PER_OPERATION_MAX, OPERATION_SIZE_BYTES_MAX};

/// One request to the kernel or to the simulated world.
///
/// The result is what the system call returns: at least zero, or minus an errno.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Result: a new descriptor.
    Open {
        path: CString,
        flags: i32,
        mode: u32,
    },
    /// Reads `size_bytes` to `buffer` behind its first `filled` bytes. Result: bytes read.
    Read {
        file: Rc<Handle>,
        position: u64,
        buffer: Buffer,
        filled: usize,
        size_bytes: usize,
    },
    /// Writes the vectors. Result: bytes written.
    Write {
        file: Rc<Handle>,
        position: u64,
        vectors: Vectors,
        is_durable: bool,
    },
    Sync {
        file: Rc<Handle>,
        data_only: bool,
    },
    SetLen {
        file: Rc<Handle>,
        size_bytes: u64,
    },
    Allocate {
        file: Rc<Handle>,
        position: u64,
        size_bytes: u64,
    },
    /// Commits the memory of a buffer. Result: zero.
    Populate {
        buffer: AppendBuf,
    },
    /// Size and kind of a path (or of `file` when it is there). Result: zero.
    Status {
        path: CString,
        file: Option<Rc<Handle>>,
        status: Box<Status>,
    },
    Rename {
        source: CString,
        target: CString,
    },
    Remove {
        path: CString,
        is_directory: bool,
    },
    MakeDirectory {
        path: CString,
    },
    /// Result: a new descriptor.
    Accept {
        socket: Rc<Handle>,
        address: Box<RawAddress>,
    },
    Connect {
        socket: Rc<Handle>,
        address: Box<RawAddress>,
    },
    /// Waits for bytes, the end of the stream or an error; takes nothing.
    Readable {
        socket: Rc<Handle>,
    },
    /// Appends at most `size_bytes` to `buffer`. Result: bytes received.
    Receive {
        socket: Rc<Handle>,
        buffer: Vec<u8>,
        size_bytes: usize,
    },
    /// Sends the vectors. Result: bytes sent.
    Send {
        socket: Rc<Handle>,
        vectors: Vectors,
        /// Made when the vectors are more than one.
        header: Option<Box<Header>>,
    },
    Shutdown {
        socket: Rc<Handle>,
        how: i32,
    },
}

impl Operation {
    /// Makes the bytes an operation brought part of its vector. Called once, with the result the
    /// world reported, before the operation goes back to whoever started it.
    fn take_in(&mut self, result: i64) {
        let Ok(count) = usize::try_from(result) else {
            return;
        };
        let (bytes, start) = match self {
            Self::Read {
                buffer: Buffer::Vec(bytes),
                filled,
                ..
            } => (bytes, *filled),
            Self::Receive { buffer, .. } => {
                let start = buffer.len();
                (buffer, start)
            }
            _ => return,
        };
        assert!(start == bytes.len());
        assert!(start + count <= bytes.capacity());
        // SAFETY: the world wrote `count` bytes behind the first `start`, which were there before;
        // the capacity was just checked.
        unsafe { bytes.set_len(start + count) };
    }
}

/// Where a read goes.
#[derive(Debug)]
pub(crate) enum Buffer {
    Block(BlockBuf),
    Vec(Vec<u8>),
}

/// What the kernel fills for [`Operation::Status`].
#[derive(Clone, Copy)]
pub(crate) struct Status {
    pub(crate) raw: libc::statx,
}

impl Status {
    /// For the kernel to fill.
    pub(crate) fn empty() -> Self {
        Self {
            raw: system::empty_status(),
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        u32::from(self.raw.stx_mode) & libc::S_IFMT == libc::S_IFDIR
    }

    /// The alignment of direct I/O positions, when the file system says one.
    pub(crate) fn offset_alignment_bytes(&self) -> Option<u32> {
        let is_said = self.raw.stx_mask & libc::STATX_DIOALIGN != 0;
        (is_said && self.raw.stx_dio_offset_align > 0).then_some(self.raw.stx_dio_offset_align)
    }
}

/// The message header of a vectored send.
pub(crate) struct Header(pub(crate) libc::msghdr);

impl Header {
    pub(crate) fn empty() -> Self {
        Self(system::empty_header())
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Header")
    }
}

/// Slices to write or send, from some byte on, as the kernel wants them.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    pub(crate) slices: Vec<Slice>,
    /// Adjacent slices merged; addresses inside `slices`.
    pub(crate) vectors: Vec<libc::iovec>,
    pub(crate) size_bytes: usize,
    /// The slice that `vectors[0]` begins in.
    first: usize,
    /// Bytes of `slices` before `vectors[0]`.
    skip: usize,
}

impl Vectors {
    /// The vectors of `slices` from byte `skip` on, as many as fit in one operation.
    pub(crate) fn new(slices: Vec<Slice>, skip: usize) -> Self {
        let mut this = Self {
            slices,
            ..Self::default()
        };
        this.rebuild(skip);
        this
    }

    /// Makes the vectors for what follows byte `skip`.
    pub(crate) fn rebuild(&mut self, mut skip: usize) {
        self.vectors.clear();
        self.size_bytes = 0;
        self.skip = skip;
        let mut previous: Option<&Slice> = None;
        for (index, slice) in self.slices.iter().enumerate() {
            if skip >= slice.len() {
                skip -= slice.len();
                continue;
            }
            if previous.is_none() {
                self.first = index;
            }
            let room = OPERATION_SIZE_BYTES_MAX - self.size_bytes;
            let part = &slice[skip..];
            let part = &part[..part.len().min(room)];
            skip = 0;
            let is_adjacent = previous.is_some_and(|earlier| slice.continues(earlier));
            let is_full = self.vectors.len() == BUFFERS_PER_OPERATION_MAX;
            match self.vectors.last_mut() {
                Some(last) if is_adjacent => last.iov_len += part.len(),
                _ if is_full => return,
                _ => self.vectors.push(libc::iovec {
                    iov_base: part.as_ptr().cast_mut().cast(),
                    iov_len: part.len(),
                }),
            }
            self.size_bytes += part.len();
            previous = Some(slice);
            if self.size_bytes == OPERATION_SIZE_BYTES_MAX {
                return;
            }
        }
    }

    /// The slice the first vector begins in.
    pub(crate) fn first_slice(&self) -> Option<&Slice> {
        self.slices.get(self.first)
    }

    /// The bytes of all slices, however many operations they take.
    pub(crate) fn size_bytes_total(&self) -> usize {
        self.slices.iter().map(|slice| slice.len()).sum()
    }

    /// The bytes one operation takes, copied: for the simulated world.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size_bytes);
        let mut skip = self.skip;
        for slice in &self.slices {
            let part = &slice[skip.min(slice.len())..];
            skip = skip.saturating_sub(slice.len());
            bytes.extend_from_slice(&part[..part.len().min(self.size_bytes - bytes.len())]);
        }
        bytes
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({} bytes)", self.raw.stx_size)
    }
}

/// The result of an operation as Rust has it.
pub(crate) fn io_result(result: i64) -> io::Result<usize> {
    match result {
        0.. => Ok(result as usize),
        _ => Err(io::Error::from_raw_os_error(-result as i32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(sizes: &[usize]) -> Vec<Slice> {
        let bytes = |&size: &usize| Slice::from_vec((0..size).map(|i| i as u8).collect());
        sizes.iter().map(bytes).collect()
    }

    #[test]
    fn vectors_skip_what_was_done() {
        let mut vectors = Vectors::new(slices(&[10, 0, 20]), 0);
        assert_eq!((vectors.size_bytes, vectors.vectors.len()), (30, 2));
        vectors.rebuild(12);
        assert_eq!((vectors.size_bytes, vectors.vectors.len()), (18, 1));
        assert_eq!((vectors.bytes()[0], vectors.bytes().len()), (2, 18));
        vectors.rebuild(30);
        assert_eq!(vectors.size_bytes, 0);
    }

    #[test]
    fn adjacent_slices_become_one_vector() {
        let whole = Slice::from_vec(vec![0; 100]);
        let parts = vec![whole.slice(0..10), whole.slice(10..50), whole.slice(60..70)];
        let vectors = Vectors::new(parts, 5);
        let sizes: Vec<_> = vectors.vectors.iter().map(|v| v.iov_len).collect();
        assert_eq!(sizes, [45, 10]);
    }

    #[test]
    fn long_lists_stop_at_the_kernels_bound() {
        let vectors = Vectors::new(slices(&vec![1; 1500]), 0);
        assert_eq!(vectors.vectors.len(), BUFFERS_PER_OPERATION_MAX);
        assert_eq!(vectors.size_bytes, BUFFERS_PER_OPERATION_MAX);
        assert_eq!(vectors.size_bytes_total(), 1500);
    }
}
