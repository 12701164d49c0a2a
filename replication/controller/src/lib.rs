//! The active controller: commands in, metadata records out.
//!
//! One lives on shard 0 of the node that leads the quorum; a single node is a quorum of one and
//! runs the same code. It decides on the image of everything it has decided before, committed or
//! not, so commands need not wait for one another; whoever holds it appends the records in the
//! order they came, and answers when they are committed. If an append fails, the controller must be
//! dropped and made anew from the committed image.
//!
//! It reads no clock, sends nothing and writes no file; ids and draws come with the commands.
//! [`BrokerConfigs`] and [`TopicConfigs`] are
//! also the words and bounds of configuration for everyone who describes it.

#![forbid(unsafe_code)]

mod activation;
mod answer;
mod broker_config;
mod broker_keys;
mod brokers;
pub mod command;
mod config_key;
mod configs;
mod elections;
mod error;
mod group_keys;
pub mod limits;
pub mod names;
mod new_partitions;
mod occurrences;
mod partitions;
mod placement;
mod topic_config;
mod topic_keys;
mod topics;

use std::collections::BTreeMap;

use replication_metadata::image::Provenance;
use replication_metadata::{MetadataDelta, MetadataImage, MetadataVersion, Record};

pub use answer::{Answer, CreatedConfig, CreatedTopic, DeletedTopic, Outcome, PartitionResult};
pub use broker_config::{
    BrokerConfigs, ConfigDescription, ConfigSource, Synonym, check_fixed, is_sensitive,
};
pub use broker_keys::{BROKER_KEYS, BrokerKey, Update, broker_key};
pub use command::Command;
pub use config_key::{Bounds, ConfigType, Value};
pub use error::{ApiError, ErrorKind};
pub use topic_config::{Durability, LogConfig, TopicCompression, TopicConfigs};
pub use topic_keys::{TOPIC_KEYS, TopicKey, topic_key};

use crate::limits::{PRODUCER_IDS_PER_BLOCK, RECORDS_PER_REQUEST_MAX};
use crate::names::Collisions;

/// What the controller of a node knows besides the log.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `node.id`.
    pub node_id: i32,
    /// The cluster.
    pub cluster_id: String,
    /// What the broker's file says, by Kafka's names.
    pub broker: BTreeMap<String, String>,
}

/// See the module.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    /// Every record emitted so far is applied, committed or not.
    image: MetadataImage,
    collisions: Collisions,
}

impl Controller {
    /// A controller that goes on from a committed image. `next_offset` is where the log ends: the
    /// leader change of this controller's epoch stands before it. An open transaction of a
    /// predecessor is not part of the image.
    #[must_use]
    pub fn new(settings: Settings, mut image: MetadataImage, next_offset: i64) -> Self {
        assert!(
            next_offset > image.provenance().offset,
            "the image is part of the log"
        );
        let provenance = Provenance {
            offset: next_offset - 1,
            ..image.provenance()
        };
        image = MetadataDelta::new(&image).finish(provenance).0;
        let mut collisions = Collisions::default();
        for topic in image.topics().iter() {
            collisions.add(&topic.name);
        }
        Self {
            settings,
            image,
            collisions,
        }
    }

