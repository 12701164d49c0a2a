//! The small files of a log directory, and the configuration.
//!
//! ```text
//! input: selector u8 | bytes
//!   0 offset checkpoint      3 offset index     6 names of folders and segments
//!   1 leader epochs          4 time index       7 a .properties file
//!   2 producer snapshot      5 aborted transactions
//!     (bit 6 of the selector sets its checksum right)
//! ```
//! Proved: nothing panics; what is read and written again reads the same; indexes answer every
//! question with a place they hold; a name that is taken for one of ours is the one we would make.

use engine_log::checkpoint_file::{decode_offsets, encode_offsets};
use engine_log::txn_index::{AbortedTxn, TxnIndex};
use engine_log::{LeaderEpochs, OffsetIndex, ProducerState, TimeIndex, layout, producer_snapshot};

use crate::input::Input;
use crate::properties;

const FLAG_REPAIR: u8 = 0x40;
/// Where the segment of an index begins: low, or so high that offsets come near their end.
const BASES: [i64; 3] = [0, 1_000_000, i64::MAX - u32::MAX as i64];

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let selector = input.byte();
    let bytes = input.rest();
    match selector & 7 {
        0 => check_offsets(bytes),
        1 => check_epochs(bytes),
        2 => check_producers(bytes, selector & FLAG_REPAIR != 0),
        3 => check_offset_index(bytes),
        4 => check_time_index(bytes),
        5 => check_txn_index(bytes),
        6 => check_names(&String::from_utf8_lossy(bytes)),
        _ => check_properties(bytes),
    }
}

fn check_offsets(bytes: &[u8]) {
    if let Ok(offsets) = decode_offsets(bytes) {
        let triples = offsets
            .iter()
            .map(|entry| (entry.topic.as_str(), entry.partition, entry.offset));
        let again = decode_offsets(encode_offsets(triples).as_bytes());
        assert_eq!(again, Ok(offsets));
    }
}

fn check_epochs(bytes: &[u8]) {
    let Ok(epochs) = LeaderEpochs::decode(bytes) else {
        return;
    };
    assert_eq!(
        LeaderEpochs::decode(epochs.encode().as_bytes()).as_ref(),
        Ok(&epochs)
    );
    let grows = |pair: &[engine_log::EpochEntry]| {
        pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset
    };
    assert!(epochs.entries().windows(2).all(grows));
    for entry in epochs.entries() {
        assert_eq!(
            epochs.epoch_for_offset(entry.start_offset),
            Some(entry.epoch)
        );
        let end = epochs.end_offset_for(entry.epoch, i64::MAX);
        assert!(end.is_some_and(
            |(epoch, end)| epoch == entry.epoch && end > entry.start_offset || end == i64::MAX
        ));
        let mut cut = epochs.clone();
        cut.truncate_end(entry.start_offset);
        assert!(
            cut.latest()
                .is_none_or(|last| last.start_offset < entry.start_offset)
        );
        let mut trimmed = epochs.clone();
        trimmed.truncate_start(entry.start_offset.saturating_add(1));
        assert!(trimmed.entries().windows(2).all(grows));
    }
}

