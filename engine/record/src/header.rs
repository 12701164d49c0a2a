//! The 61 bytes at the head of every record batch (message format v2), and the stamps a leader
//! puts on them.
//!
//! ```text
//!  0 base offset i64          21 attributes i16         43 producer id i64
//!  8 batch length i32         23 last offset delta i32  51 producer epoch i16
//! 12 leader epoch i32         27 base timestamp i64     53 base sequence i32
//! 16 magic i8                 35 max timestamp i64      57 record count i32
//! 17 crc u32                                            61 records
//! ```
//! The batch length counts from the leader epoch on. The checksum (CRC-32C) covers everything
//! from the attributes on: base offset, length, leader epoch and magic are not protected by it,
//! which is why a leader may stamp the first three without touching the rest.
//!
//! Pure functions over bytes; called by the door, by partitions when they assign offsets, and by
//! recovery. Owns nothing.

use engine_base::Timestamp;
use engine_codec::crc32c;

use crate::compress::Compression;

/// Size of a batch header.
pub const BATCH_HEADER_SIZE_BYTES: usize = 61;
/// Base offset and batch length: what precedes the bytes that the batch length counts.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// The only message format stored (`magic`).
pub const MAGIC_V2: i8 = 2;
/// First byte covered by the checksum.
pub const CRC_COVERS_FROM: usize = 21;

/// "No producer id": a producer without idempotence.
pub const NO_PRODUCER_ID: i64 = -1;
/// "No producer epoch".
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// "No sequence number".
pub const NO_SEQUENCE: i32 = -1;
/// "No timestamp".
pub const NO_TIMESTAMP: Timestamp = -1;
/// "No leader epoch".
pub const NO_LEADER_EPOCH: i32 = -1;

const BASE_OFFSET_AT: usize = 0;
pub(crate) const BATCH_LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORD_COUNT_AT: usize = 57;

const _: () = assert!(RECORD_COUNT_AT + size_of::<i32>() == BATCH_HEADER_SIZE_BYTES);
const _: () = assert!(LEADER_EPOCH_AT == LOG_OVERHEAD_BYTES);
const _: () = assert!(ATTRIBUTES_AT == CRC_COVERS_FROM);

/// Which clock a record's timestamp came from (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The leader's, at append; one timestamp for the whole batch.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_BIT: i16 = 0x08;
const TRANSACTIONAL_BIT: i16 = 0x10;
const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;
/// Kafka reads only the low byte and rewrites the high one as zero.
const DEFINED_BITS: i16 = 0x7f;

impl Attributes {
    /// The compression, or the id that names none (5 to 7).
    ///
    /// # Errors
    /// The unknown id.
    pub fn compression(self) -> Result<Compression, u8> {
        // Masked to three bits, so it fits whatever the sender wrote.
        let id = (self.0 & COMPRESSION_MASK) as u8;
        Compression::from_id(id).ok_or(id)
    }

    /// Which clock the timestamps came from.
    #[must_use]
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & TIMESTAMP_TYPE_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch holds control records (markers), which consumers never see.
    #[must_use]
    pub fn is_control(self) -> bool {
        self.0 & CONTROL_BIT != 0
    }

    /// Whether the base timestamp is a delete horizon that compaction wrote (KIP-534).
    #[must_use]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON_BIT != 0
    }

    /// The same bits with another compression.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !COMPRESSION_MASK) | i16::from(compression.id()))
    }

    /// The same bits with another timestamp type; undefined bits are cleared, as Kafka does when
    /// it rewrites attributes.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        let bits = self.0 & DEFINED_BITS;
        Self(match timestamp_type {
            TimestampType::CreateTime => bits & !TIMESTAMP_TYPE_BIT,
            TimestampType::LogAppendTime => bits | TIMESTAMP_TYPE_BIT,
        })
    }

    /// The same bits with the transactional bit set or cleared.
    #[must_use]
    pub fn with_transactional(self, set: bool) -> Self {
        self.with_bit(TRANSACTIONAL_BIT, set)
    }

    /// The same bits with the control bit set or cleared.
    #[must_use]
    pub fn with_control(self, set: bool) -> Self {
        self.with_bit(CONTROL_BIT, set)
    }

    /// The same bits with the delete horizon flag set or cleared.
    #[must_use]
    pub fn with_delete_horizon(self, set: bool) -> Self {
        self.with_bit(DELETE_HORIZON_BIT, set)
    }

    fn with_bit(self, bit: i16, set: bool) -> Self {
        Self(if set { self.0 | bit } else { self.0 & !bit })
    }
}

