//! OffsetFetch.

use std::sync::Arc;

use engine_base::TopicId;

use super::{StoredOffset, View, key};
use crate::answer::{Answer, OffsetFetchPartitionAnswer, OffsetFetchTopicAnswer};
use crate::coordinator::{GroupCoordinator, Outcome};
use crate::error::GroupError;
use crate::request::{OffsetFetchRequest, OffsetFetchTopic};

impl GroupCoordinator {
    /// Handles an OffsetFetch of one group. A group or partition without offsets is no error.
    pub(crate) fn fetch_offsets(&self, request: OffsetFetchRequest) -> Outcome {
        // Who requires stable offsets gets the newest, after all that is in flight is committed;
        // others get at once what is committed now.
        let view = if request.require_stable {
            View::Latest
        } else {
            View::Committed
        };
        let group_id: Arc<str> = Arc::from(request.group_id.as_str());
        let exists = match view {
            View::Latest => self.groups.latest(&group_id).is_some(),
            View::Committed => self.groups.committed(&group_id).is_some(),
        };
        let exists = exists || self.foreign.contains_key(&group_id);
        let topics = match request.topics {
            Some(topics) => {
                let topics = topics.into_iter();
                topics
                    .map(|topic| self.fetch_topic(view, &group_id, topic, exists))
                    .collect()
            }
            None if exists => self.fetch_all(view, &group_id),
            None => Vec::new(),
        };
        let answer = Answer::OffsetFetch(Ok(topics));
        match view {
            View::Latest => Outcome::after_writes(answer),
            View::Committed => Outcome::now(answer),
        }
    }

    fn fetch_topic(
        &self,
        view: View,
        group_id: &Arc<str>,
        topic: OffsetFetchTopic,
        exists: bool,
    ) -> OffsetFetchTopicAnswer {
        let name: Arc<str> = Arc::from(topic.name);
        let offsets = self.offsets.store.topic(group_id, &name).filter(|_| exists);
        let partitions = topic.partitions.into_iter().map(|partition| {
            if self.is_unstable(view, group_id, &name, partition) {
                return unstable(partition);
            }
            let stored = offsets
                .as_ref()
                .and_then(|offsets| offsets.get(view, partition));
            match stored {
                Some(stored) if is_of_topic(stored, topic.topic_id) => found(partition, stored),
                _ => nothing(partition, None),
            }
        });
        OffsetFetchTopicAnswer {
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
            name,
        }
    }

    fn fetch_all(&self, view: View, group_id: &Arc<str>) -> Vec<OffsetFetchTopicAnswer> {
        let mut topics: Vec<OffsetFetchTopicAnswer> = Vec::new();
        for (key, stored) in self.offsets.store.of_group(view, group_id) {
            let answer = if self.is_unstable(view, group_id, &key.topic, key.partition) {
                unstable(key.partition)
            } else {
                found(key.partition, stored)
            };
            match topics.last_mut() {
                Some(last) if last.name == key.topic => last.partitions.push(answer),
                _ => topics.push(OffsetFetchTopicAnswer {
                    topic_id: TopicId::ZERO,
                    name: key.topic,
                    partitions: vec![answer],
                }),
            }
        }
        topics
    }

    fn is_unstable(
        &self,
        view: View,
        group_id: &Arc<str>,
        topic: &Arc<str>,
        partition: i32,
    ) -> bool {
        view == View::Latest
            && self
                .offsets
                .pending
                .contains(&key(group_id, topic, partition))
    }
}

/// Whether the offset was committed for this incarnation of the topic, as far as both sides say.
fn is_of_topic(stored: &StoredOffset, topic_id: TopicId) -> bool {
    let committed_for = stored.value.topic_id;
    committed_for.is_zero() || topic_id.is_zero() || committed_for == topic_id
}

fn found(partition: i32, stored: &StoredOffset) -> OffsetFetchPartitionAnswer {
    OffsetFetchPartitionAnswer {
        partition,
        error: None,
        committed_offset: stored.value.offset,
        committed_leader_epoch: stored.value.leader_epoch.unwrap_or(-1),
        metadata: stored.value.metadata.clone(),
    }
}

fn nothing(partition: i32, error: Option<GroupError>) -> OffsetFetchPartitionAnswer {
    OffsetFetchPartitionAnswer {
        partition,
        error,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Arc::from(""),
    }
}

fn unstable(partition: i32) -> OffsetFetchPartitionAnswer {
    nothing(partition, Some(GroupError::UnstableOffsetCommit))
}
