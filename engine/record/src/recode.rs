//! Writing a producer's batch anew in its topic's compression (`compression.type` other than
//! `producer`).
//!
//! The one place where a batch's records are encoded again. Called behind the door, on the
//! connection's core, for a batch that [`crate::Validation`] has passed and
//! [`Rules::is_recoded`] asks for. What Kafka's rebuild keeps is kept: producer id, epoch and
//! sequence, transactional bit, each record's timestamp, offset delta, key, value and headers. As
//! there, the base timestamp becomes the first record's, records' attributes zero, undefined bits
//! of the batch's attributes are cleared, and the topic's timestamp type and the largest
//! timestamp are written.
//!
//! Records go through a window from one codec into the other, in steps of bounded work; nothing
//! is allocated for what a sender announces, and writing stops when the new batch exceeds
//! `max.message.bytes`. Different from Kafka on purpose: a timestamp below -1, which Kafka's
//! builder answers with UNKNOWN_SERVER_ERROR, is kept.

use engine_base::Timestamp;
use engine_codec::Writer;
use engine_codec::varint::{VARINT_SIZE_MAX, VARLONG_SIZE_MAX, varlong_size};

use crate::batch::BatchView;
use crate::compress::{Compressor, Decompressor, Encoder};
use crate::error::RecordError;
use crate::header::{
    Attributes, BATCH_HEADER_SIZE_BYTES, BatchHeader, LOG_OVERHEAD_BYTES, NO_TIMESTAMP, stamp_crc,
};
use crate::records::Times;
use crate::rejection::Rejection;
use crate::source::StreamSource;
use crate::validate::{BatchInfo, Rules, TargetCompression, check_batch_size, check_segment_size};

/// Size varint, attributes, timestamp delta.
const RECORD_HEAD_SIZE_BYTES_MAX: usize = VARINT_SIZE_MAX + 1 + VARLONG_SIZE_MAX;

/// A batch that is being written anew.
pub struct Recoding<'a, 'c, 'r> {
    header: BatchHeader,
    info: BatchInfo,
    rules: &'r Rules,
    target: TargetCompression,
    source: StreamSource<'a, 'c>,
    encoder: Option<Encoder<'c>>,
    base_timestamp: Option<Timestamp>,
    /// Records whose head was written.
    record_count: i32,
    /// Bytes of the present record that pass as they are.
    rest: u64,
    /// The head of a record, as it is written; kept for its memory.
    head: Vec<u8>,
}

/// A batch in its topic's compression.
#[derive(Debug)]
pub struct Recoded {
    /// The whole batch; base offset and leader epoch are the producer's, as before stamping.
    pub bytes: Vec<u8>,
    /// What is known of it.
    pub info: BatchInfo,
}

impl<'a, 'c, 'r> Recoding<'a, 'c, 'r> {
    /// Begins to write `batch` anew, which has passed `rules` as `info` and has
    /// `records_size_bytes` of records, decompressed.
    ///
    /// # Errors
    /// When the records cannot be read; not for a batch that has passed.
    ///
    /// # Panics
    /// When the rules do not ask for it.
    pub fn begin(
        batch: &'a [u8],
        info: &BatchInfo,
        records_size_bytes: u64,
        rules: &'r Rules,
        decompressor: &'c mut Decompressor,
        compressor: &'c mut Compressor,
    ) -> Result<Self, Rejection> {
        assert!(rules.is_recoded(info));
        let target = rules.compression.expect("rules that recode have a target");
        let batch = BatchView::read(batch).map_err(Rejection::Corrupt)?;
        let (decoder, window) = decompressor
            .windowed(info.compression, batch.payload())
            .map_err(|error| bad_record(0, error.into()))?;
        let room = vec![0; BATCH_HEADER_SIZE_BYTES];
        let encoder =
            compressor.encoder(target.compression, target.level, records_size_bytes, room);
        Ok(Self {
            header: *batch.header(),
            info: *info,
            rules,
            target,
            source: StreamSource::new(decoder, window),
            encoder: Some(encoder),
            base_timestamp: None,
            record_count: 0,
            rest: 0,
            head: Vec::with_capacity(RECORD_HEAD_SIZE_BYTES_MAX),
        })
    }

    /// Goes on until about `budget_bytes` more bytes have been written to the new compression;
    /// `None` while the batch is not at its end.
    ///
    /// # Errors
    /// When the new batch is larger than the topic or a segment takes.
    ///
    /// # Panics
    /// When called after it has returned a batch.
    pub fn step(&mut self, budget_bytes: u64) -> Result<Option<Recoded>, Rejection> {
        let mut encoder = self.encoder.take().expect("a batch is written once");
        let pause_at = self.source.position().saturating_add(budget_bytes);
        while self.record_count < self.header.record_count || self.rest > 0 {
            self.advance(&mut encoder)
                .map_err(|error| bad_record(self.record_count, error))?;
            check_batch_size(encoder.size_bytes(), self.rules)?;
            if self.source.position() >= pause_at {
                self.encoder = Some(encoder);
                return Ok(None);
            }
        }
        self.finish(encoder.finish()).map(Some)
    }

    /// One record's head, or one window of its rest.
    fn advance(&mut self, encoder: &mut Encoder<'_>) -> Result<(), RecordError> {
        if self.rest > 0 {
            let rest = usize::try_from(self.rest).unwrap_or(usize::MAX);
            self.rest -= self.source.take_some(rest, |bytes| encoder.write(bytes))? as u64;
            return Ok(());
        }
        let source = &mut self.source;
        let size = source.varint()?;
        let body_start = source.position();
        let _attributes = source.byte()?;
        let timestamp_delta = source.varlong()?;
        let head_size = source.position() - body_start;
        self.rest = u64::try_from(size)
            .ok()
            .and_then(|size| size.checked_sub(head_size))
            .ok_or(RecordError::SizeMismatch)?;

        let timestamp = Times::of(&self.header).timestamp(timestamp_delta);
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let size = i32::try_from(self.rest + 1 + varlong_size(timestamp_delta) as u64)
            .map_err(|_| RecordError::SizeMismatch)?;
        self.head.clear();
        let mut writer = Writer::new(&mut self.head);
        writer.varint(size);
        writer.u8(0); // attributes: no bit is defined
        writer.varlong(timestamp_delta);
        encoder.write(&self.head);
        self.record_count += 1;
        Ok(())
    }

    fn finish(&self, mut bytes: Vec<u8>) -> Result<Recoded, Rejection> {
        check_batch_size(bytes.len(), self.rules)?;
        check_segment_size(bytes.len(), self.rules)?;
        let too_long = Rejection::BatchTooLarge {
            size_bytes: bytes.len(),
            limit_bytes: i32::MAX as usize,
        };
        let attributes = Attributes::default()
            .with_compression(self.target.compression)
            .with_timestamp_type(self.info.timestamp_type)
            .with_transactional(self.info.is_transactional);
        let header = BatchHeader {
            batch_length: i32::try_from(bytes.len() - LOG_OVERHEAD_BYTES).map_err(|_| too_long)?,
            attributes,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.info.max_timestamp,
            ..self.header
        };
        bytes[..BATCH_HEADER_SIZE_BYTES].copy_from_slice(&header.to_bytes());
        stamp_crc(&mut bytes);
        let info = BatchInfo {
            size_bytes: bytes.len(),
            compression: self.target.compression,
            ..self.info
        };
        Ok(Recoded { bytes, info })
    }
}

fn bad_record(index: i32, error: RecordError) -> Rejection {
    Rejection::BadRecord { index, error }
}

#[cfg(test)]
mod tests;
