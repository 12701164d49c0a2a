//! One record, and the grammar by which records in memory are read (those of a stream:
//! `validate/stream.rs`).
//!
//! ```text
//! size varint | attributes i8 | timestamp delta varlong | offset delta varint
//! | key size varint (-1: null) | key | value size varint (-1: null) | value
//! | header count varint | { key size varint | key | value size varint (-1: null) | value }
//! ```

use engine_base::Timestamp;

use crate::error::RecordError;
use crate::source::SliceSource;

/// A record of a batch, borrowed from the bytes it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Offset less the batch's base offset.
    pub offset_delta: i32,
    /// The producer's timestamp, or the append time of the batch.
    pub timestamp: Timestamp,
    /// `None` is a null key, not an empty one.
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// In the order sent; keys may repeat.
    pub headers: Headers<'a>,
    /// Bytes of the record within the (decompressed) batch.
    pub size_bytes: usize,
}

/// The headers of a record: an iterator in the order sent, duplicates kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    remaining: usize,
}

/// One header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 by convention; not checked, as Kafka does not.
    pub key: &'a [u8],
    /// `None` is a null value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let mut source = SliceSource::new(self.bytes);
        let (key, value) =
            read_header(&mut source).expect("the headers were read once with the record");
        self.bytes = source.rest();
        Some(Header { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// What one pass over a record yields; positions count in the source.
pub(crate) struct Parts<'a> {
    pub(crate) end: u64,
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) header_count: usize,
    pub(crate) headers_start: u64,
}

/// Reads one record, every field of it, and checks that its size is what it says.
#[inline]
pub(crate) fn read_parts<'a>(source: &mut SliceSource<'a>) -> Result<Parts<'a>, RecordError> {
    let size = source.varint()?;
    let body_start = source.position();
    let _attributes = source.byte()?; // no bit of it is defined
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let key = read_nullable(source)?;
    let value = read_nullable(source)?;
    let header_count =
        usize::try_from(source.varint()?).map_err(|_| RecordError::NegativeHeaderCount)?;
    let headers_start = source.position();
    let body_end = u64::try_from(size)
        .ok()
        .and_then(|size| body_start.checked_add(size))
        .ok_or(RecordError::SizeMismatch)?;
    // A header takes two bytes at least, so this bounds the loop by bytes received.
    if header_count as u64 > body_end.saturating_sub(headers_start) {
        return Err(RecordError::TooManyHeaders);
    }
    for _ in 0..header_count {
        read_header(source)?;
    }
    let end = source.position();
    if end != body_end {
        return Err(RecordError::SizeMismatch);
    }
    Ok(Parts {
        end,
        timestamp_delta,
        offset_delta,
        key,
        value,
        header_count,
        headers_start,
    })
}

/// Any negative size is null, as Kafka reads it.
#[inline]
fn read_nullable<'a>(source: &mut SliceSource<'a>) -> Result<Option<&'a [u8]>, RecordError> {
    match usize::try_from(source.varint()?) {
        Ok(size) => source.take(size).map(Some),
        Err(_) => Ok(None),
    }
}

fn read_header<'a>(
    source: &mut SliceSource<'a>,
) -> Result<(&'a [u8], Option<&'a [u8]>), RecordError> {
    let key_size =
        usize::try_from(source.varint()?).map_err(|_| RecordError::NegativeHeaderKeySize)?;
    let key = source.take(key_size)?;
    Ok((key, read_nullable(source)?))
}

impl<'a> Headers<'a> {
    /// `bytes` start at the first header; `count` headers were read there once.
    pub(crate) fn new(bytes: &'a [u8], count: usize) -> Self {
        Self {
            bytes,
            remaining: count,
        }
    }
}
