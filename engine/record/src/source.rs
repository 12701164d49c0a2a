//! Where record bytes come from: a slice, or a decompressing stream seen through a window.
//!
//! The first hands out what it passes over, the second only lets it pass by, one window at a
//! time. Lives on whichever core validates or reads the batch.

use engine_codec::varint::{VARINT_SIZE_MAX, VARLONG_SIZE_MAX};
use engine_codec::{DecodeError, Reader};

use crate::compress::Decoder;
use crate::error::RecordError;

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::VarintOverflow => Self::VarintTooLong,
            _ => Self::EndOfBatch,
        }
    }
}

/// Records that lie in memory.
#[derive(Clone, Debug)]
pub(crate) struct SliceSource<'a> {
    reader: Reader<'a>,
    size: usize,
}

impl<'a> SliceSource<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(bytes),
            size: bytes.len(),
        }
    }

    /// What is not consumed yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        Ok(self.reader.u8()?)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<i32, RecordError> {
        Ok(self.reader.varint()?)
    }

    #[inline]
    pub(crate) fn varlong(&mut self) -> Result<i64, RecordError> {
        Ok(self.reader.varlong()?)
    }

    #[inline]
    pub(crate) fn take(&mut self, size: usize) -> Result<&'a [u8], RecordError> {
        Ok(self.reader.take(size)?)
    }

    #[inline]
    pub(crate) fn position(&self) -> u64 {
        (self.size - self.reader.remaining()) as u64
    }

    #[inline]
    pub(crate) fn is_at_end(&self) -> bool {
        self.reader.is_empty()
    }
}

/// Compressed records, decompressed one window at a time.
pub(crate) struct StreamSource<'a, 'c> {
    decoder: Decoder<'a, 'c>,
    window: &'c mut [u8],
    start: usize,
    end: usize,
    position: u64,
}

impl<'a, 'c> StreamSource<'a, 'c> {
    /// `window` is larger than the largest varint.
    pub(crate) fn new(decoder: Decoder<'a, 'c>, window: &'c mut [u8]) -> Self {
        assert!(window.len() > VARLONG_SIZE_MAX);
        Self {
            decoder,
            window,
            start: 0,
            end: 0,
            position: 0,
        }
    }

    /// The bytes ahead: at least `size` of them, if the stream has as many.
    fn ahead(&mut self, size: usize) -> Result<&[u8], RecordError> {
        debug_assert!(size <= self.window.len());
        if self.end - self.start < size {
            self.window.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            while self.end < size {
                let free = self.window.get_mut(self.end..).unwrap_or_default();
                let read = self.decoder.read(free)?;
                if read == 0 {
                    break;
                }
                self.end += read;
            }
        }
        Ok(self.window.get(self.start..self.end).unwrap_or_default())
    }

    fn advance(&mut self, size: usize) {
        assert!(size <= self.end - self.start);
        self.start += size;
        self.position += size as u64;
    }

    /// Reads a value of at most `size_max` bytes.
    fn value<T>(
        &mut self,
        size_max: usize,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, RecordError> {
        let mut reader = Reader::new(self.ahead(size_max)?);
        let before = reader.remaining();
        let value = read(&mut reader)?;
        let size = before - reader.remaining();
        self.advance(size);
        Ok(value)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        self.value(1, |reader| reader.u8())
    }

    pub(crate) fn varint(&mut self) -> Result<i32, RecordError> {
        self.value(VARINT_SIZE_MAX, |reader| reader.varint())
    }

    pub(crate) fn varlong(&mut self) -> Result<i64, RecordError> {
        self.value(VARLONG_SIZE_MAX, |reader| reader.varlong())
    }

    /// The size of what may be null: any negative size is null, as Kafka reads it.
    pub(crate) fn nullable_size(&mut self) -> Result<Option<usize>, RecordError> {
        Ok(usize::try_from(self.varint()?).ok())
    }

    /// Hands the next bytes to `take`, at least one and at most `size_max`; how many.
    pub(crate) fn take_some(
        &mut self,
        size_max: usize,
        take: impl FnOnce(&[u8]),
    ) -> Result<usize, RecordError> {
        let ahead = self.ahead(1)?;
        let some = ahead.get(..size_max).unwrap_or(ahead);
        if some.is_empty() {
            return Err(RecordError::EndOfBatch);
        }
        take(some);
        let size = some.len();
        self.advance(size);
        Ok(size)
    }

    /// Bytes consumed since the start.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, RecordError> {
        Ok(self.ahead(1)?.is_empty())
    }
}
