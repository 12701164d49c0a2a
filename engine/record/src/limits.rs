//! Bounds of this crate.

use engine_base::{KIB, MIB};

/// What a compressed batch may become, as a multiple of its compressed size. Ordinary data stays
/// below 20; above 1,000 the sender is either testing or attacking.
pub const DECOMPRESSION_RATIO_MAX: u64 = 1000;

/// Up to here a batch may grow whatever its ratio: constant payloads reach 20,000 with zstd, and
/// a test that produces a megabyte of zeros must not be refused. Streaming through 16 MiB costs
/// a core about ten milliseconds and no memory.
pub const DECOMPRESSED_SIZE_BYTES_FLOOR: u64 = 16 * MIB as u64;

/// No batch may become larger than this.
pub const DECOMPRESSED_SIZE_BYTES_MAX: u64 = 128 * MIB as u64;

/// The piece of decompressed data that validation holds at a time.
pub const DECOMPRESSION_WINDOW_BYTES: usize = 64 * KIB;

/// The largest zstd window accepted (log 2): zstd's own default limit, so what every Kafka
/// consumer can read, and no more.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The smallest zstd window written (log 2): the library's own limit.
pub const ZSTD_WINDOW_LOG_MIN: u32 = 10;

/// A zstd context that has grown beyond this is dropped after the batch that made it grow, so
/// that one batch with a 128 MiB window does not hold 128 MiB for ever.
pub const ZSTD_CONTEXT_BYTES_KEPT_MAX: usize = 16 * MIB;

/// Snappy cannot expand further: its densest element makes 64 bytes from 3. A declared length
/// above this multiple of the input is a lie and nothing is allocated for it.
pub const SNAPPY_RATIO_MAX: usize = 22;

/// How much uncompressed data goes into one block of Snappy's xerial framing (Java's default).
pub const SNAPPY_BLOCK_BYTES: usize = 32 * KIB;

/// Record errors that one rejection lists. Kafka lists every record; a batch of a million
/// records without keys would make an answer far larger than the request.
pub const RECORD_ERRORS_MAX: usize = 1000;

const _: () = assert!(DECOMPRESSED_SIZE_BYTES_FLOOR <= DECOMPRESSED_SIZE_BYTES_MAX);
const _: () = assert!(SNAPPY_RATIO_MAX * 3 > 64);
