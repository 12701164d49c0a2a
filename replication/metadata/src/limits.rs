//! Bounds of this crate.

/// Where a batch of the log is closed when its records need not apply together. Kafka reads batches of up to 8 MiB; an
/// eighth of that keeps the buffer of a reader small and costs 61 bytes for each MiB.
pub const BATCH_SIZE_BYTES_TARGET: usize = 1 << 20;

/// Where a batch of a snapshot is closed. Between two batches of a snapshot that is being written
/// the core does other work, so this bounds how long it waits: some 1,500 records.
pub const SNAPSHOT_BATCH_SIZE_BYTES_TARGET: usize = 128 << 10;

/// The largest batch Kafka's quorum takes.
pub const BATCH_SIZE_BYTES_MAX: usize = 8 << 20;

/// Records one command may produce, Kafka's bound. With partitions of some 60 bytes this is half
/// a megabyte.
pub const RECORDS_PER_COMMAND_MAX: usize = 10_000;

/// How deep the text of a quorum-state file may nest.
pub(crate) const JSON_DEPTH_MAX: usize = 8;

const _: () = assert!(BATCH_SIZE_BYTES_TARGET < BATCH_SIZE_BYTES_MAX);
const _: () = assert!(SNAPSHOT_BATCH_SIZE_BYTES_TARGET < BATCH_SIZE_BYTES_MAX);
