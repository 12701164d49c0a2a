//! Offsets by group, topic and partition, in two views.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine_base::HashMap;
use replication_coordinator::{AppendId, Versions};

use super::{StoredOffset, View};
use crate::record::OffsetKey;

type Partitions = BTreeMap<i32, Versions<StoredOffset>>;
type Topics = BTreeMap<Arc<str>, Partitions>;

/// The names are nested so that a group with a thousand partitions holds its name once.
#[derive(Debug, Default)]
pub(super) struct OffsetStore {
    groups: HashMap<Arc<str>, Topics>,
    /// Keys touched by appends in flight, oldest first.
    touched: VecDeque<(AppendId, OffsetKey)>,
}

impl OffsetStore {
    pub(super) fn get(&self, view: View, key: &OffsetKey) -> Option<&StoredOffset> {
        let topics = self.groups.get(&key.group_id)?;
        read(view, topics.get(&key.topic)?.get(&key.partition)?)
    }

    /// The partitions of one topic of a group.
    pub(super) fn topic<'a>(&'a self, group_id: &str, topic: &str) -> Option<TopicOffsets<'a>> {
        self.groups.get(group_id)?.get(topic).map(TopicOffsets)
    }

    /// A group's offsets, by topic and partition.
    pub(super) fn of_group(
        &self,
        view: View,
        group_id: &str,
    ) -> impl Iterator<Item = (OffsetKey, &StoredOffset)> {
        let group = self.groups.get_key_value(group_id);
        group.into_iter().flat_map(move |(group_id, topics)| {
            topics.iter().flat_map(move |(topic, partitions)| {
                partitions.iter().filter_map(move |(partition, versions)| {
                    let key = super::key(group_id, topic, *partition);
                    Some((key, read(view, versions)?))
                })
            })
        })
    }

    /// Groups that have offsets, in no order.
    pub(super) fn group_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.keys()
    }

    pub(super) fn put(&mut self, append: AppendId, key: &OffsetKey, value: Option<StoredOffset>) {
        if value.is_none() && self.get(View::Latest, key).is_none() {
            return; // a tombstone of nothing
        }
        // The names that are already held are held on to; those of the record go with it.
        let group_id = match self.groups.get_key_value(&key.group_id) {
            Some((held, _)) => held.clone(),
            None => key.group_id.clone(),
        };
        let topics = self.groups.entry(group_id.clone()).or_default();
        let topic = match topics.get_key_value(&key.topic) {
            Some((held, _)) => held.clone(),
            None => key.topic.clone(),
        };
        let partitions = topics.entry(topic.clone()).or_default();
        partitions
            .entry(key.partition)
            .or_default()
            .put(append, value);
        let key = super::key(&group_id, &topic, key.partition);
        if append == AppendId::LOADED {
            self.settle(&key, |_| {});
        } else {
            self.touched.push_back((append, key));
        }
    }

    pub(super) fn commit(&mut self, up_to: AppendId) {
        while let Some((_, key)) = self.touched.pop_front_if(|(id, _)| *id <= up_to) {
            self.settle(&key, |versions| versions.commit(up_to));
        }
    }

    pub(super) fn revert(&mut self, from: AppendId) {
        while let Some((_, key)) = self.touched.pop_back_if(|(id, _)| *id >= from) {
            self.settle(&key, |versions| drop(versions.revert(from)));
        }
    }

    /// Settles one entry and drops what has become empty.
    fn settle(&mut self, key: &OffsetKey, settle: impl FnOnce(&mut Versions<StoredOffset>)) {
        let Some(topics) = self.groups.get_mut(&key.group_id) else {
            return;
        };
        let Some(partitions) = topics.get_mut(&key.topic) else {
            return;
        };
        let Some(versions) = partitions.get_mut(&key.partition) else {
            return;
        };
        settle(versions);
        if !versions.is_vacant() {
            return;
        }
        partitions.remove(&key.partition);
        if partitions.is_empty() {
            topics.remove(&key.topic);
        }
        if topics.is_empty() {
            self.groups.remove(&key.group_id);
        }
    }
}

/// The offsets of one topic of a group.
pub(super) struct TopicOffsets<'a>(&'a Partitions);

impl<'a> TopicOffsets<'a> {
    pub(super) fn get(&self, view: View, partition: i32) -> Option<&'a StoredOffset> {
        read(view, self.0.get(&partition)?)
    }
}

fn read(view: View, versions: &Versions<StoredOffset>) -> Option<&StoredOffset> {
    match view {
        View::Committed => versions.committed(),
        View::Latest => versions.latest(),
    }
}
