//! One quota of one client entity.

use std::borrow::Cow;

use engine_codec::Codec;

/// Sets a quota, or removes it.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct ClientQuota<'a> {
    /// Whom it binds: user, client id, address, in any lawful combination.
    pub entity: Vec<QuotaEntity<'a>>,
    /// Which quota.
    pub key: Cow<'a, str>,
    /// Its value.
    pub value: f64,
    /// Remove it instead.
    pub remove: bool,
}

/// One part of a quota entity.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct QuotaEntity<'a> {
    /// `user`, `client-id` or `ip`.
    pub entity_type: Cow<'a, str>,
    /// The name; null for the default of this type.
    #[codec(nullable = "0+")]
    pub entity_name: Option<Cow<'a, str>>,
}
