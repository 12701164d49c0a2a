//! The old records of fencing, written before 3.3 and read for ever.

use engine_codec::Codec;

/// Takes a broker out of service.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct FenceBroker {
    /// `node.id`.
    pub id: i32,
    /// The epoch of the registration meant.
    pub epoch: i64,
}

/// Puts a broker back into service.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct UnfenceBroker {
    /// `node.id`.
    pub id: i32,
    /// The epoch of the registration meant.
    pub epoch: i64,
}
