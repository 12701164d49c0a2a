//! The client's bounds, each with what happens when it is reached.

use std::time::Duration;

use engine_base::MIB;

/// The largest answer a broker may announce; a larger one closes the connection.
pub const RESPONSE_SIZE_BYTES_MAX: usize = 128 * MIB;

/// How long a request may take (`request.timeout.ms`); then its connection is closed, for the
/// answer could arrive in place of another.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an operation is retried after retriable errors (`delivery.timeout.ms`); then its last
/// error is the answer.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the commit of a member that leaves its group may take, and then as long the leaving:
/// what is not committed is read again by others, and the session ends by itself.
pub const CLOSE_STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// The first wait between two tries; doubled up to [`RETRY_WAIT_MAX`].
pub const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);

/// The longest wait between two tries.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

/// Uncompressed bytes of a batch (`batch.size`); the record that would exceed them starts the
/// next.
pub const BATCH_SIZE_BYTES: usize = 256 * 1024;

/// Uncompressed bytes that wait in a producer over all partitions; then sending waits for them.
pub const PRODUCER_BUFFER_BYTES: usize = 8 * MIB;

/// Bytes of one Fetch answer (`fetch.max.bytes`).
pub const FETCH_SIZE_BYTES_MAX: usize = 16 * MIB;

/// Bytes of one partition in a Fetch answer (`max.partition.fetch.bytes`).
pub const PARTITION_FETCH_SIZE_BYTES_MAX: usize = MIB;

/// What a compressed batch may unpack to is bounded by `engine-record`; these are the records
/// handed out by one poll (`max.poll.records`).
pub const POLL_RECORDS_MAX: usize = 10_000;

const _: () = assert!(FETCH_SIZE_BYTES_MAX < RESPONSE_SIZE_BYTES_MAX);
const _: () = assert!(BATCH_SIZE_BYTES < PRODUCER_BUFFER_BYTES);
