//! What the controller can be told to do. Plain data: the face makes it from requests of any
//! version, an outcome goes back the same way.

use engine_base::{TopicId, Uuid};
use replication_metadata::image::{ConfigResource, Endpoint};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A controller started.
    RegisterController(RegisterController),
    /// A broker started.
    RegisterBroker(RegisterBroker),
    /// A broker has caught up with the metadata log and is ready to serve.
    UnfenceBroker {
        /// Which one.
        broker_id: i32,
        /// In which incarnation.
        broker_epoch: i64,
    },
    /// A broker is out of reach, or has finished its controlled shutdown.
    FenceBroker {
        /// Which one.
        broker_id: i32,
    },
    /// A broker wants to leave: its leaderships move, as far as somebody can take them.
    ControlledShutdown {
        /// Which one.
        broker_id: i32,
        /// In which incarnation.
        broker_epoch: i64,
    },
    /// A broker leaves for good.
    UnregisterBroker {
        /// Which one.
        broker_id: i32,
    },
    /// CreateTopics.
    CreateTopics(CreateTopics),
    /// DeleteTopics.
    DeleteTopics(Vec<TopicSelector>),
    /// CreatePartitions.
    CreatePartitions(CreatePartitions),
    /// ElectLeaders.
    ElectLeaders(ElectLeaders),
    /// IncrementalAlterConfigs, and AlterConfigs by way of [`AlterConfigs::legacy`].
    AlterConfigs(AlterConfigs),
    /// AllocateProducerIds: one block.
    AllocateProducerIds {
        /// For whom.
        broker_id: i32,
        /// In which incarnation.
        broker_epoch: i64,
    },
    /// AlterPartition: a leader reports its in-sync set.
    AlterPartition(AlterPartition),
    /// AssignReplicasToDirs: a broker says in which directories its replicas are.
    AssignDirectories(AssignDirectories),
}

/// A controller's registration (KIP-919).
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterController {
    /// `node.id`.
    pub controller_id: i32,
    /// Drawn at process start.
    pub incarnation_id: Uuid,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// What it supports: feature, lowest and highest level.
    pub features: Vec<(String, i16, i16)>,
}

/// A broker's registration.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterBroker {
    /// `node.id`.
    pub broker_id: i32,
    /// The cluster it believes to join.
    pub cluster_id: String,
    /// Drawn at process start.
    pub incarnation_id: Uuid,
    /// Its advertised listeners.
    pub endpoints: Vec<Endpoint>,
    /// What it supports: feature, lowest and highest level.
    pub features: Vec<(String, i16, i16)>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Ids of its usable log directories.
    pub log_dirs: Vec<Uuid>,
    /// The epoch under which it stopped cleanly, or -1. If it is not the epoch of the last
    /// registration, the broker may have lost acknowledged records, and leads again only where
    /// nobody else can.
    pub previous_broker_epoch: i64,
}

/// CreateTopics.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTopics {
    /// What to create.
    pub topics: Vec<NewTopic>,
    /// Only say what would happen.
    pub validate_only: bool,
    /// A draw: where the placement of replicas starts.
    pub random: u64,
}

/// One topic to create.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// The id it gets when it is created: drawn by the caller, never used otherwise.
    pub id: TopicId,
    /// How many partitions, -1 for `num.partitions`.
    pub partitions: i32,
    /// How many replicas, -1 for `default.replication.factor`.
    pub replication_factor: i16,
    /// Partition and its replicas, where the caller places them.
    pub assignments: Vec<(i32, Vec<i32>)>,
    /// Configuration.
    pub configs: Vec<(String, Option<String>)>,
}

/// A topic named in one of the two ways.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicSelector {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// CreatePartitions.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePartitions {
    /// What to enlarge.
    pub topics: Vec<MorePartitions>,
    /// Only say what would happen.
    pub validate_only: bool,
    /// A draw: where the placement of replicas starts.
    pub random: u64,
}

/// One topic to enlarge.
#[derive(Clone, Debug, PartialEq)]
pub struct MorePartitions {
    /// Its name.
    pub name: String,
    /// How many partitions it is to have.
    pub count: i32,
    /// The replicas of each new partition, where the caller places them.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// Whom ElectLeaders may elect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica.
    Preferred,
    /// Anyone alive, even if records are lost.
    Unclean,
}

/// ElectLeaders.
#[derive(Clone, Debug, PartialEq)]
pub struct ElectLeaders {
    /// Whom to elect.
    pub election: ElectionType,
    /// Topic and partitions; `None` for all.
    pub partitions: Option<Vec<(String, Vec<i32>)>>,
}

/// How a value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Set it.
    Set,
    /// Back to the default.
    Delete,
    /// Add elements to a list.
    Append,
    /// Take elements from a list.
    Subtract,
}

/// One value to change.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigChange {
    /// The key.
    pub name: String,
    /// What to do.
    pub operation: ConfigOperation,
    /// With what.
    pub value: Option<String>,
}

/// IncrementalAlterConfigs.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterConfigs {
    /// Each resource is changed as a whole or not at all.
    pub resources: Vec<(ConfigResource, Vec<ConfigChange>)>,
    /// Only say what would happen.
    pub validate_only: bool,
    /// The older request: what is not named is deleted.
    pub legacy: bool,
}

/// AlterPartition.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPartition {
    /// The leader that reports.
    pub broker_id: i32,
    /// In which incarnation.
    pub broker_epoch: i64,
    /// What it reports.
    pub partitions: Vec<PartitionReport>,
}

/// What a leader reports of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionReport {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// The epoch it leads in.
    pub leader_epoch: i32,
    /// The partition epoch it builds upon.
    pub partition_epoch: i32,
    /// Who is in sync, with the broker epoch it saw them fetch with (-1: do not compare).
    pub isr: Vec<(i32, i64)>,
    /// It has finished the recovery after an unclean election.
    pub recovered: bool,
}

/// AssignReplicasToDirs (KIP-858).
#[derive(Clone, Debug, PartialEq)]
pub struct AssignDirectories {
    /// The broker.
    pub broker_id: i32,
    /// In which incarnation.
    pub broker_epoch: i64,
    /// Topic, partition, and the directory of the broker's replica.
    pub assignments: Vec<(TopicId, i32, Uuid)>,
}
