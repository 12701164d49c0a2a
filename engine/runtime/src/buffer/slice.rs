//! Bytes that nobody changes any more, shared by count.

use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;

use super::region::Region;

/// What keeps the bytes of a [`Slice`] alive.
#[derive(Debug)]
pub(crate) enum Storage {
    /// A vector taken over.
    Vec(#[allow(dead_code, reason = "held for its drop")] Vec<u8>),
    /// A block-aligned region.
    Region(Region),
    /// A piece of a shard's registered memory.
    Staging(crate::staging::StagingPiece),
}

impl Storage {
    /// The base and size of block memory.
    pub(crate) fn block_memory(&self) -> (NonNull<u8>, usize) {
        match self {
            Self::Vec(_) => unreachable!("block buffers hold block memory"),
            Self::Region(region) => (region.base(), region.size_bytes()),
            Self::Staging(piece) => (piece.base(), piece.size_bytes()),
        }
    }
}

/// An immutable, counted range of bytes. Cloning and cutting copy no bytes; the memory is freed
/// with the last slice that refers to it, on whatever core that happens.
#[derive(Clone)]
pub struct Slice {
    base: NonNull<u8>,
    size_bytes: usize,
    storage: Option<Arc<Storage>>,
}

// SAFETY: the bytes behind a slice are never written again (the constructors' contract), so any
// core may read them; `storage` is itself `Send + Sync`.
unsafe impl Send for Slice {}
// SAFETY: as above.
unsafe impl Sync for Slice {}

impl Slice {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            base: NonNull::dangling(),
            size_bytes: 0,
            storage: None,
        }
    }

    /// Takes over a vector; nothing is copied.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::empty();
        }
        // Derived from a mutable pointer of the vector's own: the vector is never touched again
        // until it is dropped.
        let mut bytes = bytes;
        let base = NonNull::new(bytes.as_mut_ptr()).expect("a vector's address is not zero");
        let size_bytes = bytes.len();
        Self {
            base,
            size_bytes,
            storage: Some(Arc::new(Storage::Vec(bytes))),
        }
    }

    /// Bytes of the program itself.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        // SAFETY: a reference is never null. (`NonNull::from` is not const.)
        let base = unsafe { NonNull::new_unchecked(bytes.as_ptr().cast_mut()) };
        Self {
            base,
            size_bytes: bytes.len(),
            storage: None,
        }
    }

    /// The `size_bytes` bytes at `base`, which lie in `storage`.
    ///
    /// # Safety
    /// The range lies inside `storage`, is initialised, and is never written again while a
    /// slice refers to `storage`.
    pub(crate) unsafe fn from_storage(
        storage: &Arc<Storage>,
        base: NonNull<u8>,
        size_bytes: usize,
    ) -> Self {
        Self {
            base,
            size_bytes,
            storage: Some(Arc::clone(storage)),
        }
    }

    /// The bytes in `range`, without a copy.
    ///
    /// # Panics
    /// When the range reaches past the end.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end);
        assert!(range.end <= self.size_bytes);
        // SAFETY: `range.start` is inside (or one past) the bytes this slice refers to.
        let base = unsafe { self.base.add(range.start) };
        Self {
            base,
            size_bytes: range.len(),
            storage: self.storage.clone(),
        }
    }

    /// The slice for a part of this one that was found by reading it, such as a batch in a frame.
    ///
    /// # Panics
    /// When `part` does not lie inside this slice: it was cut from something else.
    #[must_use]
    pub fn slice_ref(&self, part: &[u8]) -> Self {
        if part.is_empty() {
            return Self::empty();
        }
        let start = (part.as_ptr() as usize)
            .checked_sub(self.base.as_ptr() as usize)
            .expect("a part begins inside the slice it was cut from");
        self.slice(start..start + part.len())
    }

    /// Whether this slice begins where `earlier` ends, in the same memory: one write serves both.
    pub(crate) fn continues(&self, earlier: &Self) -> bool {
        // SAFETY: one past the end of `earlier` is still an address of its allocation.
        let end = unsafe { earlier.base.add(earlier.size_bytes) };
        match (&self.storage, &earlier.storage) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) && end == self.base,
            _ => false,
        }
    }

    /// The staging piece the bytes lie in, when they are registered with the ring of a core.
    pub(crate) fn staging(&self) -> Option<&crate::staging::StagingPiece> {
        match self.storage.as_deref() {
            Some(Storage::Staging(piece)) => Some(piece),
            _ => None,
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `base` is valid for `size_bytes` initialised bytes that nobody writes any more
        // (constructors' contract), and `storage` keeps them alive as long as `self`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.size_bytes) }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Slice {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_vec(bytes)
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Slice {}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_without_copying() {
        let whole = Slice::from_vec(b"leader epoch".to_vec());
        let cut = whole.slice(7..12);
        assert_eq!(&*cut, b"epoch");
        assert_eq!(cut.as_ptr() as usize, whole.as_ptr() as usize + 7);
        assert!(whole.slice(7..9).continues(&whole.slice(3..7)));
        assert!(!whole.slice(7..9).continues(&whole.slice(3..6)));
    }

    #[test]
    fn outlives_the_slice_it_was_cut_from() {
        let whole = Slice::from_vec(vec![7; 4096]);
        let cut = whole.slice_ref(&whole[100..200]);
        drop(whole);
        let on_other_thread = std::thread::spawn(move || cut.iter().map(|&b| u64::from(b)).sum());
        assert_eq!(on_other_thread.join().ok(), Some(700_u64));
    }

    #[test]
    #[should_panic(expected = "range.end <= self.size_bytes")]
    fn refuses_a_range_past_the_end() {
        let _ = Slice::from_vec(vec![1, 2, 3]).slice(2..4);
    }

    #[test]
    #[should_panic(expected = "a part begins inside")]
    fn refuses_a_part_of_something_else() {
        let whole = Slice::from_vec(vec![0; 64]);
        let _ = whole.slice(32..64).slice_ref(&whole[..8]);
    }
}
