//! Bounds of the journal, and what happens when one is reached.

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{KIB, MIB};

/// The first file of a journal: small, so that a first start writes 4 MiB and not 16.
pub const FIRST_FILE_SIZE_BYTES: u64 = 4 * MIB as u64;

/// Every later file, pre-written in the background before it is needed.
pub const FILE_SIZE_BYTES: u64 = 16 * MIB as u64;

/// Files of one journal. When all but one are in use, commits wait until older ones are released:
/// the bound on the entries that a start has to replay (how much data they may describe is bounded by
/// who writes them). The last one is for the entries that releasing needs.
pub const FILES_MAX: usize = 8;

/// Such entries may need more than one file, when very many partitions are written at once: one
/// block for each of them. With so many in use the journal fails.
pub const FILES_HARD_MAX: usize = 32;

/// One entry, header and padding included. A commit that would need more leaves the rest of its
/// units to the next one.
pub const ENTRY_SIZE_BYTES_MAX: usize = 2 * MIB;

/// Zeroes are written in pieces of this size when a file is prepared.
pub const PREPARE_WRITE_SIZE_BYTES: usize = 256 * KIB;

const _: () = assert!(FILES_MAX < FILES_HARD_MAX);
const _: () = assert!(FIRST_FILE_SIZE_BYTES <= FILE_SIZE_BYTES);
const _: () = assert!(ENTRY_SIZE_BYTES_MAX.is_multiple_of(BLOCK_SIZE_BYTES));
// The header block, some checkpoint entries and one full entry fit the smallest file.
const _: () = assert!(FIRST_FILE_SIZE_BYTES >= 2 * ENTRY_SIZE_BYTES_MAX as u64);
