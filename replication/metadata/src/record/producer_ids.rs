//! The next free block of producer ids.

use engine_codec::Codec;

/// Hands a block to a broker: everything below `next_producer_id` is taken.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct ProducerIds {
    /// Who took the block.
    pub broker_id: i32,
    /// In which incarnation.
    #[codec(default = -1)]
    pub broker_epoch: i64,
    /// The first id of the next block.
    pub next_producer_id: i64,
}
