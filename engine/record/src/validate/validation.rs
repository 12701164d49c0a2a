//! Validating one batch in steps.
//!
//! The header's rules are applied at the start, the records' in steps of bounded work, so that a
//! batch that becomes large does not hold its core: see [`Validation::step`].

use engine_base::Timestamp;

use super::stream::StreamWalk;
use super::walk::{Newest, Walk, check_header_timestamp};
use super::{
    BatchInfo, Origin, RecordCheck, Rules, check_base_offset, check_batch_size, check_compression,
    check_control, check_count, check_more_batches, check_offset_range, check_one_batch,
    check_segment_size, check_sequence, check_zstd_version, info,
};
use crate::batch::BatchView;
use crate::compress::{CompressError, Compression, Decompressor};
use crate::error::RecordError;
use crate::header::BatchHeader;
use crate::records::Times;
use crate::rejection::Rejection;
use crate::source::{SliceSource, StreamSource};

/// A batch on its way through the door.
pub struct Validation<'a, 'c, 'r> {
    batch: BatchView<'a>,
    compression: Compression,
    rules: &'r Rules,
    now: Timestamp,
    walk: Walk<'r>,
    records: Pass<'a, 'c>,
}

/// How the records are looked at.
enum Pass<'a, 'c> {
    /// Not at all.
    Header,
    /// In memory, in one step: its size is bounded by `max.message.bytes`.
    Plain,
    Streamed(Box<StreamWalk<'a, 'c>>),
}

impl<'a, 'c, 'r> Validation<'a, 'c, 'r> {
    /// Applies the rules about headers to what a produce request (version 3 or later) holds for
    /// one partition.
    ///
    /// # Errors
    /// The first rule that is broken, in Kafka's order.
    pub fn of_produce(
        bytes: &'a [u8],
        api_version: i16,
        rules: &'r Rules,
        now: Timestamp,
        decompressor: &'c mut Decompressor,
    ) -> Result<Self, Rejection> {
        let size = check_one_batch(bytes)?;
        let only = bytes.get(..size).unwrap_or_default();
        check_zstd_version(only, api_version)?;
        check_more_batches(bytes.get(size..).unwrap_or_default())?;
        Self::begin(only, Origin::Client, rules, now, decompressor)
    }

    /// Applies the rules about headers to one batch that a leader is to append.
    ///
    /// # Errors
    /// The first rule that is broken, in Kafka's order.
    pub fn begin(
        bytes: &'a [u8],
        origin: Origin,
        rules: &'r Rules,
        now: Timestamp,
        decompressor: &'c mut Decompressor,
    ) -> Result<Self, Rejection> {
        let batch = BatchView::read(bytes).map_err(Rejection::Corrupt)?;
        let header = batch.header();
        if origin == Origin::Client {
            check_base_offset(header)?;
        }
        check_batch_size(batch.size_bytes(), rules)?;
        batch.check_crc().map_err(Rejection::Corrupt)?;
        let compression = check_compression(header)?;
        if origin == Origin::Client {
            check_offset_range(header)?;
            check_count(header)?;
            check_control(header)?;
            check_sequence(header)?;
        }
        let records = pass(&batch, compression, rules, decompressor)?;
        Ok(Self {
            walk: Walk::new(header, rules, now),
            batch,
            compression,
            rules,
            now,
            records,
        })
    }

    /// Goes on until about `budget_bytes` more bytes have been decompressed; `None` while the
    /// batch is not at its end.
    ///
    /// # Errors
    /// The first rule that is broken, in Kafka's order.
    pub fn step(&mut self, budget_bytes: u64) -> Result<Option<BatchInfo>, Rejection> {
        let newest = match &mut self.records {
            Pass::Header => check_header_timestamp(self.batch.header(), self.rules, self.now)?,
            Pass::Plain => {
                self.walk.all(SliceSource::new(self.batch.payload()))?;
                self.walk.finish()?
            }
            Pass::Streamed(stream) => {
                if !stream.step(&mut self.walk, budget_bytes)? {
                    return Ok(None);
                }
                self.walk.finish()?
            }
        };
        self.finish(newest).map(Some)
    }

    /// Bytes of the records that were looked at, decompressed.
    #[must_use]
    pub fn records_size_bytes(&self) -> u64 {
        match &self.records {
            Pass::Header => 0,
            Pass::Plain => self.batch.payload().len() as u64,
            Pass::Streamed(stream) => stream.position(),
        }
    }

    fn finish(&self, newest: Newest) -> Result<BatchInfo, Rejection> {
        let info = info(&self.batch, self.compression, self.rules, self.now, newest);
        // A batch that is written anew is as large as it then is.
        if !self.rules.is_recoded(&info) {
            check_segment_size(self.batch.size_bytes(), self.rules)?;
        }
        Ok(info)
    }
}

fn pass<'a, 'c>(
    batch: &BatchView<'a>,
    compression: Compression,
    rules: &Rules,
    decompressor: &'c mut Decompressor,
) -> Result<Pass<'a, 'c>, Rejection> {
    let header: &BatchHeader = batch.header();
    // What is written anew must be read whatever the topic asks for.
    let is_recoded = rules.differs_from(compression) && !header.attributes.is_control();
    if rules.records == RecordCheck::Header && !is_recoded {
        return Ok(Pass::Header);
    }
    let unreadable = |error| Rejection::BadRecord { index: 0, error };
    if header.record_count < 0 {
        return Err(unreadable(RecordError::NegativeCount));
    }
    if compression == Compression::None {
        return Ok(Pass::Plain);
    }
    let (decoder, window) = decompressor
        .windowed(compression, batch.payload())
        .map_err(|error: CompressError| unreadable(RecordError::Compressed(error)))?;
    let source = StreamSource::new(decoder, window);
    let stream = StreamWalk::new(source, Times::of(header), header.record_count);
    Ok(Pass::Streamed(Box::new(stream)))
}
