//! A topic came into being, or went.

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

/// Names a new topic. Its configuration and partitions follow in records of their own.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct Topic<'a> {
    /// The name, unique among living topics.
    pub name: Cow<'a, str>,
    /// The incarnation: a name used again gets a new id.
    pub topic_id: Uuid,
}

/// Ends a topic, its partitions and its configuration.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct RemoveTopic {
    /// Which one.
    pub topic_id: Uuid,
}
