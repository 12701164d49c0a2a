//! What may enter the log: one function for each rule, Kafka 4.4's answer for each.
//!
//! This is the door. It is called once for each partition of a produce request, on the core of
//! the connection, before the batch goes to its partition's owner; behind it, a violation of
//! these rules is a bug and asserted. It borrows the request's bytes and, unless it rejects,
//! allocates nothing (a compressed batch is read through the decompressor's window, and in steps
//! by whoever shares the core: [`Validation`]). It never changes a byte: the owner stamps what
//! [`BatchInfo::stamp`] says. Where a topic has a compression of its own, [`crate::Recoding`]
//! comes after it.
//!
//! The order of the rules is Kafka's, because a batch that breaks two of them must get the same
//! answer: shape of the request (ProduceRequest.validateRecords), then base offset, size and
//! checksum (UnifiedLog.analyzeAndValidateRecords), then header and records (LogValidator).
//! Deliberate differences, all on batches that no client sends on purpose:
//! - An unknown compression id (5 to 7) and unreadable compressed data answer
//!   UNSUPPORTED_COMPRESSION_TYPE and INVALID_RECORD; Kafka lets an internal exception through
//!   and answers UNKNOWN_SERVER_ERROR.
//! - Offset deltas other than 0, 1, 2, ... are refused. Kafka stores them uncompressed as they
//!   are, and rewrites compressed ones.
//! - A record whose declared size is wrong is refused in a compressed batch too.
//! - What a compressed batch becomes is capped.

#![warn(clippy::indexing_slicing)]

mod stream;
mod validation;
mod walk;

use engine_base::Timestamp;

use crate::batch::{BatchView, batch_extent};
use crate::compress::{Compression, Decompressor};
use crate::header::{
    BatchHeader, MAGIC_V2, TimestampType, stamp_base_offset, stamp_leader_epoch,
    stamp_max_timestamp,
};
use crate::rejection::Rejection;
use walk::Newest;

pub use validation::Validation;

/// Produce versions below this may not carry zstd (KIP-110).
pub(crate) const ZSTD_PRODUCE_VERSION_MIN: i16 = 7;

/// How much of a batch is looked at (`ottla.validate.records`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RecordCheck {
    /// Every record, as Kafka does.
    #[default]
    All,
    /// Checksum and header only, for operators who trust their producers: record-level rules
    /// (keys of compacted topics, each record's timestamp, record structure) are not enforced.
    Header,
}

/// What a topic demands of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `max.message.bytes`: the largest batch, as compressed.
    pub batch_size_bytes_max: usize,
    /// `segment.bytes`: a batch must fit in one segment.
    pub segment_size_bytes_max: usize,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_ms_max: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_ms_max: i64,
    /// `ottla.validate.records`.
    pub records: RecordCheck,
    /// `compression.type`; `None` is `producer`, each batch stays as it came.
    pub compression: Option<TargetCompression>,
}

/// What a topic's batches are compressed with, whatever their producers used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetCompression {
    /// `compression.type`; [`Compression::None`] is Kafka's `uncompressed`.
    pub compression: Compression,
    /// `compression.{gzip,zstd}.level`; `None` is the codec's default. Snappy and LZ4 have one.
    pub level: Option<i32>,
}

impl Rules {
    /// Whether a batch that has passed is to be written anew ([`crate::Recoding`]): its
    /// compression is not the topic's. Control records stay as they are.
    #[must_use]
    pub fn is_recoded(&self, info: &BatchInfo) -> bool {
        self.differs_from(info.compression) && !info.is_control
    }

    fn differs_from(&self, compression: Compression) -> bool {
        self.compression
            .is_some_and(|target| target.compression != compression)
    }
}

impl Default for Rules {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            batch_size_bytes_max: engine_base::limits::MESSAGE_SIZE_BYTES_MAX,
            segment_size_bytes_max: engine_base::GIB,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_ms_max: i64::MAX,
            timestamp_after_ms_max: 3_600_000, // KIP-1030
            records: RecordCheck::All,
            compression: None,
        }
    }
}

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A produce request.
    Client,
    /// This broker: a coordinator's records, transaction markers. Offsets, counts, control bits
    /// and sequences are its own business.
    Coordinator,
}

/// What is known of a batch that has passed the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    /// Bytes of the batch. What follows it in the request is ignored, as Kafka does.
    pub size_bytes: usize,
    /// Records in the batch; at least one from a client.
    pub record_count: i32,
    /// Offsets the batch takes, less one.
    pub last_offset_delta: i32,
    /// The topic's timestamp type, which the batch will have once stamped.
    pub timestamp_type: TimestampType,
    /// Largest timestamp of the records, or the append time, or -1.
    pub max_timestamp: Timestamp,
    /// Offset delta of the first record that carries the largest timestamp, which is what
    /// ListOffsets answers; `None` when records were not looked at.
    pub max_timestamp_offset_delta: Option<i32>,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// -1 without idempotence.
    pub base_sequence: i32,
    /// Sequence number of the last record; -1 without sequence numbers.
    pub last_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
    /// Whether the batch holds control records; never from a client.
    pub is_control: bool,
    /// Compression of the records.
    pub compression: Compression,
}

impl BatchInfo {
    /// Stamps what the leader assigns into exactly this batch: base offset and leader epoch, and
    /// timestamp type and largest timestamp with the checksum where they differ from what the
    /// producer wrote.
    ///
    /// # Panics
    /// When `batch` is not as long as the batch that was validated.
    pub fn stamp(&self, batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
        assert_eq!(batch.len(), self.size_bytes);
        stamp_base_offset(batch, base_offset);
        stamp_leader_epoch(batch, leader_epoch);
        stamp_max_timestamp(batch, self.timestamp_type, self.max_timestamp);
    }

