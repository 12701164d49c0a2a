//! Bounds of decoding: what one frame or record may make us do before it is refused.

/// Array elements decoded from one reader, over all arrays and nesting. One wire byte can become
/// a hundred bytes of structs; this bounds the amplification (1 Mi elements of 100 B are 100 MiB,
/// the same order as the largest frame).
pub const ELEMENTS_MAX: u32 = 1 << 20;

/// Tagged fields of one struct. Kafka defines fewer than ten anywhere.
pub const TAGGED_FIELDS_MAX: u32 = 1024;

/// What an array may reserve before its first element has been decoded. Beyond it a vector
/// grows as elements prove to be there.
pub const FIRST_CAPACITY_BYTES_MAX: usize = 4096;

/// The longest string: the classic form has a signed 16-bit length, and Kafka holds the compact
/// form to the same bound.
pub const STRING_SIZE_BYTES_MAX: usize = i16::MAX as usize;
