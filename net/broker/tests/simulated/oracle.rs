//! What clients were told, and whether the log holds it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use net_client::ConsumedRecord;

/// A record's name: who wrote it, and the how manieth of that writer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) writer: u32,
    pub(crate) number: u32,
}

impl Name {
    /// A value that begins with the name and is `size_bytes` long.
    pub(crate) fn value(self, size_bytes: usize) -> Vec<u8> {
        let mut value = Vec::with_capacity(size_bytes.max(8));
        value.extend_from_slice(&self.writer.to_be_bytes());
        value.extend_from_slice(&self.number.to_be_bytes());
        let filler = (self.writer ^ self.number) as u8;
        value.resize(size_bytes.max(8), filler);
        value
    }

    /// The name in a value.
    pub(crate) fn of(record: &ConsumedRecord) -> Self {
        let value = record.value.as_deref().unwrap();
        let half = |position| u32::from_be_bytes(*value[position..].first_chunk().unwrap());
        let name = Self {
            writer: half(0),
            number: half(4),
        };
        assert_eq!(value, name.value(value.len()), "a value of its own");
        name
    }
}

/// Partition and offset.
type Place = (i32, i64);

/// See the module. One for all clients of a world.
#[derive(Default)]
pub(crate) struct Oracle {
    acked: RefCell<BTreeMap<Place, Name>>,
    seen: RefCell<BTreeMap<Place, Name>>,
    committed: RefCell<BTreeMap<i32, i64>>,
    /// Topics, and whether they are there.
    topics: RefCell<BTreeMap<String, bool>>,
    writers: Cell<u32>,
    pub(crate) is_over: Cell<bool>,
}

impl Oracle {
    /// A name for one more writer.
    pub(crate) fn new_writer(&self) -> u32 {
        self.writers.set(self.writers.get() + 1);
        self.writers.get()
    }

    /// The broker said that it keeps a record.
    pub(crate) fn on_acked(&self, partition: i32, offset: i64, name: Name) {
        let before = self.acked.borrow_mut().insert((partition, offset), name);
        assert!(
            before.is_none(),
            "{partition}@{offset} was given to {before:?} and to {name:?}"
        );
    }

    /// A consumer was given a record.
    pub(crate) fn on_seen(&self, record: &ConsumedRecord) {
        let place = (record.partition, record.offset);
        let name = Name::of(record);
        let before = *self.seen.borrow_mut().entry(place).or_insert(name);
        assert_eq!(before, name, "{place:?} changed under its readers");
    }

    /// The broker said that it keeps a committed offset.
    pub(crate) fn on_committed(&self, partition: i32, offset: i64) {
        let mut committed = self.committed.borrow_mut();
        let known = committed.entry(partition).or_insert(offset);
        *known = offset.max(*known);
    }

    /// What a group's committed offset must not be below.
    pub(crate) fn committed(&self) -> BTreeMap<i32, i64> {
        self.committed.borrow().clone()
    }

    /// The broker said that a topic is there now, or not.
    pub(crate) fn on_topic(&self, name: &str, exists: bool) {
        self.topics.borrow_mut().insert(name.to_owned(), exists);
    }

    /// The broker was asked to change something about a topic.
    pub(crate) fn on_topic_unsure(&self, name: &str) {
        self.topics.borrow_mut().remove(name);
    }

    /// Compares with the topics that there are.
    pub(crate) fn assert_topics(&self, names: &[String]) {
        let topics = self.topics.borrow();
        assert!(topics.len() > 3, "{topics:?}");
        for (topic, &exists) in &*topics {
            assert_eq!(names.contains(topic), exists, "{topic}");
        }
    }

    pub(crate) fn acked_count(&self) -> usize {
        self.acked.borrow().len()
    }

    pub(crate) fn seen_count(&self) -> usize {
        self.seen.borrow().len()
    }

    /// Compares with everything that the log holds.
    pub(crate) fn assert_kept(&self, records: &[ConsumedRecord]) {
        let mut held = BTreeMap::new();
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        let mut last: BTreeMap<(i32, u32), u32> = BTreeMap::new();
        for record in records {
            let partition = record.partition;
            let end = ends.entry(partition).or_insert(0);
            assert_eq!(record.offset, *end, "partition {partition} has a gap");
            *end += 1;
            let name = Name::of(record);
            let before = last.insert((partition, name.writer), name.number);
            assert!(
                before.is_none_or(|before| before < name.number),
                "partition {partition} has {name:?} twice or out of order, after {before:?}"
            );
            held.insert((partition, record.offset), name);
        }
        for (told, what) in [(&self.acked, "acknowledged"), (&self.seen, "seen")] {
            for (place, name) in &*told.borrow() {
                assert_eq!(held.get(place), Some(name), "{what} at {place:?}");
            }
        }
    }
}
