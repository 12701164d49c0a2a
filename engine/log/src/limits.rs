//! Bounds of the storage engine, and what happens when one is reached.

use std::time::Duration;

use engine_base::limits::{BLOCK_SIZE_BYTES, MESSAGE_SIZE_BYTES_MAX};
use engine_base::{KIB, MIB};
use engine_journal::limits::ENTRY_SIZE_BYTES_MAX;

/// A unit below this travels inside the journal entry and is destaged later; from here on it is
/// written to its segment first. Below it one write is saved, above it bytes are not written
/// twice: `unit-boundary` measures both, and from here on they cost the same CPU time.
pub const SMALL_UNIT_SIZE_BYTES_MAX: usize = 128 * KIB;

/// Bytes accepted and not yet committed, for one shard. Beyond it appends are refused as busy
/// until a commit completes.
pub const PENDING_SIZE_BYTES_MAX: usize = 32 * MIB;

/// Committed bytes of one log that live only in the journal. Beyond it they are destaged.
pub const DESTAGE_SIZE_BYTES: u64 = 256 * KIB as u64;

/// One direct write; with [`WRITES_IN_FLIGHT_MAX`] in flight the test device reaches its ceiling.
pub const WRITE_SIZE_BYTES_MAX: usize = 256 * KIB;

/// Direct writes of one commit, or of one destaging pass, in flight together.
pub const WRITES_IN_FLIGHT_MAX: usize = 4;

/// Logs destaged or opened at the same time.
pub const LOGS_IN_FLIGHT_MAX: usize = 16;

/// An active segment is pre-written ahead of its end in steps that double from this ...
pub const EXTEND_SIZE_BYTES_MIN: u64 = 64 * KIB as u64;

/// ... to this.
pub const EXTEND_SIZE_BYTES_MAX: u64 = 16 * MIB as u64;

/// One write of zeroes. Larger ones cost less and hold up the writes of commits longer.
pub const ZERO_WRITE_SIZE_BYTES: u64 = MIB as u64;

/// A journal file that has described so much data is followed by a new one, and set free. It is for
/// all shards of a directory together, which share it.
pub const CHECKPOINT_AFTER_BYTES: u64 = 256 * MIB as u64;

/// The share of a shard is not below this: some commits of the largest size.
pub const CHECKPOINT_AFTER_BYTES_MIN: u64 = 64 * MIB as u64;

/// When the live files of a shard's journal describe so many times its share of that, commits wait
/// until older ones are free. So a start behind a crash verifies 512 MiB at most, or 128 MiB for each
/// shard when there are more than four, and a commit of each; nearly always half of that, for setting
/// files free takes milliseconds. What it rebuilds from begins a file or two before.
pub const DESCRIBED_CHECKPOINTS_MAX: u64 = 2;

/// After this long without a commit, an empty entry vouches for the last one.
pub const IDLE_MARK_AFTER: Duration = Duration::from_millis(50);

/// While the disk is full, the commit loop looks this often whether space came back.
pub const SPACE_RETRY_AFTER: Duration = Duration::from_millis(500);

/// Segments of one log that may be unsynced in one checkpoint. Beyond it the log waits for a sync
/// before it rolls again.
pub const UNSYNCED_SEGMENTS_MAX: usize = 1024;

/// Recycled segment files that one shard keeps; more are removed.
pub const POOL_FILES_MAX: usize = 64;

/// Bytes of recycled segment files that one shard keeps (`ottla.pool.bytes`); files beyond it are
/// removed. Retention comes in bursts, five minutes apart: the pool should last for one.
pub const POOL_SIZE_BYTES_MAX: u64 = 8 * 1024 * MIB as u64;

/// The pool holds no more than one such part of the space that is free.
pub const POOL_FREE_SPACE_PARTS: u64 = 4;

/// A smaller file is not worth a rename and two syncs.
pub const POOL_FILE_SIZE_BYTES_MIN: u64 = MIB as u64;

/// Aborted transactions in one segment, which the active segment's index holds in memory: 2 MiB.
/// Beyond it the log rolls early.
pub const TXN_INDEX_ENTRIES_MAX: usize = 64 * 1024;

/// Transaction indexes of sealed segments held in memory by one shard; the least recently used
/// goes first.
pub const SEALED_TXNS_MAX: usize = 16;

/// Offset indexes of sealed segments held in memory by one shard; the least recently used goes
/// first.
pub const SEALED_INDEXES_MAX: usize = 64;

/// Open files of sealed segments kept by one shard; the least recently used is closed first.
/// Active segments stay open.
pub const SEALED_FILES_MAX: usize = 512;

/// The same where the process may open few files: what concurrent cold readers need at least.
pub const SEALED_FILES_MIN: usize = 8;

/// Files derived from one log that are written at the same time: epochs, a producer snapshot, two
/// indexes.
pub const DERIVED_FILES_IN_FLIGHT_MAX: usize = 4;

/// Files of a shard that are open beside its segments: the journal's, and those of the starts and
/// syncs in flight.
pub const OTHER_FILES_MAX: usize =
    engine_journal::limits::FILES_MAX + DERIVED_FILES_IN_FLIGHT_MAX * LOGS_IN_FLIGHT_MAX;

/// Files that a store of so many logs needs at least: the active segment of each, and the others.
#[must_use]
pub fn open_files_needed(logs: usize) -> usize {
    logs + SEALED_FILES_MIN + OTHER_FILES_MAX
}

/// Bytes of a segment read at once by recovery and scans: the first read, and the largest.
pub const SCAN_SIZE_BYTES_MIN: usize = 16 * KIB;
/// See [`SCAN_SIZE_BYTES_MIN`].
pub const SCAN_SIZE_BYTES_MAX: usize = MIB;

/// Free space below which appends are refused, but those of logs that use the reserve; reads,
/// deletes and retention go on.
pub const FREE_SPACE_BYTES_MIN: u64 = 64 * MIB as u64;

/// One such part of it, 8 MiB, is left by logs that use the reserve, too: for the journal, for
/// names, and for what was accepted.
pub const RESERVE_PARTS: u64 = 8;

/// Segments hold no more than a signed 32-bit position can name, as Kafka's indexes demand.
pub const SEGMENT_SIZE_BYTES_MAX: u64 = i32::MAX as u64;

const _: () = assert!(SMALL_UNIT_SIZE_BYTES_MAX + 2 * BLOCK_SIZE_BYTES < ENTRY_SIZE_BYTES_MAX);
const _: () = assert!(CHECKPOINT_AFTER_BYTES_MIN >= PENDING_SIZE_BYTES_MAX as u64);
const _: () = assert!(PENDING_SIZE_BYTES_MAX > 2 * MESSAGE_SIZE_BYTES_MAX);
const _: () = assert!(EXTEND_SIZE_BYTES_MIN.is_multiple_of(BLOCK_SIZE_BYTES as u64));
const _: () = assert!(WRITE_SIZE_BYTES_MAX.is_multiple_of(BLOCK_SIZE_BYTES));
const _: () = assert!(SCAN_SIZE_BYTES_MIN.is_multiple_of(BLOCK_SIZE_BYTES));
const _: () = assert!(SCAN_SIZE_BYTES_MAX.is_multiple_of(BLOCK_SIZE_BYTES));