    /// What the node was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The cluster as it is when everything emitted is committed. Not for publishing: brokers see
    /// what the log says.
    #[must_use]
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// The offset of the next record.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.image.provenance().offset + 1
    }

    /// The level at which records are written. Before the first activation it is the one the
    /// bootstrap records are in.
    #[must_use]
    pub fn metadata_version(&self) -> MetadataVersion {
        self.image
            .features()
            .metadata_version()
            .unwrap_or(MetadataVersion::MAX)
    }

    /// Decides a command.
    ///
    /// # Errors
    /// The command is refused as a whole, and nothing has changed. What is refused of a part of
    /// it stands in the answer.
    pub fn handle(&mut self, command: &Command) -> Result<Outcome, ApiError> {
        match command {
            Command::RegisterController(command) => self.register_controller(command),
            Command::RegisterBroker(command) => self.register_broker(command),
            Command::UnfenceBroker {
                broker_id,
                broker_epoch,
            } => self.unfence_broker(*broker_id, *broker_epoch),
            Command::FenceBroker { broker_id } => self.fence_broker(*broker_id),
            Command::ControlledShutdown {
                broker_id,
                broker_epoch,
            } => self.controlled_shutdown(*broker_id, *broker_epoch),
            Command::UnregisterBroker { broker_id } => self.unregister_broker(*broker_id),
            Command::CreateTopics(command) => self.create_topics(command),
            Command::DeleteTopics(selectors) => self.delete_topics(selectors),
            Command::CreatePartitions(command) => self.create_partitions(command),
            Command::ElectLeaders(command) => self.elect_leaders(command),
            Command::AlterConfigs(command) => self.alter_configs(command),
            Command::AllocateProducerIds {
                broker_id,
                broker_epoch,
            } => self.allocate_producer_ids(*broker_id, *broker_epoch),
            Command::AlterPartition(command) => self.alter_partition(command),
            Command::AssignDirectories(command) => self.assign_directories(command),
        }
    }

    fn allocate_producer_ids(
        &mut self,
        broker_id: i32,
        broker_epoch: i64,
    ) -> Result<Outcome, ApiError> {
        self.check_broker_epoch(broker_id, broker_epoch)?;
        let first = self.image.next_producer_id().unwrap_or(0);
        let count = PRODUCER_IDS_PER_BLOCK;
        let Some(next_producer_id) = first.checked_add(count.into()) else {
            let message = "Exhausted all producerIds as the next block's end producerId has \
                           exceeded the int64 type limit";
            return Err(ApiError::new(ErrorKind::UnknownServerError, message));
        };
        let record = replication_metadata::record::ProducerIds {
            broker_id,
            broker_epoch,
            next_producer_id,
        };
        Ok(self.emit(vec![record.into()], Answer::ProducerIds { first, count }))
    }

    /// The layers of this node's configuration.
    #[must_use]
    pub fn broker_configs(&self) -> BrokerConfigs<'_> {
        BrokerConfigs::new(
            &self.settings.broker,
            self.image.configs(),
            self.settings.node_id,
        )
    }

    fn default_partitions(&self) -> i32 {
        i32::try_from(self.broker_configs().number("num.partitions"))
            .unwrap_or(1)
            .max(1)
    }

    fn default_replication_factor(&self) -> i16 {
        let factor = self.broker_configs().number("default.replication.factor");
        i16::try_from(factor).unwrap_or(1)
    }

    fn collisions(&self) -> &Collisions {
        &self.collisions
    }

    /// Refuses a request that would make more records than one batch takes.
    fn check_record_count(&self, records: &[Record<'static>]) -> Result<(), ApiError> {
        if records.len() > RECORDS_PER_REQUEST_MAX {
            return Err(topics::excessive());
        }
        Ok(())
    }

    /// The outcome of a command, whose records count as said unless it only asked what would be.
    fn emit_unless(
        &mut self,
        validate_only: bool,
        records: Vec<Record<'static>>,
        answer: Answer,
    ) -> Outcome {
        self.emit(if validate_only { Vec::new() } else { records }, answer)
    }

    /// The outcome of a command. From here on its records count as said.
    fn emit(&mut self, records: Vec<Record<'static>>, answer: Answer) -> Outcome {
        let base_offset = self.next_offset();
        let mut delta = MetadataDelta::new(&self.image);
        for record in &records {
            delta
                .apply(record)
                .expect("what the controller decides fits the image it decided on");
        }
        let count = i64::try_from(records.len()).expect("records are counted by 63 bits");
        let offset = base_offset + count - 1;
        let (image, changes) = delta.finish(Provenance {
            offset,
            ..self.image.provenance()
        });
        self.image = image;
        for id in &changes.topics_changed {
            if let Some(topic) = self.image.topics().by_id(*id) {
                self.collisions.add(&topic.name);
            }
        }
        for topic in changes.topics_removed.values() {
            self.collisions.remove(&topic.name);
        }
        Outcome {
            records,
            base_offset,
            atomic: true,
            answer,
        }
    }
}
