//! State in two views: what was committed, and what the appends in flight will make of it.
//!
//! Kafka keeps hash maps with snapshots for this. Few keys are in flight at a time, so here each
//! key carries its own short list of versions, and a journal of touched keys says where to look
//! when an append commits or fails.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::Hash;

use engine_base::HashMap;

use crate::append::AppendId;

/// One value in all its versions. Absence is a version too: a deletion in flight.
#[derive(Clone, Debug)]
pub struct Versions<V> {
    committed: Option<V>,
    /// Oldest first; ids never fall. Empty when nothing is in flight, which costs no allocation.
    in_flight: Vec<(AppendId, Option<V>)>,
}

impl<V> Versions<V> {
    /// Never written.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            committed: None,
            in_flight: Vec::new(),
        }
    }

    /// What a request sees: the last write, committed or not.
    #[must_use]
    pub fn latest(&self) -> Option<&V> {
        match self.in_flight.last() {
            Some((_, version)) => version.as_ref(),
            None => self.committed.as_ref(),
        }
    }

    /// The last write, to change in place what is not under version control.
    pub fn latest_mut(&mut self) -> Option<&mut V> {
        match self.in_flight.last_mut() {
            Some((_, version)) => version.as_mut(),
            None => self.committed.as_mut(),
        }
    }

    /// What a reader of committed state sees.
    #[must_use]
    pub const fn committed(&self) -> Option<&V> {
        self.committed.as_ref()
    }

    /// Writes a version. [`AppendId::LOADED`] writes a committed one.
    pub fn put(&mut self, append: AppendId, value: Option<V>) {
        if append == AppendId::LOADED {
            assert!(
                self.in_flight.is_empty(),
                "loaded after a speculative write"
            );
            self.committed = value;
            return;
        }
        match self.in_flight.last_mut() {
            Some((last, version)) if *last == append => *version = value,
            last => {
                assert!(last.is_none_or(|(last, _)| *last < append));
                self.in_flight.push((append, value));
            }
        }
    }

    /// Everything up to and with `up_to` is committed.
    pub fn commit(&mut self, up_to: AppendId) {
        let count = self.in_flight.partition_point(|(id, _)| *id <= up_to);
        if let Some((_, value)) = self.in_flight.drain(..count).last() {
            self.committed = value;
        }
    }

    /// Takes back everything from `from` on.
    pub fn revert(&mut self, from: AppendId) -> impl Iterator<Item = V> {
        let keep = self.in_flight.partition_point(|(id, _)| *id < from);
        let void = self.in_flight.split_off(keep);
        void.into_iter().filter_map(|(_, version)| version)
    }

    /// Absent in every view: the key may be dropped.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.committed.is_none() && self.in_flight.is_empty()
    }
}

impl<V> Default for Versions<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// A map in two views.
#[derive(Debug)]
pub struct TimelineMap<K, V> {
    entries: HashMap<K, Versions<V>>,
    /// Keys touched by appends in flight, oldest first.
    touched: VecDeque<(AppendId, K)>,
}

impl<K: Hash + Eq + Clone, V> TimelineMap<K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: HashMap::default(),
            touched: VecDeque::new(),
        }
    }

    /// The value as the next request sees it.
    pub fn latest<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)?.latest()
    }

    /// The value as the next request sees it, to change what is not under version control.
    pub fn latest_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key)?.latest_mut()
    }

    /// The value as committed.
    pub fn committed<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)?.committed()
    }

    /// Writes (`Some`) or deletes (`None`) in the name of an append.
    pub fn put(&mut self, append: AppendId, key: K, value: Option<V>) {
        if append == AppendId::LOADED && value.is_none() {
            self.entries.remove(&key);
            return;
        }
        if append != AppendId::LOADED {
            self.touched.push_back((append, key.clone()));
        }
        self.entries.entry(key).or_default().put(append, value);
    }

    /// All values as the next request sees them, in no order.
    pub fn iter_latest(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries
            .iter()
            .filter_map(|(key, versions)| Some((key, versions.latest()?)))
    }

    /// All values as the next request sees them, in no order.
    pub fn iter_latest_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries
            .iter_mut()
            .filter_map(|(key, versions)| Some((key, versions.latest_mut()?)))
    }

    /// All values as committed, in no order.
    pub fn iter_committed(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries
            .iter()
            .filter_map(|(key, versions)| Some((key, versions.committed()?)))
    }

    /// Keys with any version: an upper bound of what is held in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key has any version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Everything up to and with `up_to` is committed.
    pub fn commit(&mut self, up_to: AppendId) {
        while let Some((_, key)) = self.touched.pop_front_if(|(id, _)| *id <= up_to) {
            self.settle(&key, |versions| versions.commit(up_to));
        }
    }

    /// Takes back everything from `from` on and hands out what was written since.
    pub fn revert(&mut self, from: AppendId) -> Vec<V> {
        let mut void = Vec::new();
        while let Some((_, key)) = self.touched.pop_back_if(|(id, _)| *id >= from) {
            self.settle(&key, |versions| void.extend(versions.revert(from)));
        }
        void
    }

    fn settle(&mut self, key: &K, settle: impl FnOnce(&mut Versions<V>)) {
        // A key touched twice by one append is settled, and perhaps dropped, at its first mention.
        if let Some(versions) = self.entries.get_mut(key) {
            settle(versions);
            if versions.is_vacant() {
                self.entries.remove(key);
            }
        }
    }
}

impl<K: Hash + Eq + Clone, V> Default for TimelineMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_of_committed_state_do_not_see_appends_in_flight() {
        let mut map = TimelineMap::new();
        map.put(AppendId::LOADED, "k", Some(1));
        map.put(AppendId(1), "k", Some(2));
        map.put(AppendId(2), "k", None);
        assert_eq!((map.latest("k"), map.committed("k")), (None, Some(&1)));
        map.commit(AppendId(1));
        assert_eq!((map.latest("k"), map.committed("k")), (None, Some(&2)));
        map.commit(AppendId(2));
        assert!(map.is_empty());
    }

    #[test]
    fn a_failed_append_takes_the_later_ones_with_it() {
        let mut map = TimelineMap::new();
        map.put(AppendId(1), "k", Some(1));
        map.put(AppendId(2), "k", Some(2));
        map.put(AppendId(2), "fresh", Some(9));
        map.put(AppendId(3), "k", Some(3));
        assert_eq!(map.revert(AppendId(2)), [2, 3, 9]);
        assert_eq!((map.latest("k"), map.latest("fresh")), (Some(&1), None));
        map.commit(AppendId(1));
        assert_eq!((map.committed("k"), map.len()), (Some(&1), 1));
    }

    #[test]
    fn one_append_may_write_a_key_twice() {
        let mut map = TimelineMap::new();
        map.put(AppendId(1), "k", Some(1));
        map.put(AppendId(1), "k", None);
        assert_eq!(map.latest("k"), None);
        map.commit(AppendId(1));
        assert!(map.is_empty());
    }
}
