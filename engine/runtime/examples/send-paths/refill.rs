//! What it costs to put bytes into a cache's memory: used again, or new each time.
//!
//! Memory whose pages were given to a socket by reference cannot be written again, because nothing
//! says when the socket has let go of them: it can only be unmapped, and new memory taken.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use crate::system::{self, Arena, Pages};

/// A frame's part that is copied at once.
const COPY_SIZE_BYTES: usize = 64 << 10;

/// Memory of this size is mapped and unmapped.
const PIECE_SIZE_BYTES: usize = 2 << 20;

/// CPU time of copying `total` bytes from a small, cached source into memory of `size_bytes`.
pub(crate) fn run(
    pages: Pages,
    is_new: bool,
    size_bytes: usize,
    total: usize,
) -> io::Result<Duration> {
    let source = vec![7_u8; COPY_SIZE_BYTES];
    let mut pieces = Vec::new();
    for _ in 0..size_bytes / PIECE_SIZE_BYTES {
        let mut piece = Arena::map(pages, PIECE_SIZE_BYTES)?;
        piece.bytes_mut().fill(1);
        pieces.push(piece);
    }
    let count = pieces.len();
    let before = system::thread_cpu();
    for index in 0..total / PIECE_SIZE_BYTES {
        let piece = &mut pieces[index % count];
        if is_new {
            *piece = Arena::map(pages, PIECE_SIZE_BYTES)?;
        }
        for part in piece.bytes_mut().chunks_exact_mut(COPY_SIZE_BYTES) {
            part.copy_from_slice(black_box(&source));
        }
        black_box(piece.bytes());
    }
    Ok(system::thread_cpu() - before)
}
