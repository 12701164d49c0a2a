//! A block-aligned piece of memory, and the count of all of them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{MIB, align_up};

static BYTES_TOTAL: AtomicUsize = AtomicUsize::new(0);

/// Bytes held by all block buffers of the process, free space inside them included.
#[must_use]
pub fn buffer_bytes_total() -> usize {
    BYTES_TOTAL.load(Ordering::Relaxed)
}

/// From this size on a region is a mapping of its own and asks for huge pages: 1 MiB of scattered
/// 4 KiB pages is 256 segments of one device request, more than many devices take at once.
const MAPPED_SIZE_BYTES_MIN: usize = MIB;

/// Zeroed when made, freed when dropped. It hands out raw pointers only: who may read or write
/// which part of it is the business of the type that holds it.
#[derive(Debug)]
pub(crate) struct Region {
    base: NonNull<u8>,
    size_bytes: usize,
    is_mapped: bool,
}

// SAFETY: a region is plain memory without thread affinity; its holders (`BlockBuf` by unique
// ownership, `Storage` by never writing to bytes that a `Slice` refers to) order the accesses.
unsafe impl Send for Region {}
// SAFETY: as above; `&Region` gives out addresses, not references.
unsafe impl Sync for Region {}

impl Region {
    /// A zeroed region of `size_bytes`, rounded up to whole blocks.
    pub(crate) fn new(size_bytes: usize) -> Self {
        assert!(size_bytes > 0);
        let size_bytes = align_up(size_bytes as u64, BLOCK_SIZE_BYTES as u64) as usize;
        let is_mapped = size_bytes >= MAPPED_SIZE_BYTES_MIN && !cfg!(miri);
        let base = if is_mapped {
            map(size_bytes)
        } else {
            allocate(size_bytes)
        };
        BYTES_TOTAL.fetch_add(size_bytes, Ordering::Relaxed);
        Self {
            base,
            size_bytes,
            is_mapped,
        }
    }

    /// The address of the first byte: aligned to a block, valid for `size_bytes` bytes.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        BYTES_TOTAL.fetch_sub(self.size_bytes, Ordering::Relaxed);
        if self.is_mapped {
            // SAFETY: `base` and `size_bytes` are exactly what `mmap` returned and was asked for;
            // the owner is being dropped, so nothing refers to the memory any more.
            let result = unsafe { libc::munmap(self.base.as_ptr().cast(), self.size_bytes) };
            assert!(result == 0);
        } else {
            // SAFETY: allocated in `allocate` with the same layout; nothing refers to it any more.
            unsafe { dealloc(self.base.as_ptr(), layout(self.size_bytes)) };
        }
    }
}

fn layout(size_bytes: usize) -> Layout {
    Layout::from_size_align(size_bytes, BLOCK_SIZE_BYTES)
        .expect("a size in whole blocks below isize::MAX is a valid layout")
}

fn allocate(size_bytes: usize) -> NonNull<u8> {
    let layout = layout(size_bytes);
    // SAFETY: the layout's size is not zero (asserted in `Region::new`).
    let base = unsafe { alloc_zeroed(layout) };
    NonNull::new(base).unwrap_or_else(|| handle_alloc_error(layout))
}

fn map(size_bytes: usize) -> NonNull<u8> {
    // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory
    // that exists already.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        handle_alloc_error(layout(size_bytes));
    }
    // SAFETY: advice about the mapping just made; it changes no contents, and its failure (a kernel
    // without huge pages) costs speed only.
    unsafe { libc::madvise(base, size_bytes, libc::MADV_HUGEPAGE) };
    NonNull::new(base.cast()).expect("mmap does not return address zero")
}
