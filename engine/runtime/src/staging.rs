//! A shard's registered memory: the kernel has pinned and mapped it once, so that a direct write
//! from it skips both on every operation.
//!
//! Owns at most [`STAGING_SIZE_BYTES`] per shard in equal pieces, because registered memory counts
//! against the user's memlock limit (8 MiB by default, for all processes together). When
//! registration is refused or every piece is in use, callers get ordinary memory.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::buffer::Region;
use crate::limits::{STAGING_PIECE_SIZE_BYTES, STAGING_SIZE_BYTES};

const PIECES: usize = STAGING_SIZE_BYTES / STAGING_PIECE_SIZE_BYTES;
const _: () = assert!(PIECES <= 32);

/// The registered region of one ring, in pieces.
#[derive(Debug)]
pub(crate) struct Staging {
    region: Region,
    /// Bit `i` is set while piece `i` is in use. Atomic because the last slice of a piece may be
    /// dropped on another core.
    used: AtomicU32,
}

impl Staging {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            region: Region::new(STAGING_SIZE_BYTES),
            used: AtomicU32::new(0),
        })
    }

    /// What is to be registered, as one buffer with index zero.
    pub(crate) fn memory(&self) -> (NonNull<u8>, usize) {
        (self.region.base(), self.region.size_bytes())
    }

    /// A free piece, when there is one.
    pub(crate) fn take(self: &Arc<Self>) -> Option<StagingPiece> {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let index = used.trailing_ones() as usize;
            if index >= PIECES {
                return None;
            }
            // Acquire pairs with the release in `drop`: the reads of the piece's last user
            // happen before our writes.
            match self.used.compare_exchange_weak(
                used,
                used | 1 << index,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Some(StagingPiece {
                        staging: Arc::clone(self),
                        index,
                    });
                }
                Err(changed) => used = changed,
            }
        }
    }
}

/// A piece in use; given back when dropped.
pub(crate) struct StagingPiece {
    staging: Arc<Staging>,
    index: usize,
}

impl StagingPiece {
    pub(crate) fn base(&self) -> NonNull<u8> {
        let address = self.staging.region.base().as_ptr();
        let base = address.wrapping_add(self.index * STAGING_PIECE_SIZE_BYTES);
        NonNull::new(base).expect("a piece lies inside its region")
    }

    pub(crate) fn size_bytes(&self) -> usize {
        STAGING_PIECE_SIZE_BYTES
    }

    /// Whether the piece belongs to the memory registered with this ring.
    pub(crate) fn is_of(&self, staging: &Arc<Staging>) -> bool {
        Arc::ptr_eq(&self.staging, staging)
    }
}

impl Drop for StagingPiece {
    fn drop(&mut self) {
        self.staging
            .used
            .fetch_and(!(1 << self.index), Ordering::Release);
    }
}

impl fmt::Debug for StagingPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StagingPiece({})", self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_each_piece_once_and_takes_it_back() {
        let staging = Staging::new();
        let mut pieces: Vec<_> = (0..PIECES).map(|_| staging.take().unwrap()).collect();
        assert!(staging.take().is_none());
        let freed = pieces.swap_remove(1).base();
        assert_eq!(staging.take().map(|piece| piece.base()), Some(freed));
    }
}
