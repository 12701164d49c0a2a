//! What brokers and controllers register alike.

use std::borrow::Cow;

use engine_codec::Codec;

/// A listener of a node.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct NodeEndpoint<'a> {
    /// Listener name.
    pub name: Cow<'a, str>,
    /// Advertised host.
    pub host: Cow<'a, str>,
    /// Advertised port.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The range of a feature that a node supports.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct NodeFeature<'a> {
    /// The feature.
    pub name: Cow<'a, str>,
    /// Lowest level.
    pub min_supported_version: i16,
    /// Highest level.
    pub max_supported_version: i16,
}
