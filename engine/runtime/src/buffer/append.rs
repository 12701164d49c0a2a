//! A buffer whose prefix is shared while its tail still grows.

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use engine_base::limits::BLOCK_SIZE_BYTES;

use super::region::Region;
use super::slice::{Slice, Storage};
use crate::op::{Operation, perform};

/// A fixed amount of block-aligned memory with one appender. What was appended is frozen: slices
/// of it may be read by other cores and by the kernel while the appender goes on behind them.
///
/// ```text
/// region   |<- phase ->|<------ len ------>|<--- remaining --->|
///          ^ 4 KiB      frozen, in slices    only the appender
/// ```
///
/// The *phase* is the distance of the first byte from a block boundary. A log's tail that begins
/// at file position 5000 has phase 904: then every address is congruent to its file position, and
/// whole blocks of the buffer are whole blocks of the file.
///
/// The appender never makes a `&mut` over frozen bytes and never writes below `len`, so readers of
/// the prefix and the writer of the tail do not race.
pub struct AppendBuf {
    storage: Arc<Storage>,
    base: NonNull<u8>,
    size_bytes: usize,
    phase: usize,
    len: usize,
}

// SAFETY: the appender may move to another core; bytes below `len` are immutable, bytes above are
// reached through `&mut self` only.
unsafe impl Send for AppendBuf {}

impl AppendBuf {
    /// An empty buffer in a region of `size_bytes` (rounded up to whole blocks) whose first byte
    /// lies `phase` bytes past a block boundary.
    ///
    /// # Panics
    /// When `phase` is a block or more, or `size_bytes` is zero.
    #[must_use]
    pub fn new(size_bytes: usize, phase: usize) -> Self {
        assert!(phase < BLOCK_SIZE_BYTES);
        let storage = Arc::new(Storage::Region(Region::new(size_bytes)));
        let (base, size_bytes) = storage.block_memory();
        Self {
            storage,
            base,
            size_bytes,
            phase,
            len: 0,
        }
    }

    /// Bytes appended so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit in all, from the phase on.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.size_bytes - self.phase
    }

    /// Bytes that still fit.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.capacity() - self.len
    }

    /// The distance of the first byte from a block boundary.
    #[must_use]
    pub fn phase(&self) -> usize {
        self.phase
    }

    /// Copies `bytes` behind what is there and returns them frozen.
    ///
    /// # Panics
    /// When they do not fit ([`AppendBuf::remaining`]).
    pub fn append(&mut self, bytes: &[u8]) -> Slice {
        self.append_with(bytes.len(), |target| target.copy_from_slice(bytes))
    }

    /// Lets `fill` write `size_bytes` bytes in place (they hold anything before), then freezes
    /// them. For bytes that are stamped while they are copied.
    ///
    /// # Panics
    /// When they do not fit.
    pub fn append_with(&mut self, size_bytes: usize, fill: impl FnOnce(&mut [u8])) -> Slice {
        assert!(size_bytes <= self.remaining());
        let start = self.len;
        // SAFETY: `phase + len + size_bytes <= size_bytes of the region` (asserted above).
        let target = unsafe { self.base.add(self.phase + start) };
        // SAFETY: the range is initialised (regions begin zeroed) and lies past `len`: no slice
        // refers to it and the kernel reads only slices, so `&mut self` has it alone.
        fill(unsafe { std::slice::from_raw_parts_mut(target.as_ptr(), size_bytes) });
        self.len = start + size_bytes;
        self.frozen(start..self.len)
    }

    /// Appended bytes, by their index in this buffer (zero is the first byte appended).
    ///
    /// # Panics
    /// When the range reaches past what was appended.
    #[must_use]
    pub fn frozen(&self, range: Range<usize>) -> Slice {
        assert!(range.start <= range.end);
        assert!(range.end <= self.len);
        // SAFETY: `range` is below `len`, thus inside the region; bytes below `len` are
        // initialised, and are written again only after `try_reset`, which succeeds only when no
        // slice refers to the storage.
        unsafe {
            let base = self.base.add(self.phase + range.start);
            Slice::from_storage(&self.storage, base, range.len())
        }
    }

    /// Commits all of the memory now, on a thread of the kernel's: the first write to new memory
    /// waits for it to be zeroed, a huge page at a time, and on a virtual machine for the host to
    /// find it (milliseconds). Where the kernel refuses, the first writes wait as they would have.
    pub async fn populate(self) -> Self {
        match perform(Operation::Populate { buffer: self }).await {
            (Operation::Populate { buffer }, _) => buffer,
            _ => unreachable!("an operation comes back as it went"),
        }
    }

    /// Address and size of the whole region.
    pub(crate) fn memory(&self) -> (*const u8, usize) {
        (self.base.as_ptr(), self.size_bytes)
    }

    /// Empties the buffer for another life with another phase when no slice refers to it;
    /// otherwise changes nothing and says `false`.
    ///
    /// # Panics
    /// When `phase` is a block or more.
    pub fn try_reset(&mut self, phase: usize) -> bool {
        assert!(phase < BLOCK_SIZE_BYTES);
        // `get_mut` synchronises with the drop of the last slice on another core, so that core's
        // reads happen before our next writes.
        if Arc::get_mut(&mut self.storage).is_none() {
            return false;
        }
        self.phase = phase;
        self.len = 0;
        true
    }
}

