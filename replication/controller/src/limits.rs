//! Bounds of the controller.

/// Records one request of a client may produce, Kafka's bound: at some 60 bytes a record this is
/// half a megabyte, which one batch of the log holds.
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;

/// Partitions one CreateTopics request may ask for, Kafka's bound.
pub const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

/// Producer ids in a block, Kafka's number. A broker asks again when one is used up.
pub const PRODUCER_IDS_PER_BLOCK: i32 = 1000;

/// The longest topic name: with the partition's index it must fit a file name.
pub const TOPIC_NAME_SIZE_BYTES_MAX: usize = 249;

/// The longest configuration value, what a record can hold.
pub const CONFIG_VALUE_SIZE_BYTES_MAX: usize = i16::MAX as usize;
