//! The little that a coordinator reads of the consumers' own protocol: subscribed topics.

use std::borrow::Cow;

use engine_codec::{Codec, DecodeError, Message, Reader};

/// Protocol type of the consumers' groups.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// Version 0 of ConsumerProtocolSubscription. Each later version begins with it, so it is what
/// is read of all of them, known or not.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
struct Subscription<'a> {
    topics: Vec<Cow<'a, str>>,
    #[codec(nullable = "0+", default = null)]
    user_data: Option<Cow<'a, [u8]>>,
}

/// The topics that a member's metadata names.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut reader = Reader::new(metadata);
    reader.i16()?; // the version, which does not matter here
    let subscription = Subscription::read_from(&mut reader, 0)?;
    Ok(subscription
        .topics
        .into_iter()
        .map(Cow::into_owned)
        .collect())
}

#[cfg(test)]
pub(crate) fn subscription(version: i16, topics: &[&str]) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    let subscription = Subscription {
        topics: topics.iter().map(|topic| Cow::Borrowed(*topic)).collect(),
        user_data: None,
    };
    subscription.write(&mut bytes, 0).unwrap();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_versions_are_read_by_their_beginning() {
        let mut bytes = subscription(3, &["a", "b"]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 7]); // owned partitions, generation …
        assert_eq!(subscribed_topics(&bytes).unwrap(), ["a", "b"]);
    }

    #[test]
    fn bytes_of_another_protocol_are_an_error() {
        assert!(subscribed_topics(&[]).is_err());
        assert!(subscribed_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]).is_err());
    }
}
