//! Brackets around records that apply together or not at all (KIP-868).

use std::borrow::Cow;

use engine_codec::Codec;

/// Opens one.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct BeginTransaction<'a> {
    /// What it is for.
    #[codec(nullable = "0+", default = null, tag = 0)]
    pub name: Option<Cow<'a, str>>,
}

/// Closes it: everything since the begin applies.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct EndTransaction {}

/// Closes it: nothing since the begin applies.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct AbortTransaction<'a> {
    /// Why.
    #[codec(nullable = "0+", default = null, tag = 0)]
    pub reason: Option<Cow<'a, str>>,
}