    /// Whether an idempotent producer wrote the batch.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > crate::header::NO_PRODUCER_ID
    }
}

/// Applies every rule to what a produce request (version 3 or later) holds for one partition.
///
/// # Errors
/// The first rule that is broken, in Kafka's order.
pub fn validate_produce(
    bytes: &[u8],
    api_version: i16,
    rules: &Rules,
    now: Timestamp,
    decompressor: &mut Decompressor,
) -> Result<BatchInfo, Rejection> {
    let begun = Validation::of_produce(bytes, api_version, rules, now, decompressor);
    at_once(begun?)
}

/// Applies the rules to one batch that a leader is to append.
///
/// # Errors
/// The first rule that is broken, in Kafka's order.
pub fn validate_batch(
    bytes: &[u8],
    origin: Origin,
    rules: &Rules,
    now: Timestamp,
    decompressor: &mut Decompressor,
) -> Result<BatchInfo, Rejection> {
    at_once(Validation::begin(bytes, origin, rules, now, decompressor)?)
}

fn at_once(mut validation: Validation<'_, '_, '_>) -> Result<BatchInfo, Rejection> {
    loop {
        if let Some(info) = validation.step(u64::MAX)? {
            return Ok(info);
        }
    }
}

/// The size of the first batch. Kafka's reader stops at what is no whole batch, so "none" and
/// "cut short" are the same answer.
fn check_one_batch(bytes: &[u8]) -> Result<usize, Rejection> {
    match batch_extent(bytes) {
        Ok(Some((size, MAGIC_V2))) => Ok(size),
        Ok(Some((_, magic))) => Err(Rejection::LegacyMagic { magic }),
        Ok(None) => Err(Rejection::NoBatch),
        Err(error) => Err(Rejection::Malformed(error)),
    }
}

/// A second whole batch is refused; a fragment is ignored.
fn check_more_batches(rest: &[u8]) -> Result<(), Rejection> {
    match batch_extent(rest) {
        Ok(Some(_)) => Err(Rejection::SeveralBatches),
        Ok(None) => Ok(()),
        Err(error) => Err(Rejection::Malformed(error)),
    }
}

/// Clients that speak produce below version 7 may not know zstd, nor do their consumers.
fn check_zstd_version(batch: &[u8], api_version: i16) -> Result<(), Rejection> {
    if api_version >= ZSTD_PRODUCE_VERSION_MIN {
        return Ok(());
    }
    let compression = BatchView::read(batch)
        .ok()
        .and_then(|batch| batch.compression().ok());
    if compression == Some(Compression::Zstd) {
        return Err(Rejection::ZstdNotAllowed);
    }
    Ok(())
}

fn check_base_offset(header: &BatchHeader) -> Result<(), Rejection> {
    match header.base_offset {
        0 => Ok(()),
        base_offset => Err(Rejection::BaseOffsetNotZero { base_offset }),
    }
}

pub(crate) fn check_batch_size(size_bytes: usize, rules: &Rules) -> Result<(), Rejection> {
    let limit_bytes = rules.batch_size_bytes_max;
    if size_bytes > limit_bytes {
        return Err(Rejection::BatchTooLarge {
            size_bytes,
            limit_bytes,
        });
    }
    Ok(())
}

pub(crate) fn check_segment_size(size_bytes: usize, rules: &Rules) -> Result<(), Rejection> {
    let limit_bytes = rules.segment_size_bytes_max;
    if size_bytes > limit_bytes {
        return Err(Rejection::LargerThanSegment {
            size_bytes,
            limit_bytes,
        });
    }
    Ok(())
}

fn check_compression(header: &BatchHeader) -> Result<Compression, Rejection> {
    header
        .attributes
        .compression()
        .map_err(|id| Rejection::UnknownCompression { id })
}

fn check_offset_range(header: &BatchHeader) -> Result<(), Rejection> {
    let last_offset_delta = header.last_offset_delta;
    if last_offset_delta < 0 {
        return Err(Rejection::BadOffsetRange { last_offset_delta });
    }
    Ok(())
}

fn check_count(header: &BatchHeader) -> Result<(), Rejection> {
    let (record_count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if record_count <= 0 {
        return Err(Rejection::BadCount { record_count });
    }
    if i64::from(last_offset_delta) + 1 != i64::from(record_count) {
        return Err(Rejection::CountMismatch {
            record_count,
            last_offset_delta,
        });
    }
    Ok(())
}

fn check_control(header: &BatchHeader) -> Result<(), Rejection> {
    if header.attributes.is_control() {
        return Err(Rejection::ControlFromClient);
    }
    Ok(())
}

fn check_sequence(header: &BatchHeader) -> Result<(), Rejection> {
    let base_sequence = header.base_sequence;
    if header.has_producer_id() && base_sequence < 0 {
        return Err(Rejection::BadSequence { base_sequence });
    }
    Ok(())
}

fn info(
    batch: &BatchView<'_>,
    compression: Compression,
    rules: &Rules,
    now: Timestamp,
    newest: Newest,
) -> BatchInfo {
    let header = batch.header();
    let (max_timestamp, max_timestamp_offset_delta) = match rules.timestamp_type {
        TimestampType::CreateTime => (newest.timestamp, newest.offset_delta),
        TimestampType::LogAppendTime => (now, Some(0)),
    };
    BatchInfo {
        size_bytes: batch.size_bytes(),
        record_count: header.record_count,
        last_offset_delta: header.last_offset_delta,
        timestamp_type: rules.timestamp_type,
        max_timestamp,
        max_timestamp_offset_delta,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        last_sequence: header.last_sequence(),
        is_transactional: header.attributes.is_transactional(),
        is_control: header.attributes.is_control(),
        compression,
    }
}

#[cfg(test)]
mod tests;
