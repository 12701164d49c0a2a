//! What the controller says to a command.

use engine_base::{TopicId, Uuid};
use replication_metadata::Record;
use replication_metadata::image::{ConfigResource, PartitionImage};

use crate::command::TopicSelector;
use crate::error::ApiError;

/// What a command comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// To be appended to the metadata log in this order, and before those of any later outcome.
    /// May be empty.
    pub records: Vec<Record<'static>>,
    /// The offset that the first record must get: broker epochs are made of it.
    pub base_offset: i64,
    /// The records are one batch. If not, they may be cut into several.
    pub atomic: bool,
    /// To be sent when the records are committed.
    pub answer: Answer,
}

/// One variant for each command.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done and there is nothing to say.
    Done,
    /// The broker's epoch.
    BrokerRegistered {
        /// To be named in everything it asks from now on.
        broker_epoch: i64,
    },
    /// For each distinct name.
    TopicsCreated(Vec<(String, Result<CreatedTopic, ApiError>)>),
    /// For each distinct selector.
    TopicsDeleted(Vec<(TopicSelector, Result<DeletedTopic, ApiError>)>),
    /// For each topic.
    PartitionsCreated(Vec<(String, Result<(), ApiError>)>),
    /// For each topic, each partition.
    LeadersElected(Vec<(String, Vec<PartitionResult>)>),
    /// For each resource.
    ConfigsAltered(Vec<(ConfigResource, Result<(), ApiError>)>),
    /// A block of producer ids.
    ProducerIds {
        /// Its first id.
        first: i64,
        /// How many.
        count: i32,
    },
    /// For each partition reported, the state it has now.
    PartitionsAltered(Vec<(TopicId, i32, Result<PartitionImage, ApiError>)>),
    /// For each assignment.
    DirectoriesAssigned(Vec<(TopicId, i32, Result<(), ApiError>)>),
}

/// What became of one partition, by its index.
pub type PartitionResult = (i32, Result<(), ApiError>);

/// A topic that was, or would be, created.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
    /// Its whole configuration, by key.
    pub configs: Vec<CreatedConfig>,
}

/// A configuration value of a new topic (CreateTopics v5, KIP-525).
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedConfig {
    /// The key.
    pub name: &'static str,
    /// The value.
    pub value: Option<String>,
    /// Where it comes from, in DescribeConfigs' numbers.
    pub source: i8,
    /// Whether the value must not be shown.
    pub sensitive: bool,
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
}
