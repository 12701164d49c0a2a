//! Bounds of a connection.

use std::time::Duration;

use engine_base::{KIB, MIB};

/// Requests of one connection that may wait for their answers. Reading stops at it. Kafka has one
/// in flight for each connection; clients pipeline five.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// Bytes of answers that one send takes together.
pub const SEND_SIZE_BYTES_MAX: usize = 4 * MIB;

/// A new connection's receive buffer, and what an idle one pins.
pub const RECEIVE_SIZE_BYTES_MIN: usize = 2 * KIB;

/// Small frames are received many at a time into a buffer of at most this.
pub const RECEIVE_SIZE_BYTES_MAX: usize = 64 * KIB;

/// A frame's buffer grows by doubling from what has arrived; a connection that has sent frames of
/// a size before gets that size at once, up to this.
pub const RECEIVE_CREDIT_BYTES_MAX: usize = MIB;

/// A frame whose header announces more than this needs room in the shard's budget for what has
/// arrived of it before more is read.
pub const UNBUDGETED_FRAME_BYTES_MAX: usize = 64 * KIB;

/// A frame must be complete this long after its first byte, plus a second for each
/// [`RECEIVE_RATE_BYTES_MIN`]: the answer to clients that send a byte a minute.
pub const FRAME_TIME_MAX: Duration = Duration::from_secs(30);

/// The slowest client that is waited for.
pub const RECEIVE_RATE_BYTES_MIN: usize = KIB;

/// A peer that takes none of an answer for this long is cut off.
pub const SEND_STALL_MAX: Duration = Duration::from_secs(60);

/// How often a shard looks for idle, slow and stalled connections.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

const _: () = assert!(RECEIVE_SIZE_BYTES_MIN <= RECEIVE_SIZE_BYTES_MAX);
const _: () = assert!(RECEIVE_SIZE_BYTES_MAX <= UNBUDGETED_FRAME_BYTES_MAX);
