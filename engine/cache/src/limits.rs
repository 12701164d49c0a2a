//! Bounds of the caches, and what happens when one is reached.

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{KIB, MIB};

/// Sizes of tail chunks. A log begins with the smallest and takes the next larger each time a
/// chunk fills, so that an idle partition holds one block and a busy one a huge page: 2 MiB are
/// touched first at a fifth of what the same in blocks costs (`send-paths` measures it).
pub const CHUNK_SIZES_BYTES: [usize; 5] = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 2 * MIB];

/// The chunks that logs append to take at most one such part of the budget together: beyond it
/// chunks stop growing. A log whose last chunk is evicted must read its last block back from disk
/// before it can append again, so chunks that are mostly empty must not press each other out.
pub const GROWTH_BUDGET_PART: usize = 2;

/// Such a part of the budget is for free chunks even when tails could use it.
pub const FREE_BUDGET_PART: usize = 16;

/// Largest chunks that one shard keeps ready, as many as tails use but no more than this: tails that
/// fill at the same rate run out of theirs at the same moment.
pub const SPARE_CHUNKS_MAX: usize = 16;

/// One cold read. A file's pages are cached in pieces of this size.
pub const PAGE_SIZE_BYTES: usize = MIB;

/// Cold pages of one shard. Beyond it the page read longest ago goes: a catch-up reader gets at
/// most this much, and never takes memory from the tails.
pub const PAGES_SIZE_BYTES_MAX: usize = 32 * MIB;

const _: () = assert!(CHUNK_SIZES_BYTES[0] == BLOCK_SIZE_BYTES);
const _: () = assert!(PAGE_SIZE_BYTES.is_multiple_of(BLOCK_SIZE_BYTES));
