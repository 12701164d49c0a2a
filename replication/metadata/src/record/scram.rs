//! SCRAM credentials.

use std::borrow::Cow;

use engine_codec::Codec;

/// The credential of one user for one mechanism (KIP-554).
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct UserScramCredential<'a> {
    /// The user.
    pub name: Cow<'a, str>,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// The salt.
    pub salt: Cow<'a, [u8]>,
    /// What authenticates the client.
    pub stored_key: Cow<'a, [u8]>,
    /// What authenticates the server.
    pub server_key: Cow<'a, [u8]>,
    /// Rounds of the key derivation.
    pub iterations: i32,
}

/// Deletes one.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct RemoveUserScramCredential<'a> {
    /// The user.
    pub name: Cow<'a, str>,
    /// As in [`UserScramCredential`].
    pub mechanism: i8,
}
