//! A block-aligned buffer with one owner.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use super::region::Region;
use super::slice::{Slice, Storage};

/// A buffer for direct I/O: its address is aligned to 4 KiB and its size is whole blocks. Zeroed
/// when made. One owner reads and writes it; [`BlockBuf::freeze`] ends that and shares it.
pub struct BlockBuf {
    storage: Storage,
    base: NonNull<u8>,
    size_bytes: usize,
}

// SAFETY: the buffer owns its memory alone (no slice refers to it before `freeze`).
unsafe impl Send for BlockBuf {}
// SAFETY: `&BlockBuf` only reads.
unsafe impl Sync for BlockBuf {}

impl BlockBuf {
    /// A zeroed buffer of `size_bytes`, rounded up to whole blocks.
    ///
    /// # Panics
    /// When `size_bytes` is zero.
    #[must_use]
    pub fn new(size_bytes: usize) -> Self {
        Self::from_storage(Storage::Region(Region::new(size_bytes)))
    }

    pub(crate) fn from_storage(storage: Storage) -> Self {
        let (base, size_bytes) = storage.block_memory();
        Self {
            storage,
            base,
            size_bytes,
        }
    }

    /// The buffer's size, in whole blocks.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Gives up writing: the whole buffer as a slice, without a copy.
    #[must_use]
    pub fn freeze(self) -> Slice {
        let storage = Arc::new(self.storage);
        // SAFETY: the range is the whole storage, initialised (regions begin zeroed); the only
        // writer, `self`, is gone.
        unsafe { Slice::from_storage(&storage, self.base, self.size_bytes) }
    }

    /// For the driver: where the kernel reads to.
    pub(crate) fn base(&mut self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(crate) fn staging(&self) -> Option<&crate::staging::StagingPiece> {
        match &self.storage {
            Storage::Staging(piece) => Some(piece),
            _ => None,
        }
    }
}

impl Deref for BlockBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the storage is `size_bytes` long, initialised, owned by `self` alone, and no
        // kernel operation refers to it (an operation owns the buffer while it runs).
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.size_bytes) }
    }
}

impl DerefMut for BlockBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.size_bytes) }
    }
}

impl fmt::Debug for BlockBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockBuf({} bytes)", self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_zeroed_and_whole_blocks() {
        for size_bytes in [1, 4096, 4097, 1 << 20] {
            let buffer = BlockBuf::new(size_bytes);
            assert_eq!(buffer.as_ptr() as usize % 4096, 0);
            assert_eq!(buffer.size_bytes(), size_bytes.div_ceil(4096) * 4096);
            assert!(buffer.iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn freezing_keeps_the_bytes_where_they_are() {
        let mut buffer = BlockBuf::new(4096);
        buffer[..3].copy_from_slice(b"abc");
        let address = buffer.as_ptr() as usize;
        let frozen = buffer.freeze();
        assert_eq!(&frozen[..4], b"abc\0");
        assert_eq!(frozen.as_ptr() as usize, address);
    }
}
