//! Identities. A newtype each, so that a shard is never passed for a broker.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 128 bits in Kafka's two forms: 16 bytes on the wire, 22 URL-safe base64 characters in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

/// Names one incarnation of a topic: a topic deleted and created again has a new id.
pub type TopicId = Uuid;

impl Uuid {
    /// "No id": what a request that names its topic by name carries.
    pub const ZERO: Self = Self([0; 16]);
    /// The topic id of `__cluster_metadata`.
    pub const METADATA_TOPIC: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Whether this is the absent id.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// A version 4 (random) id from 128 random bits, never one that Kafka reserves or one whose
    /// text starts with a dash (tools would take it for an option).
    #[must_use]
    pub fn from_random(bits: [u8; 16]) -> Self {
        let mut bytes = bits;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        if bytes[0] >> 2 == 62 {
            bytes[0] = 0; // index 62 of the URL-safe alphabet is '-'
        }
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 16 bytes of URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicIdParseError;

impl fmt::Display for TopicIdParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an id is 22 characters of URL-safe base64, for example 'MkU3OEVBNTcwNTJENDM2Qg'",
        )
    }
}

impl std::error::Error for TopicIdParseError {}

impl FromStr for Uuid {
    type Err = TopicIdParseError;

    fn from_str(text: &str) -> Result<Self, TopicIdParseError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| TopicIdParseError)?;
        bytes.try_into().map(Self).map_err(|_| TopicIdParseError)
    }
}

/// A node of the cluster (`node.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BrokerId(pub i32);

/// One core's share of this process; an index from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard as an index into tables with one row for each shard.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A partition by the id of its topic: survives neither deletion nor re-creation of the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicPartition {
    /// The topic's incarnation.
    pub topic_id: TopicId,
    /// The partition's index within the topic, from zero.
    pub partition: i32,
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic_id, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_kafkas() {
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        let id: Uuid = "MkU3OEVBNTcwNTJENDM2Qg".parse().unwrap();
        assert_eq!(id.to_string(), "MkU3OEVBNTcwNTJENDM2Qg");
        assert_eq!("short".parse::<Uuid>(), Err(TopicIdParseError));
    }

    #[test]
    fn random_id_never_starts_with_a_dash() {
        let id = Uuid::from_random([0xfb; 16]);
        assert!(!id.to_string().starts_with('-'));
        assert_eq!(id.0[6] >> 4, 4);
    }
}
