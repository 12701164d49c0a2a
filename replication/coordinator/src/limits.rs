//! Bounds of one coordinator.

/// Appends written and not yet committed. A log that commits nothing for the write timeout has
/// answered everybody with an error, but the appends stay: this bounds what they hold. At the
/// bound new requests are refused as [`crate::Failure::Overloaded`], which clients retry.
pub const APPENDS_IN_FLIGHT_MAX: usize = 16_384;

/// Answers that wait for an append, over all appends. Same behaviour at the bound.
pub const ANSWERS_WAITING_MAX: usize = 65_536;

/// Records in one batch of an outcome that need not be atomic (expiry, topic deletion). Such an
/// outcome is cut into several appends.
pub const BATCH_RECORDS_MAX: usize = 4_096;

/// Bytes of keys and values in one batch of an outcome that need not be atomic: half of Kafka's
/// default `max.message.bytes`, so that framing never makes it too large.
pub const BATCH_SIZE_BYTES_MAX: usize = engine_base::limits::MESSAGE_SIZE_BYTES_MAX / 2;

const _: () = assert!(BATCH_RECORDS_MAX > 0);
const _: () = assert!(ANSWERS_WAITING_MAX >= APPENDS_IN_FLIGHT_MAX);
