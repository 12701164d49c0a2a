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

/// What a topic holds.
#[derive(Default)]
pub(crate) struct Held {
    /// In order for each partition.
    pub(crate) records: Vec<ConsumedRecord>,
    /// The first offset of each partition, and the one behind its last.
    pub(crate) starts: BTreeMap<i32, i64>,
    pub(crate) ends: BTreeMap<i32, i64>,
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
    /// Retention may remove what is old.
    pub(crate) removes: Cell<bool>,
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
    pub(crate) fn assert_kept(&self, held: &Held) {
        let names = names_of(held);
        if !self.removes.get() {
            assert!(held.starts.values().all(|&start| start == 0));
        }
        for (told, what) in [(&self.acked, "acknowledged"), (&self.seen, "seen")] {
            for (place, name) in &*told.borrow() {
                let is_removed = place.1 < held.starts[&place.0];
                assert!(
                    is_removed || names.get(place) == Some(name),
                    "{what} at {place:?}: {name:?}"
                );
            }
        }
    }

    /// Compares with a log that may have lost its end, and forgets what it lost: from here on
    /// other records may take the same offsets.
    pub(crate) fn assert_kept_but_ends(&self, held: &Held) {
        for told in [&self.acked, &self.seen] {
            let is_held = |place: &Place| place.1 < held.ends[&place.0];
            told.borrow_mut().retain(|place, _| is_held(place));
        }
        self.assert_kept(held);
    }

    /// Compares with what a group has committed.
    pub(crate) fn assert_commits(&self, found: &BTreeMap<i32, i64>) {
        for (partition, least) in &*self.committed.borrow() {
            let found = found.get(partition);
            assert!(
                found.is_some_and(|offset| offset >= least),
                "partition {partition}: {least} was committed, {found:?} is told"
            );
        }
    }
}

/// The names of records by place; none is there twice, out of order or with a gap before it.
fn names_of(held: &Held) -> BTreeMap<Place, Name> {
    let mut names = BTreeMap::new();
    let mut nexts = held.starts.clone();
    let mut last: BTreeMap<(i32, u32), u32> = BTreeMap::new();
    for record in &held.records {
        let partition = record.partition;
        let next = nexts.get_mut(&partition).unwrap();
        assert_eq!(record.offset, *next, "partition {partition} has a gap");
        *next += 1;
        let name = Name::of(record);
        let before = last.insert((partition, name.writer), name.number);
        assert!(
            before.is_none_or(|before| before < name.number),
            "partition {partition} has {name:?} twice or out of order, after {before:?}"
        );
        names.insert((partition, record.offset), name);
    }
    names
}
