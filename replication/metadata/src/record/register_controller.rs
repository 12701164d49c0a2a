//! Controllers and what they support (KIP-919).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

/// The whole registration of one controller.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct RegisterController<'a> {
    /// `node.id`.
    pub controller_id: i32,
    /// Drawn anew at every process start.
    pub incarnation_id: Uuid,
    /// Always false since 4.0.
    pub zk_migration_ready: bool,
    /// Where brokers and other controllers reach it.
    pub end_points: Vec<ControllerEndpoint<'a>>,
    /// What it supports.
    pub features: Vec<ControllerFeature<'a>>,
}

/// A listener of a controller.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ControllerEndpoint<'a> {
    /// Listener name.
    pub name: Cow<'a, str>,
    /// Advertised host.
    pub host: Cow<'a, str>,
    /// Advertised port.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The range of a feature that a controller supports.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ControllerFeature<'a> {
    /// The feature.
    pub name: Cow<'a, str>,
    /// Lowest level.
    pub min_supported_version: i16,
    /// Highest level.
    pub max_supported_version: i16,
}

/// Removes one (KIP-1312).
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct UnregisterController {
    /// `node.id`.
    pub controller_id: i32,
}
