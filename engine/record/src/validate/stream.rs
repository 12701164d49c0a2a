//! The rules about records over a compressed batch: the same pass as over memory, but one that
//! can pause anywhere.
//!
//! A batch of 128 KiB may become 128 MiB, in one record or in twenty million. Whoever validates
//! it says how far to go at once; between two steps the core belongs to others. The grammar of a
//! record is therefore written down field by field here, beside [`crate::record`]; a test reads
//! the same bytes both ways.

use crate::error::RecordError;
use crate::records::Times;
use crate::rejection::Rejection;
use crate::source::StreamSource;

use super::walk::Walk;

/// A pass over compressed records, and where it stands.
pub(super) struct StreamWalk<'a, 'c> {
    source: StreamSource<'a, 'c>,
    times: Times,
    count: i32,
    /// Records that have passed.
    index: i32,
    field: Field,
    /// Bytes of the present field that still pass by.
    skip: usize,
    record: Head,
}

/// What is read next.
#[derive(Clone, Copy)]
enum Field {
    Head,
    Key,
    Value,
    HeaderCount,
    HeaderKey { left: usize },
    HeaderValue { left: usize },
    End,
}

/// What a record has said of itself so far; positions count in the stream.
#[derive(Clone, Copy, Default)]
struct Head {
    size: i32,
    body_start: u64,
    body_end: u64,
    timestamp_delta: i64,
    offset_delta: i32,
    has_key: bool,
}

impl<'a, 'c> StreamWalk<'a, 'c> {
    pub(super) fn new(source: StreamSource<'a, 'c>, times: Times, count: i32) -> Self {
        Self {
            source,
            times,
            count,
            index: 0,
            field: Field::Head,
            skip: 0,
            record: Head::default(),
        }
    }

    /// Decompressed bytes that have passed.
    pub(super) fn position(&self) -> u64 {
        self.source.position()
    }

    /// Goes on until `budget_bytes` more decompressed bytes have passed (and one window at most
    /// beyond them); whether the batch is at its end.
    pub(super) fn step(
        &mut self,
        walk: &mut Walk<'_>,
        budget_bytes: u64,
    ) -> Result<bool, Rejection> {
        let pause_at = self.source.position().saturating_add(budget_bytes);
        loop {
            let is_at_end = self.advance(walk).map_err(|error| Rejection::BadRecord {
                index: self.index,
                error,
            })?;
            if is_at_end {
                return Ok(true);
            }
            if self.source.position() >= pause_at {
                return Ok(false);
            }
        }
    }

    /// One field, or one window of a large one.
    #[inline]
    fn advance(&mut self, walk: &mut Walk<'_>) -> Result<bool, RecordError> {
        if self.skip > 0 {
            self.skip -= self.source.take_some(self.skip, |_| ())?;
            return Ok(false);
        }
        self.field = match self.field {
            Field::Head if self.index == self.count => {
                return match self.source.is_at_end()? {
                    true => Ok(true),
                    false => Err(RecordError::TrailingBytes),
                };
            }
            Field::Head => self.head()?,
            Field::Key => {
                let size = self.source.nullable_size()?;
                self.record.has_key = size.is_some();
                self.skip = size.unwrap_or(0);
                Field::Value
            }
            Field::Value => {
                self.skip = self.source.nullable_size()?.unwrap_or(0);
                Field::HeaderCount
            }
            Field::HeaderCount => self.header_count()?,
            Field::HeaderKey { left: 0 } => Field::End,
            Field::HeaderKey { left } => {
                let size = usize::try_from(self.source.varint()?);
                self.skip = size.map_err(|_| RecordError::NegativeHeaderKeySize)?;
                Field::HeaderValue { left }
            }
            Field::HeaderValue { left } => {
                self.skip = self.source.nullable_size()?.unwrap_or(0);
                Field::HeaderKey { left: left - 1 }
            }
            Field::End => self.end(walk)?,
        };
        Ok(false)
    }

    fn head(&mut self) -> Result<Field, RecordError> {
        let size = self.source.varint()?;
        let body_start = self.source.position();
        let _attributes = self.source.byte()?; // no bit of it is defined
        self.record = Head {
            size,
            body_start,
            timestamp_delta: self.source.varlong()?,
            offset_delta: self.source.varint()?,
            ..Head::default()
        };
        Ok(Field::Key)
    }

    fn header_count(&mut self) -> Result<Field, RecordError> {
        let left =
            usize::try_from(self.source.varint()?).map_err(|_| RecordError::NegativeHeaderCount)?;
        let record = &mut self.record;
        record.body_end = u64::try_from(record.size)
            .ok()
            .and_then(|size| record.body_start.checked_add(size))
            .ok_or(RecordError::SizeMismatch)?;
        // A header takes two bytes at least, so this bounds the loop by bytes received.
        if left as u64 > record.body_end.saturating_sub(self.source.position()) {
            return Err(RecordError::TooManyHeaders);
        }
        Ok(Field::HeaderKey { left })
    }

    fn end(&mut self, walk: &mut Walk<'_>) -> Result<Field, RecordError> {
        let record = self.record;
        if self.source.position() != record.body_end {
            return Err(RecordError::SizeMismatch);
        }
        let timestamp = self.times.timestamp(record.timestamp_delta);
        walk.one(self.index, record.offset_delta, record.has_key, timestamp);
        self.index += 1;
        Ok(Field::Head)
    }
}

#[cfg(test)]
mod tests;
