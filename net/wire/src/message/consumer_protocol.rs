//! Subscriptions and assignments: what the members of a classic consumer group say to each other
//! through the coordinator, which does not look inside.
//!
//! A blob begins with its version as 16 bits. KIP-429 (owned partitions, v1), KIP-792 (generation,
//! v2), KIP-881 (rack, v3).

use std::borrow::Cow;

use engine_codec::{Codec, Decode, DecodeError, EncodeError, Message, Reader, Writer};

/// What a member wants to read.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-3", flexible = "none")]
pub struct ConsumerProtocolSubscription<'a> {
    /// The names of the topics.
    pub topics: Vec<Cow<'a, str>>,
    /// The assignor's own data.
    #[codec(nullable = "0+", default = null)]
    pub user_data: Option<Cow<'a, [u8]>>,
    /// What the member holds from the last generation.
    #[codec(versions = "1+", ignorable)]
    pub owned_partitions: Vec<TopicPartition<'a>>,
    /// The generation in which it got them; -1 if unknown.
    #[codec(versions = "2+", default = -1, ignorable)]
    pub generation_id: i32,
    /// Where the member is; null if it does not say.
    #[codec(versions = "3+", nullable = "0+", default = null, ignorable)]
    pub rack_id: Option<Cow<'a, str>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct TopicPartition<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<i32>,
}

/// What a member shall read.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-3", flexible = "none")]
pub struct ConsumerProtocolAssignment<'a> {
    /// The partitions.
    pub assigned_partitions: Vec<TopicPartition<'a>>,
    /// The assignor's own data.
    #[codec(nullable = "0+", default = null)]
    pub user_data: Option<Cow<'a, [u8]>>,
}

/// Appends a blob: the version, then the message.
pub fn write_blob<M: Message>(
    out: &mut Vec<u8>,
    message: &M,
    version: i16,
) -> Result<(), EncodeError> {
    let start = out.len();
    Writer::new(out).i16(version);
    let result = message.write(out, version);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Reads a blob. A version above ours is read as our highest, and what follows the fields we know
/// is ignored: members of one group may differ in age.
pub fn read_blob<'a, M: Message + Decode<'a>>(blob: &'a [u8]) -> Result<M, DecodeError> {
    let mut reader = Reader::new(blob);
    let version = reader.i16()?;
    M::read_from(&mut reader, version.min(M::VERSIONS.highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_blob_is_read_as_far_as_we_know_it() {
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["t".into()],
            rack_id: Some("r".into()),
            ..Default::default()
        };
        let mut blob = Vec::new();
        write_blob(&mut blob, &subscription, 3).unwrap();
        assert_eq!(blob[..2], [0, 3]);
        assert_eq!(read_blob(&blob), Ok(subscription.clone()));
        blob[1] = 9;
        blob.extend([1, 2, 3]);
        assert_eq!(read_blob(&blob), Ok(subscription));
        assert!(read_blob::<ConsumerProtocolAssignment<'_>>(&[0xff, 0xff]).is_err());
    }

    #[test]
    fn partitions_are_written_in_version_0_of_an_assignment() {
        let assignment = ConsumerProtocolAssignment {
            assigned_partitions: vec![TopicPartition {
                topic: "t".into(),
                partitions: vec![4],
            }],
            ..Default::default()
        };
        let mut blob = Vec::new();
        write_blob(&mut blob, &assignment, 0).unwrap();
        assert_eq!(read_blob(&blob), Ok(assignment));
    }
}
