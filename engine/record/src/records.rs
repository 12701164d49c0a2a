//! Iterating over the records of one batch.

use engine_base::Timestamp;

use crate::error::RecordError;
use crate::header::{BatchHeader, TimestampType};
use crate::record::{Headers, Record, read_parts};
use crate::source::SliceSource;

/// The records of a batch whose (decompressed) bytes lie in memory. After an error nothing more
/// comes.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    source: SliceSource<'a>,
    base_offset: i64,
    times: Times,
    remaining: usize,
    failed: Option<RecordError>,
}

/// How a record's timestamp follows from its delta.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    base_timestamp: Timestamp,
    append_time: Option<Timestamp>,
}

impl Times {
    pub(crate) fn of(header: &BatchHeader) -> Self {
        Self {
            base_timestamp: header.base_timestamp,
            append_time: (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(header.max_timestamp),
        }
    }

    /// Wraps as Kafka's addition does.
    #[inline]
    pub(crate) fn timestamp(self, delta: i64) -> Timestamp {
        self.append_time
            .unwrap_or_else(|| self.base_timestamp.wrapping_add(delta))
    }
}

impl<'a> Records<'a> {
    /// The records in `bytes`, which are the batch's records, decompressed.
    #[must_use]
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        let count = usize::try_from(header.record_count);
        Self {
            source: SliceSource::new(bytes),
            base_offset: header.base_offset,
            times: Times::of(header),
            remaining: count.unwrap_or(0),
            failed: count.is_err().then_some(RecordError::NegativeCount),
        }
    }

    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let bytes = self.source.rest();
        let base = self.source.position();
        let parts = read_parts(&mut self.source)?;
        if self.remaining == 0 && !self.source.rest().is_empty() {
            return Err(RecordError::TrailingBytes);
        }
        let within = |position: u64| usize::try_from(position - base).unwrap_or(bytes.len());
        let headers = bytes
            .get(within(parts.headers_start)..within(parts.end))
            .unwrap_or_default();
        Ok(Record {
            offset: self.base_offset.wrapping_add(i64::from(parts.offset_delta)),
            offset_delta: parts.offset_delta,
            timestamp: self.times.timestamp(parts.timestamp_delta),
            key: parts.key,
            value: parts.value,
            headers: Headers::new(headers, parts.header_count),
            size_bytes: within(parts.end),
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        self.remaining = self.remaining.checked_sub(1)?;
        let record = self.read();
        if record.is_err() {
            self.remaining = 0;
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The count is the peer's claim: nothing may be reserved for it.
        (0, Some(self.remaining.saturating_add(1)))
    }
}
