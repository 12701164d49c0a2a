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

/// From this size on a mapping begins at the boundary of a huge page: only a whole one, aligned,
/// can become one. (x86-64, and most others.)
const HUGE_PAGE_SIZE_BYTES: usize = 2 * MIB;

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
            // The owner is being dropped, so nothing refers to the memory any more.
            unmap(self.base, self.size_bytes);
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

/// Zeroed memory of its own mapping, in huge pages where the kernel has them. Nothing is committed
/// before it is touched.
fn map(size_bytes: usize) -> NonNull<u8> {
    let mut base = map_anywhere(size_bytes);
    let wants_alignment = size_bytes >= HUGE_PAGE_SIZE_BYTES;
    if wants_alignment && !(base.as_ptr() as usize).is_multiple_of(HUGE_PAGE_SIZE_BYTES) {
        // Kernels before 6.7, and sizes that are not whole huge pages.
        unmap(base, size_bytes);
        base = map_aligned(size_bytes);
    }
    // SAFETY: advice about the mapping just made; it changes no contents, and its failure (a kernel
    // without huge pages) costs speed only.
    unsafe { libc::madvise(base.as_ptr().cast(), size_bytes, libc::MADV_HUGEPAGE) };
    base
}

/// Maps more than is asked for and gives back what lies before and behind the aligned part.
fn map_aligned(size_bytes: usize) -> NonNull<u8> {
    let wide_base = map_anywhere(size_bytes + HUGE_PAGE_SIZE_BYTES);
    let address = wide_base.as_ptr() as usize;
    let before = address.next_multiple_of(HUGE_PAGE_SIZE_BYTES) - address;
    let behind = HUGE_PAGE_SIZE_BYTES - before;
    let at = |distance: usize| {
        NonNull::new(wide_base.as_ptr().wrapping_add(distance)).expect("inside the mapping")
    };
    if before > 0 {
        unmap(wide_base, before);
    }
    if behind > 0 {
        unmap(at(before + size_bytes), behind);
    }
    at(before)
}

fn map_anywhere(size_bytes: usize) -> NonNull<u8> {
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
    NonNull::new(base.cast()).expect("mmap does not return address zero")
}

/// Gives a mapping, or a part of one, back. The caller owns it, and nothing refers to it any more.
fn unmap(base: NonNull<u8>, size_bytes: usize) {
    // SAFETY: the callers in this file own `[base, base + size_bytes)` of a mapping made here.
    let result = unsafe { libc::munmap(base.as_ptr().cast(), size_bytes) };
    assert!(result == 0);
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn large_regions_begin_at_a_huge_page() {
        // Odd sizes too: those the kernel does not align by itself.
        let sizes = [2 * MIB, 3 * MIB, 2 * MIB + BLOCK_SIZE_BYTES, 64 * MIB];
        let regions: Vec<_> = sizes.iter().map(|&size| Region::new(size)).collect();
        for region in &regions {
            let address = region.base().as_ptr() as usize;
            assert!(address.is_multiple_of(HUGE_PAGE_SIZE_BYTES));
        }
    }

    #[test]
    fn an_aligned_mapping_is_whole_and_zeroed() {
        for size in [2 * MIB, 2 * MIB + BLOCK_SIZE_BYTES] {
            let base = map_aligned(size);
            assert!((base.as_ptr() as usize).is_multiple_of(HUGE_PAGE_SIZE_BYTES));
            // SAFETY: the mapping is `size` long and ours alone.
            let bytes = unsafe { std::slice::from_raw_parts_mut(base.as_ptr(), size) };
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes.fill(1);
            unmap(base, size);
        }
    }
}
