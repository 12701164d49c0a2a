//! What a shard keeps at hand of sealed segments that were used lately: open files, and indexes
//! read from disk.
//!
//! One for each kind and shard, on the shard's core. Bounded: the least recently used goes first.
//! Everything here can be had again from the disk.

use std::collections::BTreeMap;

use engine_base::HashMap;

/// A log's index in its store, and a segment's base offset.
pub(crate) type SegmentKey = (u32, i64);

/// The last used values of at most so many segments.
#[derive(Debug)]
pub(crate) struct SegmentLru<T> {
    values: HashMap<SegmentKey, (T, u64)>,
    /// The oldest use first. Each use has a number of its own.
    uses: BTreeMap<u64, SegmentKey>,
    next_use: u64,
    count_max: usize,
}

impl<T: Clone> SegmentLru<T> {
    /// Room for so many.
    pub(crate) fn new(count_max: usize) -> Self {
        assert!(count_max > 0);
        Self {
            values: HashMap::default(),
            uses: BTreeMap::new(),
            next_use: 0,
            count_max,
        }
    }

    /// The segment's value, which counts as a use.
    pub(crate) fn find(&mut self, key: SegmentKey) -> Option<T> {
        let (value, last_use) = self.values.get_mut(&key)?;
        self.uses.remove(last_use);
        *last_use = self.next_use;
        let value = value.clone();
        self.note_use(key);
        Some(value)
    }

    /// Adds or replaces a segment's value.
    pub(crate) fn insert(&mut self, key: SegmentKey, value: T) {
        self.forget(key);
        while self.values.len() >= self.count_max {
            let (_, oldest) = self.uses.pop_first().expect("every value was used");
            self.values.remove(&oldest);
        }
        self.values.insert(key, (value, self.next_use));
        self.note_use(key);
    }

    fn note_use(&mut self, key: SegmentKey) {
        self.uses.insert(self.next_use, key);
        self.next_use += 1;
        debug_assert_eq!(self.uses.len(), self.values.len());
    }

    /// The segment was removed.
    pub(crate) fn forget(&mut self, key: SegmentKey) {
        if let Some((_, last_use)) = self.values.remove(&key) {
            self.uses.remove(&last_use);
        }
    }

    /// The log was cut or deleted.
    pub(crate) fn forget_log(&mut self, log: u32) {
        self.values.retain(|&(found, _), _| found != log);
        self.uses.retain(|_, &mut (found, _)| found != log);
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.uses.len(), self.values.len());
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The model is a list in the order of use.
        #[test]
        fn agrees_with_a_list(
            actions in proptest::collection::vec((0..4u8, 0..3u32, 0..4i64), 0..80),
            count_max in 1..5usize,
        ) {
            let mut lru = SegmentLru::new(count_max);
            let mut model: Vec<(SegmentKey, usize)> = Vec::new();
            for (number, (action, log, base)) in actions.into_iter().enumerate() {
                let key = (log, base);
                let at = model.iter().position(|(found, _)| *found == key);
                match action {
                    0 => {
                        at.map(|at| model.remove(at));
                        if model.len() == count_max {
                            model.remove(0);
                        }
                        model.push((key, number));
                        lru.insert(key, number);
                    }
                    1 => {
                        let used = at.map(|at| model.remove(at));
                        model.extend(used);
                        prop_assert_eq!(lru.find(key), used.map(|(_, value)| value));
                    }
                    2 => {
                        at.map(|at| model.remove(at));
                        lru.forget(key);
                    }
                    _ => {
                        model.retain(|((found, _), _)| *found != log);
                        lru.forget_log(log);
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
            }
            for (key, value) in model {
                prop_assert_eq!(lru.find(key), Some(value));
            }
        }
    }
}