fn check_producers(bytes: &[u8], is_repaired: bool) {
    const CRC_COVERS_FROM: usize = 6;
    let mut bytes = bytes.to_vec();
    if is_repaired && bytes.len() >= CRC_COVERS_FROM {
        bytes[..2].copy_from_slice(&1i16.to_be_bytes());
        let crc = engine_codec::crc32c(&bytes[CRC_COVERS_FROM..]);
        bytes[2..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
    }
    let mut state = ProducerState::with_max(engine_log::PRODUCERS_PER_LOG_MAX);
    if producer_snapshot::decode_into(&bytes, &mut state, 0, i64::MAX).is_err() {
        return;
    }
    let first = producer_snapshot::encode(&state);
    let mut again = ProducerState::with_max(engine_log::PRODUCERS_PER_LOG_MAX);
    producer_snapshot::decode_into(&first, &mut again, 0, i64::MAX).expect("ours is readable");
    assert_eq!(producer_snapshot::encode(&again), first);
    let _ = (
        state.first_unstable_offset(),
        state.oldest_txn_last_timestamp(),
    );
    state.on_high_watermark(i64::MAX);
    state.expire(i64::MAX, 1);
}

fn check_offset_index(bytes: &[u8]) {
    for base_offset in BASES {
        let Some(index) = OffsetIndex::decode(base_offset, bytes) else {
            return;
        };
        assert_eq!(index.encode_from(0), bytes);
        let entries = bytes.chunks(8).map(|entry| {
            let word = |at: usize| {
                u32::from_be_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
            };
            (base_offset + i64::from(word(0)), u64::from(word(4)))
        });
        for (offset, position) in entries {
            assert_eq!(index.position_for(offset), position);
            assert!(index.position_for(offset - 1) <= position);
            let before = index.last_position_before(position, offset);
            assert!(before.is_none_or(|before| before < position));
            let mut cut = index.clone();
            cut.truncate_at(position);
            assert!(cut.last_position().is_none_or(|last| last < position));
        }
        assert_eq!(
            index.position_for(i64::MAX),
            index.last_position().unwrap_or(0)
        );
        assert_eq!(index.position_for(i64::MIN), 0);
    }
}

fn check_time_index(bytes: &[u8]) {
    for base_offset in BASES {
        let Some(mut index) = TimeIndex::decode(base_offset, bytes) else {
            return;
        };
        assert_eq!(index.encode_from(0), bytes);
        for entry in bytes.chunks(12) {
            let mut timestamp = [0; 8];
            timestamp.copy_from_slice(&entry[..8]);
            let found = index.offset_for(i64::from_be_bytes(timestamp));
            assert!(found >= base_offset);
        }
        if let Some((timestamp, offset)) = index.last() {
            index.maybe_push(timestamp.saturating_add(1), offset);
            index.truncate_at(offset);
            assert!(index.last().is_none_or(|last| last.1 < offset));
        }
    }
}

fn check_txn_index(bytes: &[u8]) {
    let Some(mut index) = TxnIndex::decode(0, bytes) else {
        return;
    };
    assert_eq!(index.encode_from(0), bytes);
    let all = index.collect(i64::MIN, i64::MAX);
    assert!(all.txns.len() <= index.len());
    let middle = index.entries().get(index.len() / 2).copied();
    if let Some(txn) = middle {
        index.truncate_to(txn.last_offset);
        assert!(
            index
                .entries()
                .iter()
                .all(|kept| kept.last_offset < txn.last_offset)
        );
    }
}

fn check_names(name: &str) {
    if let Some((topic, partition)) = layout::parse_partition_folder(name) {
        assert_eq!(layout::partition_folder(topic, partition), name);
        let deleted = layout::marked_folder(
            topic,
            partition,
            engine_base::Uuid::ZERO,
            layout::DELETED_FOLDER_SUFFIX,
        );
        assert!(deleted.len() <= 255);
        assert_eq!(layout::parse_partition_folder(&deleted), None);
    }
    for suffix in [layout::LOG_SUFFIX, layout::TXN_INDEX_SUFFIX] {
        if let Some(base_offset) = layout::parse_segment_file(name, suffix) {
            let path = layout::segment_file("".as_ref(), base_offset, suffix);
            assert_eq!(path.to_str(), Some(name));
        }
    }
}

/// Entries stand in the order of their lines, and what is escaped again reads the same.
fn check_properties(bytes: &[u8]) {
    let entries: Vec<_> = properties::parse(bytes).into_iter().flatten().collect();
    assert!(entries.is_sorted_by_key(|entry| entry.line));
    let text: String = entries
        .iter()
        .map(|entry| format!("{}={}\n", escaped(&entry.key), escaped(&entry.value)))
        .collect();
    let again = properties::parse(text.as_bytes());
    let again: Result<Vec<_>, _> = again.into_iter().collect();
    let again = again.expect("only whole escapes were written");
    let pairs = |entries: &[properties::Entry]| -> Vec<(String, String)> {
        let pair = |entry: &properties::Entry| (entry.key.clone(), entry.value.clone());
        entries.iter().map(pair).collect()
    };
    assert_eq!(pairs(&again), pairs(&entries));
}

/// Every unit as `\uXXXX`.
fn escaped(text: &str) -> String {
    text.encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect()
}

/// One file of each kind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let offsets = encode_offsets([("topic-a", 0, 17), ("topic-b", 3, 42)]);
    let epochs = LeaderEpochs::from_entries([(0, 0), (3, 100), (4, 120)]).encode();
    let mut offset_index = OffsetIndex::new(0);
    let mut time_index = TimeIndex::new(0);
    for step in 1..6 {
        offset_index.push(step * 10, step.unsigned_abs() * 4096);
        time_index.maybe_push(step * 1000, step * 10);
    }
    let mut txns = TxnIndex::new();
    for step in 1..4 {
        txns.push(AbortedTxn {
            producer_id: step,
            first_offset: step * 10,
            last_offset: step * 10 + 5,
            last_stable_offset: step * 10,
        });
    }
    let files: [(u8, &[u8]); 14] = [
        (0, offsets.as_bytes()),
        (0, b"0\n0\n"),
        (1, epochs.as_bytes()),
        (2, &some_producers()),
        (2 | FLAG_REPAIR, &some_producers()),
        (3, &offset_index.encode_from(0)),
        (4, &time_index.encode_from(0)),
        (5, &txns.encode_from(0)),
        (6, b"topic-a-0"),
        (6, b"00000000000000000170.log"),
        (6, b"t-0.0123456789abcdef0123456789abcdef-delete"),
        (
            7,
            b"# comment\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\nlog.dirs = /tmp/a\n",
        ),
        (7, b"key:two\\\n  lines\n! other\n\\u0061b\tc\\=d\r\nlast"),
        (7, b"log.retention.hours=168\n\nnum.partitions 3\n"),
    ];
    files
        .into_iter()
        .map(|(selector, bytes)| [&[selector][..], bytes].concat())
        .collect()
}

/// A snapshot of two producers, one of them in a transaction; the format stands in
/// `engine_log::producer_snapshot`.
fn some_producers() -> Vec<u8> {
    let mut body = 2i32.to_be_bytes().to_vec();
    for (producer_id, txn_first_offset) in [(7i64, -1i64), (8, 12)] {
        body.extend(producer_id.to_be_bytes());
        body.extend(1i16.to_be_bytes());
        body.extend(9i32.to_be_bytes());
        body.extend(20i64.to_be_bytes());
        body.extend(4i32.to_be_bytes());
        body.extend(1_700_000_000_000i64.to_be_bytes());
        body.extend(3i32.to_be_bytes());
        body.extend(txn_first_offset.to_be_bytes());
    }
    let mut bytes = 1i16.to_be_bytes().to_vec();
    bytes.extend(engine_codec::crc32c(&body).to_be_bytes());
    bytes.extend(body);
    bytes
}