/// A decoded batch header: what the bytes say, whether or not it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 from a producer, assigned by the leader.
    pub base_offset: i64,
    /// Bytes after the length field: the whole batch less [`LOG_OVERHEAD_BYTES`].
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch.
    pub leader_epoch: i32,
    /// Message format.
    pub magic: i8,
    /// CRC-32C from the attributes on.
    pub crc: u32,
    /// Compression, timestamp type, transactional, control, delete horizon.
    pub attributes: Attributes,
    /// Last offset less base offset; compaction may remove records but keeps this.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas count from.
    pub base_timestamp: Timestamp,
    /// Largest timestamp of the records, or the append time.
    pub max_timestamp: Timestamp,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// Sequence number of the first record; -1 without idempotence.
    pub base_sequence: i32,
    /// Records present; less than the offsets spanned after compaction.
    pub record_count: i32,
}

impl BatchHeader {
    /// Decodes the bytes; every value is possible.
    #[must_use]
    pub fn read(bytes: &[u8; BATCH_HEADER_SIZE_BYTES]) -> Self {
        Self {
            base_offset: i64::from_be_bytes(field(bytes, BASE_OFFSET_AT)),
            batch_length: i32::from_be_bytes(field(bytes, BATCH_LENGTH_AT)),
            leader_epoch: i32::from_be_bytes(field(bytes, LEADER_EPOCH_AT)),
            magic: i8::from_be_bytes(field(bytes, MAGIC_AT)),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(bytes, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(bytes, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(bytes, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(bytes, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(bytes, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(bytes, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(bytes, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(bytes, RECORD_COUNT_AT)),
        }
    }

    /// Encodes the header, the stored checksum included.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_SIZE_BYTES] {
        let mut bytes = [0; BATCH_HEADER_SIZE_BYTES];
        put(&mut bytes, BASE_OFFSET_AT, self.base_offset.to_be_bytes());
        put(&mut bytes, BATCH_LENGTH_AT, self.batch_length.to_be_bytes());
        put(&mut bytes, LEADER_EPOCH_AT, self.leader_epoch.to_be_bytes());
        put(&mut bytes, MAGIC_AT, self.magic.to_be_bytes());
        put(&mut bytes, CRC_AT, self.crc.to_be_bytes());
        put(&mut bytes, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put(
            &mut bytes,
            LAST_OFFSET_DELTA_AT,
            self.last_offset_delta.to_be_bytes(),
        );
        put(
            &mut bytes,
            BASE_TIMESTAMP_AT,
            self.base_timestamp.to_be_bytes(),
        );
        put(
            &mut bytes,
            MAX_TIMESTAMP_AT,
            self.max_timestamp.to_be_bytes(),
        );
        put(&mut bytes, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(
            &mut bytes,
            PRODUCER_EPOCH_AT,
            self.producer_epoch.to_be_bytes(),
        );
        put(
            &mut bytes,
            BASE_SEQUENCE_AT,
            self.base_sequence.to_be_bytes(),
        );
        put(&mut bytes, RECORD_COUNT_AT, self.record_count.to_be_bytes());
        bytes
    }

    /// Size of the whole batch; `None` when the length is below a header's.
    #[must_use]
    pub fn size_bytes(&self) -> Option<usize> {
        let size = usize::try_from(self.batch_length)
            .ok()?
            .checked_add(LOG_OVERHEAD_BYTES)?;
        (size >= BATCH_HEADER_SIZE_BYTES).then_some(size)
    }

    /// Offset of the last record (wraps as Kafka's arithmetic does on a nonsensical header).
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Whether an idempotent producer wrote the batch.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence number of the last record; -1 without sequence numbers.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// When compaction may drop the batch's tombstones (KIP-534).
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<Timestamp> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }
}

/// Sequence numbers count from 0 to 2^31-1 and then from 0 again.
#[must_use]
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(increment) {
        increment
            .wrapping_sub(i32::MAX.wrapping_sub(sequence))
            .wrapping_sub(1)
    } else {
        sequence.wrapping_add(increment)
    }
}

/// The inverse of [`increment_sequence`].
#[must_use]
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    if sequence < decrement {
        i32::MAX
            .wrapping_sub(decrement.wrapping_sub(sequence))
            .wrapping_add(1)
    } else {
        sequence.wrapping_sub(decrement)
    }
}

/// Writes the base offset. Not covered by the checksum.
///
/// # Panics
/// When `batch` is shorter than a header: the caller holds a validated batch.
pub fn stamp_base_offset(batch: &mut [u8], base_offset: i64) {
    put(head_mut(batch), BASE_OFFSET_AT, base_offset.to_be_bytes());
}

/// Writes the leader epoch. Not covered by the checksum.
///
/// # Panics
/// When `batch` is shorter than a header: the caller holds a validated batch.
pub fn stamp_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    put(head_mut(batch), LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
}

/// Writes timestamp type and largest timestamp, and the checksum anew; leaves the batch alone
/// when both are already right, which is the usual case. Returns whether bytes changed. `batch`
/// is exactly one batch.
///
/// # Panics
/// When `batch` is shorter than a header: the caller holds a validated batch.
pub fn stamp_max_timestamp(
    batch: &mut [u8],
    timestamp_type: TimestampType,
    max_timestamp: Timestamp,
) -> bool {
    let head = head_mut(batch);
    let header = BatchHeader::read(head);
    if header.attributes.timestamp_type() == timestamp_type && header.max_timestamp == max_timestamp
    {
        return false;
    }
    let attributes = header.attributes.with_timestamp_type(timestamp_type);
    put(head, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    put(head, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
    stamp_crc(batch);
    true
}

/// Computes and writes the checksum. `batch` is exactly one batch.
///
/// # Panics
/// When `batch` is shorter than a header.
pub fn stamp_crc(batch: &mut [u8]) {
    let crc = crc32c(&batch[CRC_COVERS_FROM..]);
    put(head_mut(batch), CRC_AT, crc.to_be_bytes());
}

fn head_mut(batch: &mut [u8]) -> &mut [u8; BATCH_HEADER_SIZE_BYTES] {
    batch
        .first_chunk_mut()
        .expect("a validated batch holds a whole header")
}

/// The `N` bytes at a constant position: the bounds check is decided by the compiler.
fn field<const N: usize>(bytes: &[u8; BATCH_HEADER_SIZE_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn put<const N: usize>(bytes: &mut [u8; BATCH_HEADER_SIZE_BYTES], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(increment_sequence(0, i32::MAX), i32::MAX);
        assert_eq!(decrement_sequence(0, 1), i32::MAX);
    }

    proptest! {
        #[test]
        fn header_survives_the_round_trip(bytes in proptest::array::uniform32(any::<u8>()), more in proptest::array::uniform29(any::<u8>())) {
            let mut header = [0; BATCH_HEADER_SIZE_BYTES];
            header[..32].copy_from_slice(&bytes);
            header[32..].copy_from_slice(&more);
            prop_assert_eq!(BatchHeader::read(&header).to_bytes(), header);
        }

        #[test]
        fn decrement_undoes_increment(sequence in 0..=i32::MAX, by in 0..=i32::MAX) {
            let up = increment_sequence(sequence, by);
            prop_assert!(up >= 0);
            // 2^31 values in the cycle: the model counts in 64 bits.
            prop_assert_eq!(i64::from(up), (i64::from(sequence) + i64::from(by)) % (1 << 31));
            prop_assert_eq!(decrement_sequence(up, by), sequence);
        }
    }
}
