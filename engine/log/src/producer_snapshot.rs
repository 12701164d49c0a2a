//! The `<offset>.snapshot` files: producer state before the offset in the name.
//!
//! ```text
//! version i16 = 1 | crc u32 of what follows | count i32 | entries:
//!   producer id i64 | epoch i16 | last sequence i32 | last offset i64 | offset delta i32
//!   | timestamp i64 | coordinator epoch i32 | first offset of the open transaction i64 (-1)
//! ```
//! Kafka's format (ProducerSnapshot, version 1). It keeps one batch of the five of each producer:
//! after a load an older resend is out of order, as in Kafka. Taken on roll and on clean stop; a
//! damaged file is dropped and an older one, or none, taken. Pure bytes.

use std::fmt;

use engine_base::Timestamp;
use engine_codec::{Reader, Writer, crc32c};

use crate::producer_state::{ProducerEntry, ProducerState};
use crate::recent_batches::BatchMetadata;

const VERSION: i16 = 1;
const CRC_COVERS_FROM: usize = 6;
const ENTRY_SIZE_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// Why a snapshot cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// A version not known here.
    UnknownVersion {
        /// What the file says.
        version: i16,
    },
    /// The bytes are not what the version says.
    Malformed,
    /// The checksum does not fit.
    BadCrc,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { version } => write!(f, "unknown snapshot version {version}"),
            Self::Malformed => f.write_str("not a producer snapshot"),
            Self::BadCrc => f.write_str("the checksum of the producer snapshot does not fit"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// The file's bytes, producers in the order of their ids.
#[must_use]
pub fn encode(state: &ProducerState) -> Vec<u8> {
    let mut entries: Vec<(i64, &ProducerEntry)> = state.entries().collect();
    entries.sort_unstable_by_key(|&(producer_id, _)| producer_id);
    let mut bytes = Vec::with_capacity(CRC_COVERS_FROM + 4 + entries.len() * ENTRY_SIZE_BYTES);
    let mut writer = Writer::new(&mut bytes);
    writer.i16(VERSION);
    writer.u32(0); // filled in below
    writer.i32(i32::try_from(entries.len()).expect("producers are bounded"));
    for (producer_id, entry) in entries {
        let last = entry.batches.last();
        let delta = last.map_or(0, |batch| batch.last_offset - batch.base_offset);
        writer.i64(producer_id);
        writer.i16(entry.epoch);
        writer.i32(entry.last_sequence());
        writer.i64(last.map_or(-1, |batch| batch.last_offset));
        writer.i32(i32::try_from(delta).expect("a batch spans fewer than 2^31 offsets"));
        writer.i64(entry.last_timestamp);
        writer.i32(entry.coordinator_epoch);
        writer.i64(entry.txn_first_offset.unwrap_or(-1));
    }
    let crc = crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[2..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Adds what the file says to `state`, without producers that have expired by `now_ms`.
///
/// # Errors
/// When the file cannot be read; `state` is then as before.
pub fn decode_into(
    bytes: &[u8],
    state: &mut ProducerState,
    now_ms: Timestamp,
    expiration_ms: i64,
) -> Result<(), SnapshotError> {
    for (producer_id, entry) in decode(bytes)? {
        let is_expired = now_ms.saturating_sub(entry.last_timestamp) >= expiration_ms;
        if entry.txn_first_offset.is_some() || !is_expired {
            state.insert(producer_id, entry);
        }
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, SnapshotError> {
    let malformed = |_| SnapshotError::Malformed;
    let mut reader = Reader::new(bytes);
    let version = reader.i16().map_err(malformed)?;
    if version != VERSION {
        return Err(SnapshotError::UnknownVersion { version });
    }
    let stored = reader.u32().map_err(malformed)?;
    if stored != crc32c(reader.rest()) {
        return Err(SnapshotError::BadCrc);
    }
    let count =
        usize::try_from(reader.i32().map_err(malformed)?).map_err(|_| SnapshotError::Malformed)?;
    if reader.remaining() != count.saturating_mul(ENTRY_SIZE_BYTES) {
        return Err(SnapshotError::Malformed);
    }
    (0..count)
        .map(|_| read_entry(&mut reader).ok_or(SnapshotError::Malformed))
        .collect()
}

fn read_entry(reader: &mut Reader<'_>) -> Option<(i64, ProducerEntry)> {
    let producer_id = reader.i64().ok()?;
    let epoch = reader.i16().ok()?;
    let last_sequence = reader.i32().ok()?;
    let last_offset = reader.i64().ok()?;
    let offset_delta = reader.i32().ok()?;
    let last_timestamp = reader.i64().ok()?;
    let coordinator_epoch = reader.i32().ok()?;
    let txn_first_offset = reader.i64().ok()?;
    let mut entry = ProducerEntry {
        epoch,
        coordinator_epoch,
        last_timestamp,
        txn_first_offset: (txn_first_offset >= 0).then_some(txn_first_offset),
        ..ProducerEntry::EMPTY
    };
    if last_offset >= 0 && offset_delta >= 0 {
        let batch =
            BatchMetadata::ending_at(last_sequence, last_offset, offset_delta, last_timestamp);
        entry.batches.push(batch);
    }
    Some((producer_id, entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Id, epoch, last batch (sequence, offset, delta), first offset of the open transaction.
    type Producer = (i64, i16, Option<(i32, i64, u8)>, Option<i64>);

    fn state(producers: &[Producer]) -> ProducerState {
        let mut state = ProducerState::default();
        for &(producer_id, epoch, batch, txn_first_offset) in producers {
            let mut entry = ProducerEntry {
                epoch,
                coordinator_epoch: 3,
                last_timestamp: 1000,
                txn_first_offset,
                ..ProducerEntry::EMPTY
            };
            if let Some((sequence, offset, delta)) = batch {
                entry.batches.push(BatchMetadata::ending_at(
                    sequence,
                    offset,
                    delta.into(),
                    1000,
                ));
            }
            state.insert(producer_id, entry);
        }
        state
    }

    fn sorted(state: &ProducerState) -> Vec<(i64, ProducerEntry)> {
        let mut entries: Vec<_> = state.entries().map(|(id, entry)| (id, *entry)).collect();
        entries.sort_unstable_by_key(|&(id, _)| id);
        entries
    }

    #[test]
    fn expired_producers_stay_out_unless_a_transaction_is_open() {
        let bytes = encode(&state(&[
            (1, 0, Some((5, 50, 2)), None),
            (2, 0, None, Some(7)),
        ]));
        let mut loaded = ProducerState::default();
        decode_into(&bytes, &mut loaded, 1000 + 500, 500).unwrap();
        assert_eq!(sorted(&loaded).len(), 1);
        assert_eq!(loaded.first_unstable_offset(), Some(7));
    }

    #[test]
    fn an_older_version_and_damage_are_told_apart() {
        let mut bytes = encode(&state(&[(1, 0, None, None)]));
        bytes[1] = 0;
        let mut loaded = ProducerState::default();
        assert_eq!(
            decode_into(&bytes, &mut loaded, 0, 1),
            Err(SnapshotError::UnknownVersion { version: 0 })
        );
        bytes[1] = 1;
        bytes[20] ^= 1;
        assert_eq!(
            decode_into(&bytes, &mut loaded, 0, 1),
            Err(SnapshotError::BadCrc)
        );
        assert!(loaded.is_empty());
    }

    proptest! {
        #[test]
        fn round_trip_and_every_cut(
            producers in proptest::collection::vec(
                (any::<i64>().prop_map(i64::unsigned_abs).prop_map(|id| (id >> 1).cast_signed()),
                 any::<i16>(),
                 proptest::option::of((255..i32::MAX, 255..i64::MAX, any::<u8>())),
                 proptest::option::of(0..i64::MAX)), 0..5),
        ) {
            let state = state(&producers);
            let bytes = encode(&state);
            let mut loaded = ProducerState::default();
            decode_into(&bytes, &mut loaded, 0, i64::MAX).unwrap();
            prop_assert_eq!(sorted(&loaded), sorted(&state));
            for size in 0..bytes.len() {
                let cut = decode_into(&bytes[..size], &mut ProducerState::default(), 0, i64::MAX);
                prop_assert!(cut.is_err());
            }
        }
    }
}
