//! Delegation tokens, kept for a directory that has some.

use std::borrow::Cow;

use engine_codec::Codec;

/// A token, or its renewal.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct DelegationToken<'a> {
    /// Whose rights it carries.
    pub owner: Cow<'a, str>,
    /// Who asked for it.
    pub requester: Cow<'a, str>,
    /// Who may renew it.
    pub renewers: Vec<Cow<'a, str>>,
    /// Issued, in ms since 1970.
    pub issue_timestamp: i64,
    /// Never valid after, in ms since 1970.
    pub max_timestamp: i64,
    /// Valid until renewed, in ms since 1970.
    pub expiration_timestamp: i64,
    /// Its id.
    pub token_id: Cow<'a, str>,
}

/// Ends a token.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct RemoveDelegationToken<'a> {
    /// Its id.
    pub token_id: Cow<'a, str>,
}
