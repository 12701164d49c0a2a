//! The aborted transactions of one segment, which a read_committed consumer must skip.
//!
//! ```text
//! <base>.txnindex, big endian, 34 bytes an entry, in the order of the markers:
//!   version i16 = 0 | producer id i64 | first offset i64 | last offset i64 (the marker)
//!   | last stable offset i64 when it was written
//! ```
//! An entry stands in the segment that holds the marker, which may be later than the one where
//! the transaction began. Pure code; the segment owns one, files are read and written by the log.

use engine_codec::{Reader, Writer};

use crate::producer_state::CompletedTxn;

/// Bytes of one entry.
pub const TXN_INDEX_ENTRY_SIZE_BYTES: usize = 34;

const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: i64,
    /// Its abort marker.
    pub last_offset: i64,
    /// First offset of an undecided transaction once this one ended; everything before was
    /// decided, which bounds how far a reader has to look.
    pub last_stable_offset: i64,
}

impl AbortedTxn {
    /// The entry of a transaction that has ended; none when it was committed.
    #[must_use]
    pub fn of(ended: CompletedTxn) -> Option<Self> {
        ended.is_aborted.then_some(Self {
            producer_id: ended.producer_id,
            first_offset: ended.first_offset,
            last_offset: ended.last_offset,
            last_stable_offset: ended.last_stable_offset,
        })
    }
}

/// What a reader finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbortedTxns {
    /// Those that touch the range.
    pub txns: Vec<AbortedTxn>,
    /// Whether later segments can hold none that touches it.
    pub is_complete: bool,
}

/// Entries of one segment, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnIndex {
    entries: Vec<AbortedTxn>,
}

impl TxnIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file; `None` when it is not an index of the segment with this base offset: a
    /// partial entry, a version not known, or markers before the segment or out of order. The
    /// caller then rebuilds it.
    #[must_use]
    pub fn decode(base_offset: i64, bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(TXN_INDEX_ENTRY_SIZE_BYTES) {
            return None;
        }
        let mut reader = Reader::new(bytes);
        let mut index = Self::new();
        while !reader.is_empty() {
            let version = reader.i16().ok()?;
            let txn = AbortedTxn {
                producer_id: reader.i64().ok()?,
                first_offset: reader.i64().ok()?,
                last_offset: reader.i64().ok()?,
                last_stable_offset: reader.i64().ok()?,
            };
            let is_next = index
                .entries
                .last()
                .is_none_or(|last| last.last_offset < txn.last_offset);
            // A marker ends what began before it; zeroes that a crash left do not say so.
            let is_txn = txn.first_offset < txn.last_offset && txn.last_offset >= base_offset;
            if version != VERSION || !is_txn || !is_next {
                return None;
            }
            index.entries.push(txn);
        }
        Some(index)
    }

    /// Adds a transaction whose marker was just appended.
    ///
    /// # Panics
    /// When its marker is not above the last one's.
    pub fn push(&mut self, txn: AbortedTxn) {
        assert!(
            self.entries
                .last()
                .is_none_or(|last| last.last_offset < txn.last_offset)
        );
        self.entries.push(txn);
    }

    /// The aborted transactions that touch the offsets from `fetch_offset` to below
    /// `upper_bound_offset`.
    #[must_use]
    pub fn collect(&self, fetch_offset: i64, upper_bound_offset: i64) -> AbortedTxns {
        let mut found = AbortedTxns::default();
        self.collect_into(fetch_offset, upper_bound_offset, &mut found);
        found
    }

    /// The same, added to what earlier segments held.
    pub fn collect_into(
        &self,
        fetch_offset: i64,
        upper_bound_offset: i64,
        found: &mut AbortedTxns,
    ) {
        for txn in &self.entries {
            if txn.last_offset >= fetch_offset && txn.first_offset < upper_bound_offset {
                found.txns.push(*txn);
            }
            if txn.last_stable_offset >= upper_bound_offset {
                found.is_complete = true;
                return;
            }
        }
    }

    /// Drops the transactions whose markers stand at `offset` or behind it.
    pub fn truncate_to(&mut self, offset: i64) {
        let keep = self.entries.partition_point(|txn| txn.last_offset < offset);
        self.entries.truncate(keep);
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> &[AbortedTxn] {
        &self.entries
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none; then Kafka has no file either.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The file's bytes of the entries from `index` on.
    #[must_use]
    pub fn encode_from(&self, index: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for txn in self.entries.get(index..).unwrap_or_default() {
            writer.i16(VERSION);
            writer.i64(txn.producer_id);
            writer.i64(txn.first_offset);
            writer.i64(txn.last_offset);
            writer.i64(txn.last_stable_offset);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn txn(first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id: 7,
            first_offset,
            last_offset,
            last_stable_offset,
        }
    }

    fn index(txns: &[AbortedTxn]) -> TxnIndex {
        let mut index = TxnIndex::new();
        for txn in txns {
            index.push(*txn);
        }
        index
    }

    #[test]
    fn collects_what_touches_the_range_and_knows_when_to_stop() {
        let all = [txn(0, 10, 2), txn(2, 20, 21), txn(30, 40, 41)];
        let index = index(&all);
        assert_eq!(index.collect(11, 15).txns, [all[1]]);
        assert!(index.collect(11, 15).is_complete);
        assert_eq!(index.collect(0, 100).txns, all);
        assert!(!index.collect(0, 100).is_complete);
        assert!(index.collect(21, 30).txns.is_empty());
    }

    #[test]
    fn bytes_are_read_back_or_refused() {
        let index = index(&[txn(0, 10, 11), txn(2, 20, 21)]);
        let bytes = index.encode_from(0);
        assert_eq!(bytes.len(), 2 * TXN_INDEX_ENTRY_SIZE_BYTES);
        assert_eq!(TxnIndex::decode(0, &bytes), Some(index.clone()));
        assert_eq!(TxnIndex::decode(11, &bytes), None);
        assert_eq!(index.encode_from(1), bytes[TXN_INDEX_ENTRY_SIZE_BYTES..]);
        for size in 0..bytes.len() {
            let whole = size % TXN_INDEX_ENTRY_SIZE_BYTES == 0;
            assert_eq!(TxnIndex::decode(0, &bytes[..size]).is_some(), whole);
        }
        let mut zeroes = bytes;
        zeroes.extend([0; TXN_INDEX_ENTRY_SIZE_BYTES]);
        assert_eq!(TxnIndex::decode(0, &zeroes), None);
        assert_eq!(TxnIndex::decode(0, &[0; TXN_INDEX_ENTRY_SIZE_BYTES]), None);
    }

    proptest! {
        #[test]
        fn truncation_leaves_what_ended_before(
            lasts in proptest::collection::btree_set(0..100i64, 0..20), cut in 0..100i64,
        ) {
            let txns: Vec<AbortedTxn> = lasts.iter().map(|&last| txn(last / 2, last, last)).collect();
            let mut index = index(&txns);
            index.truncate_to(cut);
            let left: Vec<AbortedTxn> =
                txns.into_iter().filter(|txn| txn.last_offset < cut).collect();
            prop_assert_eq!(index.entries(), &left[..]);
        }
    }
}
