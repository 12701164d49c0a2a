//! Message formats 0 and 1: recognised, and refused.
//!
//! Kafka 4 takes neither from producers (KIP-896 ended produce below version 3) and writes none
//! (KIP-724). What remains is telling an old message from damage: the smallest legal length is
//! that of a format 0 message, and a known old magic is answered differently from an unknown one.

/// CRC, magic, attributes, key size and value size of a format 0 message: no length field of any
/// format may be smaller.
pub const LEGACY_MESSAGE_OVERHEAD_BYTES: usize = 4 + 1 + 1 + 4 + 4;
