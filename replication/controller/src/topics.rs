//! Creating and deleting topics.

use std::collections::BTreeSet;

use replication_metadata::Record;
use replication_metadata::image::ConfigMap;
use replication_metadata::record::{Config, RemoveTopic, Topic};

use crate::Controller;
use crate::answer::{Answer, CreatedTopic, DeletedTopic, Outcome};
use crate::command::{CreateTopics, NewTopic, TopicSelector};
use crate::error::{ApiError, ErrorKind};
use crate::limits::{CONFIG_VALUE_SIZE_BYTES_MAX, PARTITIONS_PER_REQUEST_MAX};
use crate::names::{CLUSTER_METADATA_TOPIC, validate_topic_name};
use crate::occurrences::each_once;
use crate::topic_config::{TopicConfigs, validate_topic};

const TOPIC_RESOURCE: i8 = 2;

impl Controller {
    /// Creates topics: each one as a whole or not at all, independently of its neighbours.
    pub(crate) fn create_topics(&mut self, command: &CreateTopics) -> Result<Outcome, ApiError> {
        self.check_partition_total(&command.topics)?;
        let mut records = Vec::new();
        let named = command.topics.iter().map(|topic| (&topic.name, topic));
        let results = each_once(
            named,
            |_| duplicate_name(),
            |topic| self.create_topic(topic, command.random, &mut records),
        );
        self.check_record_count(&records)?;
        let answer = Answer::TopicsCreated(results);
        Ok(self.emit_unless(command.validate_only, records, answer))
    }

    /// A request for more partitions than can be handled is refused as a whole, before anything
    /// is made of it.
    fn check_partition_total(&self, topics: &[NewTopic]) -> Result<(), ApiError> {
        let mut total = 0_i64;
        for topic in topics {
            total += match (topic.assignments.len(), topic.partitions) {
                (0, -1) => i64::from(self.default_partitions()),
                (0, count) => i64::from(count.max(0)),
                (assigned, _) => i64::try_from(assigned).unwrap_or(i64::MAX),
            };
            if total > PARTITIONS_PER_REQUEST_MAX {
                return Err(ApiError::new(
                    ErrorKind::PolicyViolation,
                    "Excessively large number of partitions per request.",
                ));
            }
        }
        Ok(())
    }

    fn create_topic(
        &self,
        topic: &NewTopic,
        random: u64,
        records: &mut Vec<Record<'static>>,
    ) -> Result<CreatedTopic, ApiError> {
        self.check_new_name(&topic.name)?;
        let configs = self.check_new_configs(topic)?;
        let partitions = if topic.assignments.is_empty() {
            self.place_topic(topic, random)?
        } else {
            self.assigned_topic(topic)?
        };
        records.push(
            Topic {
                name: topic.name.clone().into(),
                topic_id: topic.id,
            }
            .into(),
        );
        records.extend(configs.iter().map(|(name, value)| {
            Record::from(Config {
                resource_type: TOPIC_RESOURCE,
                resource_name: topic.name.clone().into(),
                name: name.clone().into(),
                value: Some(value.clone().into()),
            })
        }));
        records.extend(
            partitions
                .iter()
                .map(|partition| partition.to_record(topic.id).into()),
        );
        let brokers = self.broker_configs();
        let first = partitions.first().expect("a topic has a partition");
        Ok(CreatedTopic {
            id: topic.id,
            partitions: i32::try_from(partitions.len()).expect("bounded by the request's total"),
            replication_factor: i16::try_from(first.replicas.len()).unwrap_or(i16::MAX),
            configs: TopicConfigs {
                overrides: &configs,
                brokers: &brokers,
            }
            .created(),
        })
    }

    fn check_new_name(&self, name: &str) -> Result<(), ApiError> {
        if name == CLUSTER_METADATA_TOPIC {
            let message = "Creation of internal topic __cluster_metadata is prohibited.";
            return Err(ApiError::new(ErrorKind::InvalidRequest, message));
        }
        validate_topic_name(name)?;
        if self.image().topics().by_name(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(ApiError::new(ErrorKind::TopicAlreadyExists, message));
        }
        if let Some(other) = self.collisions().colliding(name) {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(ApiError::new(ErrorKind::InvalidTopicException, message));
        }
        Ok(())
    }

    fn check_new_configs(&self, topic: &NewTopic) -> Result<ConfigMap, ApiError> {
        let invalid = |message| Err(ApiError::new(ErrorKind::InvalidConfig, message));
        let nulls: Vec<&str> = topic
            .configs
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        if !nulls.is_empty() {
            return invalid(format!(
                "Null value not supported for topic configs: {}",
                nulls.join(",")
            ));
        }
        let mut configs = ConfigMap::new();
        for (name, value) in &topic.configs {
            let value = value.as_deref().unwrap_or_default();
            if value.len() > CONFIG_VALUE_SIZE_BYTES_MAX {
                return invalid(format!(
                    "The configuration value cannot be added because it exceeds the maximum value \
                     size of {CONFIG_VALUE_SIZE_BYTES_MAX} bytes."
                ));
            }
            configs.insert(name.clone(), value.to_owned());
        }
        validate_topic(&configs, &self.broker_configs())?;
        Ok(configs)
    }

    /// Deletes topics, named in either way.
    pub(crate) fn delete_topics(
        &mut self,
        selectors: &[TopicSelector],
    ) -> Result<Outcome, ApiError> {
        if !self.broker_configs().is_true("delete.topic.enable") {
            return Err(ApiError::bare(ErrorKind::TopicDeletionDisabled));
        }
        let mut deleted = BTreeSet::new();
        let mut records = Vec::new();
        let named = selectors.iter().map(|selector| (selector, selector));
        let results = each_once(named, duplicate_selector, |selector| {
            let topic = self.selected(selector)?;
            if !deleted.insert(topic.id) {
                let message = "The provided topic name maps to an ID that was already supplied.";
                return Err(ApiError::new(ErrorKind::InvalidRequest, message));
            }
            records.push(Record::from(RemoveTopic { topic_id: topic.id }));
            Ok(topic)
        });
        self.check_record_count(&records)?;
        Ok(self.emit(records, Answer::TopicsDeleted(results)))
    }

    fn selected(&self, selector: &TopicSelector) -> Result<DeletedTopic, ApiError> {
        let topics = self.image().topics();
        let (topic, unknown) = match selector {
            TopicSelector::Name(name) => (topics.by_name(name), ErrorKind::UnknownTopicOrPartition),
            TopicSelector::Id(id) if id.is_zero() => {
                let message = "Neither topic name nor id were specified.";
                return Err(ApiError::new(ErrorKind::InvalidRequest, message));
            }
            TopicSelector::Id(id) => (topics.by_id(*id), ErrorKind::UnknownTopicId),
        };
        let topic = topic.ok_or_else(|| ApiError::bare(unknown))?;
        Ok(DeletedTopic {
            name: topic.name.to_string(),
            id: topic.id,
        })
    }
}

pub(crate) fn duplicate_name() -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, "Duplicate topic name.")
}

fn duplicate_selector(selector: &TopicSelector) -> ApiError {
    match selector {
        TopicSelector::Name(_) => duplicate_name(),
        TopicSelector::Id(_) => ApiError::new(ErrorKind::InvalidRequest, "Duplicate topic id."),
    }
}

pub(crate) fn excessive() -> ApiError {
    ApiError::new(
        ErrorKind::PolicyViolation,
        "Unable to perform excessively large batch operation.",
    )
}