impl fmt::Debug for AppendBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AppendBuf({} of {} bytes, phase {})",
            self.len,
            self.capacity(),
            self.phase
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Runtime, RuntimeOptions};

    #[test]
    fn addresses_are_congruent_to_file_positions() {
        let position = 5000;
        let mut buffer = AppendBuf::new(8192, position % 4096);
        let first = buffer.append(b"batch");
        assert_eq!(first.as_ptr() as usize % 4096, position % 4096);
        assert_eq!(buffer.capacity(), 8192 - 904);
        assert_eq!(buffer.remaining(), buffer.capacity() - 5);
    }

    #[test]
    fn a_frozen_prefix_is_read_elsewhere_while_the_tail_grows() {
        let mut buffer = AppendBuf::new(4096, 0);
        let prefix = buffer.append(&[1; 1000]);
        let reader = std::thread::spawn(move || {
            (0..100).all(|_| prefix.iter().all(|&byte| byte == 1)) && prefix.len() == 1000
        });
        for _ in 0..96 {
            buffer.append(&[2; 32]);
        }
        assert!(reader.join().unwrap());
        assert_eq!(&*buffer.frozen(999..1001), &[1, 2]);
    }

    #[test]
    fn is_reused_only_when_no_slice_refers_to_it() {
        let mut buffer = AppendBuf::new(4096, 10);
        let slice = buffer.append(b"held");
        assert!(!buffer.try_reset(0));
        assert_eq!((buffer.len(), buffer.phase()), (4, 10));
        drop(slice);
        assert!(buffer.try_reset(0));
        assert_eq!((buffer.len(), buffer.phase()), (0, 0));
        assert_eq!(&*buffer.append(b"new"), b"new");
    }

    #[test]
    fn is_committed_ahead_and_comes_back_as_it_was() {
        let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
        runtime.block_on(async {
            let mut buffer = AppendBuf::new(2 << 20, 0);
            buffer.append(b"kept");
            let (operation, result) = perform(Operation::Populate { buffer }).await;
            assert_eq!(result, 0, "the kernel knows this advice since 5.14");
            let Operation::Populate { buffer } = operation else {
                unreachable!("an operation comes back as it went")
            };
            let mut buffer = buffer.populate().await;
            assert_eq!(&*buffer.frozen(0..4), b"kept");
            let rest = buffer.append_with(buffer.remaining(), |_| {});
            assert!(rest.iter().all(|&byte| byte == 0));
        });
    }

    #[test]
    #[should_panic(expected = "size_bytes <= self.remaining()")]
    fn refuses_what_does_not_fit() {
        AppendBuf::new(4096, 4000).append(&[0; 97]);
    }
}
