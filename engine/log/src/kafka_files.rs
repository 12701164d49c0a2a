//! Tests against files that Apache Kafka's own log wrote: `testdata/kafka-log`, made by
//! `tools/compat/record/run log` (Kafka 4.4.0; 255 offsets, 5 segments, 4 producers of which one
//! is transactional, an epoch every 30 batches). Every derived file is computed from the batches
//! and must come out as Kafka's bytes.

use engine_record::Batches;

use crate::leader_epochs::LeaderEpochs;
use crate::offset_index::OffsetIndex;
use crate::producer_snapshot;
use crate::producer_state::{ProducerEntry, ProducerState};
use crate::recent_batches::BatchMetadata;
use crate::time_index::TimeIndex;
use crate::txn_index::{AbortedTxn, TxnIndex};

const INDEX_INTERVAL_BYTES: usize = 256;
const BASES: [i64; 5] = [0, 60, 121, 181, 239];

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../testdata/kafka-log/", $name)).as_slice())),*]
    };
}

fn file(name: &str) -> Option<&'static [u8]> {
    let all = files![
        "00000000000000000000.log",
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        "00000000000000000000.txnindex",
        "00000000000000000060.log",
        "00000000000000000060.index",
        "00000000000000000060.timeindex",
        "00000000000000000060.txnindex",
        "00000000000000000060.snapshot",
        "00000000000000000121.log",
        "00000000000000000121.index",
        "00000000000000000121.timeindex",
        "00000000000000000121.txnindex",
        "00000000000000000121.snapshot",
        "00000000000000000181.log",
        "00000000000000000181.index",
        "00000000000000000181.timeindex",
        "00000000000000000181.txnindex",
        "00000000000000000181.snapshot",
        "00000000000000000239.log",
        "00000000000000000239.index",
        "00000000000000000239.timeindex",
        "00000000000000000239.txnindex",
        "00000000000000000239.snapshot",
        "00000000000000000255.snapshot",
        "leader-epoch-checkpoint"
    ];
    all.into_iter()
        .find_map(|(found, bytes)| (found == name).then_some(bytes))
}

fn segment_file(base_offset: i64, suffix: &str) -> &'static [u8] {
    file(&format!("{base_offset:020}{suffix}")).unwrap()
}

/// The indexes of a segment by Kafka's rule for an append, and for a seal.
fn indexes(base_offset: i64) -> (OffsetIndex, TimeIndex) {
    let (mut offsets, mut times) = (OffsetIndex::new(base_offset), TimeIndex::new(base_offset));
    let (mut position, mut since_entry, mut newest) = (0, 0, (-1, base_offset));
    for batch in Batches::new(segment_file(base_offset, ".log")) {
        let batch = batch.unwrap();
        let header = batch.header();
        if header.max_timestamp > newest.0 {
            newest = (header.max_timestamp, header.last_offset());
        }
        if since_entry > INDEX_INTERVAL_BYTES {
            offsets.push(header.last_offset(), position);
            times.maybe_push(newest.0, newest.1);
            since_entry = 0;
        }
        position += batch.size_bytes() as u64;
        since_entry += batch.size_bytes();
    }
    if base_offset != *BASES.last().unwrap() {
        times.maybe_push(newest.0, newest.1);
    }
    (offsets, times)
}

#[test]
fn indexes_come_out_as_kafkas() {
    for base_offset in BASES {
        let (offsets, times) = indexes(base_offset);
        let (offsets_file, times_file) = (
            segment_file(base_offset, ".index"),
            segment_file(base_offset, ".timeindex"),
        );
        assert_eq!(
            offsets.encode_from(0),
            offsets_file[..offsets.len() * 8],
            "{base_offset}"
        );
        assert_eq!(
            times.encode_from(0),
            times_file[..times.len() * 12],
            "{base_offset}"
        );
        // The active segment's files are as long as they may become, zeroes behind the entries:
        // they must be refused, and rebuilt, after Kafka was killed.
        let is_active = base_offset == *BASES.last().unwrap();
        let read = OffsetIndex::decode(base_offset, offsets_file);
        assert_eq!(read, (!is_active).then_some(offsets));
        let read = TimeIndex::decode(base_offset, times_file);
        assert_eq!(read, (!is_active).then_some(times));
    }
}

