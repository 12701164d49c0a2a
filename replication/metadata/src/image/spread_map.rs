//! A map that is cheap to share and to change: a change copies one bucket, not the map.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use engine_base::TopicId;

use super::ConfigResource;

/// Buckets of a map. Ten thousand topics make forty to a bucket: copying one costs a
/// microsecond, and so does counting up the 256 references of a clone.
const BUCKETS: usize = 256;

/// A key that says which bucket it belongs to; the same in every process, so that iteration
/// replays.
pub(crate) trait Spread {
    /// A well mixed byte of the key.
    fn spread(&self) -> u8;
}

impl Spread for TopicId {
    fn spread(&self) -> u8 {
        self.0[15] // the last byte of a random id is random
    }
}

impl Spread for str {
    /// FNV-1a, folded. Whoever picks names to fall into one bucket makes that bucket a plain
    /// ordered map: slower to copy, not slower to search.
    fn spread(&self) -> u8 {
        let mut hash = 0x811c_9dc5_u32;
        for byte in self.bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        (hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 24)) as u8
    }
}

impl Spread for Arc<str> {
    fn spread(&self) -> u8 {
        str::spread(self)
    }
}

impl Spread for ConfigResource {
    fn spread(&self) -> u8 {
        self.name.as_str().spread()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct SpreadMap<K, V> {
    /// Empty until the first insertion, then `BUCKETS` of them.
    buckets: Vec<Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K: PartialEq, V: PartialEq> PartialEq for SpreadMap<K, V> {
    /// By what they hold: one that became empty equals one that never held anything.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K, V> Default for SpreadMap<K, V> {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            len: 0,
        }
    }
}

impl<K, V> SpreadMap<K, V> {
    /// Every entry; ordered within a bucket only, and the same in every process.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.buckets.iter().flat_map(|bucket| bucket.iter())
    }
}

impl<K: Ord + Clone + Spread, V: Clone> SpreadMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + Spread + ?Sized,
    {
        self.buckets.get(usize::from(key.spread()))?.get(key)
    }

    /// The value for changing; its bucket is copied if it is shared.
    pub(crate) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + Spread + ?Sized,
    {
        let bucket = self.buckets.get_mut(usize::from(key.spread()))?;
        if !bucket.contains_key(key) {
            return None;
        }
        Arc::make_mut(bucket).get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.buckets.is_empty() {
            self.buckets.resize_with(BUCKETS, Arc::default);
        }
        let bucket = &mut self.buckets[usize::from(key.spread())];
        let previous = Arc::make_mut(bucket).insert(key, value);
        self.len += usize::from(previous.is_none());
        previous
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + Spread + ?Sized,
    {
        let bucket = self.buckets.get_mut(usize::from(key.spread()))?;
        if !bucket.contains_key(key) {
            return None;
        }
        let removed = Arc::make_mut(bucket).remove(key);
        self.len -= usize::from(removed.is_some());
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_not_seen_by_a_clone() {
        let mut map = SpreadMap::<Arc<str>, i32>::default();
        for index in 0..1000 {
            map.insert(format!("topic-{index}").into(), index);
        }
        let before = map.clone();
        assert_eq!(map.insert("topic-7".into(), -7), Some(7));
        assert_eq!(map.remove("topic-8"), Some(8));
        *map.get_mut("topic-9").unwrap() = -9;
        assert_eq!((before.len(), map.len()), (1000, 999));
        assert_eq!(
            (before.get("topic-7"), map.get("topic-7")),
            (Some(&7), Some(&-7))
        );
        assert_eq!(
            (before.get("topic-8"), map.get("topic-8")),
            (Some(&8), None)
        );
        assert_eq!(
            (before.get("topic-9"), map.get("topic-9")),
            (Some(&9), Some(&-9))
        );
        assert_eq!(map.remove("absent"), None);
        assert_eq!(map.iter().count(), 999);
    }

    #[test]
    fn maps_are_equal_by_what_they_hold() {
        let mut map = SpreadMap::<Arc<str>, i32>::default();
        map.insert("a".into(), 1);
        let other = map.clone();
        assert_eq!(map, other);
        map.insert("a".into(), 2);
        assert_ne!(map, other);
        map.remove("a");
        assert_ne!(map, other);
        assert_eq!(map, SpreadMap::default());
    }

    #[test]
    fn an_untouched_bucket_is_shared() {
        let mut map = SpreadMap::<Arc<str>, i32>::default();
        map.insert("a".into(), 1);
        map.insert("b".into(), 2);
        let before = map.clone();
        map.insert("a".into(), 3);
        let shared = before
            .buckets
            .iter()
            .zip(&map.buckets)
            .filter(|(before, after)| Arc::ptr_eq(before, after))
            .count();
        assert_eq!(shared, BUCKETS - 1);
    }
}
