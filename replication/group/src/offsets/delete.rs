//! OffsetDelete, DeleteGroups' offsets, and the offsets of deleted topics.

use std::sync::Arc;

use engine_base::TopicId;

use super::{Offsets, View, key};
use crate::answer::{Answer, TopicAnswer};
use crate::classic::{ClassicGroup, ClassicState};
use crate::coordinator::{GroupCoordinator, Outcome};
use crate::error::GroupError;
use crate::record::{OffsetKey, Record};
use crate::request::{DeletedTopic, OffsetDeleteRequest};

impl GroupCoordinator {
    /// Handles an OffsetDelete.
    pub(crate) fn delete_offsets(&self, request: OffsetDeleteRequest) -> Outcome {
        let group = self
            .groups
            .latest(request.group_id.as_str())
            .ok_or(GroupError::GroupIdNotFound)
            .and_then(|group| group.validate_offset_delete().map(|()| group));
        let group = match group {
            Ok(group) => group,
            Err(error) => return Outcome::now(Answer::OffsetDelete(Err(error))),
        };
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(request.topics.len());
        for (name, partitions) in request.topics {
            let is_subscribed = group.is_subscribed_to(&name);
            let error = is_subscribed.then_some(GroupError::GroupSubscribedToTopic);
            let topic: Arc<str> = Arc::from(name.as_str());
            if !is_subscribed {
                let keys = partitions
                    .iter()
                    .map(|partition| key(&group.id, &topic, *partition));
                records.extend(keys.filter(|key| self.offsets.holds(key)).map(tombstone));
            }
            answers.push(TopicAnswer {
                topic_id: TopicId::ZERO,
                name,
                partitions: partitions
                    .into_iter()
                    .map(|partition| (partition, error))
                    .collect(),
            });
        }
        let outcome = if records.is_empty() {
            Outcome::none()
        } else {
            Outcome::records(records)
        };
        outcome.replying(Answer::OffsetDelete(Ok(answers)))
    }

    /// Tombstones for the offsets of topics that are gone. An offset that was committed for
    /// another incarnation of the name stays.
    pub(crate) fn delete_offsets_of_topics(&self, topics: &[DeletedTopic]) -> Vec<Record> {
        let mut records = Vec::new();
        let is_deleted = |name: &str, topic_id: TopicId| {
            topics
                .iter()
                .any(|topic| topic.name == name && (topic_id.is_zero() || topic_id == topic.id))
        };
        for group_id in self.offsets.store.group_ids() {
            for (key, stored) in self.offsets.store.of_group(View::Latest, group_id) {
                if is_deleted(&key.topic, stored.value.topic_id) {
                    records.push(tombstone(key));
                }
            }
        }
        for (key, stored) in self.offsets.pending.iter() {
            if is_deleted(&key.topic, stored.value.topic_id) {
                records.push(tombstone(key.clone()));
            }
        }
        records
    }
}

impl Offsets {
    fn holds(&self, key: &OffsetKey) -> bool {
        self.store.get(View::Latest, key).is_some() || self.pending.contains(key)
    }

    /// Tombstones for everything of a group.
    pub(crate) fn tombstones_of(&self, group_id: &str) -> Vec<Record> {
        self.keys_of(group_id).into_iter().map(tombstone).collect()
    }
}

impl ClassicGroup {
    /// While a group has members, only what consumers do not subscribe to may go; what members of
    /// other protocols use is not known.
    fn validate_offset_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            ClassicState::Dead => Err(GroupError::GroupIdNotFound),
            ClassicState::Empty => Ok(()),
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }
}

pub(super) const fn tombstone(key: OffsetKey) -> Record {
    Record::OffsetCommit { key, value: None }
}