#[test]
fn every_offset_is_found_from_where_the_index_points() {
    for base_offset in BASES {
        let (offsets, _) = indexes(base_offset);
        let log = segment_file(base_offset, ".log");
        for batch in Batches::new(log) {
            let header = *batch.unwrap().header();
            for offset in header.base_offset..=header.last_offset() {
                let from = usize::try_from(offsets.position_for(offset)).unwrap();
                let first = Batches::new(&log[from..]).next().unwrap().unwrap();
                assert!(first.header().base_offset <= offset);
            }
        }
    }
}

fn entries(state: &ProducerState) -> Vec<(i64, ProducerEntry)> {
    let mut entries: Vec<_> = state
        .entries()
        .map(|(producer_id, entry)| {
            // A snapshot holds the last batch only, and of the two timestamps the marker's.
            let mut kept = ProducerEntry {
                batches: ProducerEntry::EMPTY.batches,
                ..*entry
            };
            if let Some(last) = entry.batches.last() {
                kept.batches.push(BatchMetadata {
                    timestamp: entry.last_timestamp,
                    ..*last
                });
            }
            (producer_id, kept)
        })
        .collect();
    entries.sort_unstable_by_key(|&(producer_id, _)| producer_id);
    entries
}

#[test]
fn producers_and_transactions_come_out_as_kafkas() {
    let mut state = ProducerState::default();
    let mut end_offset = 0;
    for base_offset in BASES {
        assert_eq!(end_offset, base_offset);
        if let Some(snapshot) = file(&format!("{base_offset:020}.snapshot")) {
            check_snapshot(&state, snapshot);
        }
        let mut aborted = TxnIndex::new();
        for batch in Batches::new(segment_file(base_offset, ".log")) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            if let Some(txn) = state.replay(&batch).unwrap()
                && txn.is_aborted
            {
                aborted.push(AbortedTxn {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.last_offset,
                    last_stable_offset: txn.last_stable_offset,
                });
            }
            end_offset = batch.header().next_offset();
            state.on_high_watermark(end_offset);
        }
        let stored = segment_file(base_offset, ".txnindex");
        assert_eq!(aborted.encode_from(0), stored);
        assert_eq!(TxnIndex::decode(base_offset, stored), Some(aborted));
    }
    check_snapshot(&state, segment_file(end_offset, ".snapshot"));
    assert_eq!(state.first_unstable_offset(), None);
}

fn check_snapshot(state: &ProducerState, stored: &[u8]) {
    let mut loaded = ProducerState::default();
    producer_snapshot::decode_into(stored, &mut loaded, 0, i64::MAX).unwrap();
    assert_eq!(entries(&loaded), entries(state));
    assert_eq!(
        loaded.first_undecided_offset(),
        state.first_undecided_offset()
    );
    // Kafka writes producers in the order of its hash map, we by their ids; here the two agree.
    assert_eq!(producer_snapshot::encode(state), stored);
}

#[test]
fn epochs_come_out_as_kafkas() {
    let mut epochs = LeaderEpochs::new();
    for base_offset in BASES {
        for batch in Batches::new(segment_file(base_offset, ".log")) {
            let header = *batch.unwrap().header();
            epochs.assign(header.leader_epoch, header.base_offset);
        }
    }
    let stored = file("leader-epoch-checkpoint").unwrap();
    assert_eq!(epochs.encode().as_bytes(), stored);
    assert_eq!(LeaderEpochs::decode(stored).unwrap(), epochs);
}
