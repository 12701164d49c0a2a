//! Offsets of open transactions: seen by nobody until the marker, but they hold a partition
//! unstable. Nobody reads them as committed, so one view with an undo list is enough.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use replication_coordinator::AppendId;

use super::StoredOffset;
use crate::record::OffsetKey;

#[derive(Debug, Default)]
pub(super) struct PendingOffsets {
    /// No empty maps.
    by_producer: BTreeMap<i64, BTreeMap<OffsetKey, StoredOffset>>,
    /// Which producers hold a key: the same pairs as above, turned around.
    open: BTreeMap<OffsetKey, BTreeSet<i64>>,
    /// What appends in flight have overwritten, oldest first.
    undo: VecDeque<(AppendId, Overwritten)>,
}

#[derive(Debug)]
struct Overwritten {
    producer_id: i64,
    key: OffsetKey,
    previous: Option<StoredOffset>,
}

impl PendingOffsets {
    /// Whether an open transaction holds the key.
    pub(super) fn contains(&self, key: &OffsetKey) -> bool {
        self.open.contains_key(key)
    }

    /// Whether an open transaction holds anything of the group.
    pub(super) fn contains_group(&self, group_id: &str) -> bool {
        self.keys_of(group_id).next().is_some()
    }

    /// The keys of a group that open transactions hold.
    pub(super) fn keys_of<'a>(&'a self, group_id: &str) -> impl Iterator<Item = &'a OffsetKey> {
        let group_id: Arc<str> = Arc::from(group_id);
        let first = super::key(&group_id, &Arc::from(""), i32::MIN);
        self.open
            .range(first..)
            .map(|(key, _)| key)
            .take_while(move |key| key.group_id == group_id)
    }

    /// All offsets of open transactions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OffsetKey, &StoredOffset)> {
        self.by_producer.values().flatten()
    }

    pub(super) fn put(
        &mut self,
        append: AppendId,
        producer_id: i64,
        key: &OffsetKey,
        value: Option<StoredOffset>,
    ) {
        let previous = self.set(producer_id, key, value);
        if append != AppendId::LOADED {
            let overwritten = Overwritten {
                producer_id,
                key: key.clone(),
                previous,
            };
            self.undo.push_back((append, overwritten));
        }
    }

    /// Takes the key from all producers.
    pub(super) fn clear(&mut self, append: AppendId, key: &OffsetKey) {
        let producers = self.open.get(key).cloned().unwrap_or_default();
        for producer_id in producers {
            self.put(append, producer_id, key, None);
        }
    }

    /// Takes everything from a producer.
    pub(super) fn take(
        &mut self,
        append: AppendId,
        producer_id: i64,
    ) -> BTreeMap<OffsetKey, StoredOffset> {
        let taken = self
            .by_producer
            .get(&producer_id)
            .cloned()
            .unwrap_or_default();
        for key in taken.keys() {
            self.put(append, producer_id, key, None);
        }
        taken
    }

    pub(super) fn commit(&mut self, up_to: AppendId) {
        while self.undo.pop_front_if(|(id, _)| *id <= up_to).is_some() {}
    }

    pub(super) fn revert(&mut self, from: AppendId) {
        while let Some((_, overwritten)) = self.undo.pop_back_if(|(id, _)| *id >= from) {
            let Overwritten {
                producer_id,
                key,
                previous,
            } = overwritten;
            self.set(producer_id, &key, previous);
        }
    }

    fn set(
        &mut self,
        producer_id: i64,
        key: &OffsetKey,
        value: Option<StoredOffset>,
    ) -> Option<StoredOffset> {
        if let Some(value) = value {
            self.open
                .entry(key.clone())
                .or_default()
                .insert(producer_id);
            let offsets = self.by_producer.entry(producer_id).or_default();
            return offsets.insert(key.clone(), value);
        }
        if let Some(producers) = self.open.get_mut(key) {
            producers.remove(&producer_id);
            if producers.is_empty() {
                self.open.remove(key);
            }
        }
        let offsets = self.by_producer.get_mut(&producer_id)?;
        let previous = offsets.remove(key);
        if offsets.is_empty() {
            self.by_producer.remove(&producer_id);
        }
        previous
    }
}
