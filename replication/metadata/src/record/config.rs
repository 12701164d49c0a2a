//! One configuration value of one resource.

use std::borrow::Cow;

use engine_codec::Codec;

/// Sets a value, or deletes it.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct Config<'a> {
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The topic's name, the broker's id; empty for the default of all brokers.
    pub resource_name: Cow<'a, str>,
    /// The key.
    pub name: Cow<'a, str>,
    /// The value; null deletes it.
    #[codec(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
}
