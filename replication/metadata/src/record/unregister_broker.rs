//! A broker left for good.

use engine_codec::Codec;

/// Removes a registration.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct UnregisterBroker {
    /// `node.id`.
    pub broker_id: i32,
    /// The epoch of the registration that ends.
    pub broker_epoch: i64,
}
