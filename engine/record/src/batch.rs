//! Borrowed batches in a run of bytes: a produce request's records, a fetch answer, a piece of a
//! segment.

use std::borrow::Cow;

use crate::compress::{Compression, Decompressor};
use crate::error::{BatchError, RecordError};
use crate::header::{
    BATCH_HEADER_SIZE_BYTES, BATCH_LENGTH_AT, BatchHeader, CRC_COVERS_FROM, LOG_OVERHEAD_BYTES,
    MAGIC_AT, MAGIC_V2,
};
use crate::legacy::LEGACY_MESSAGE_OVERHEAD_BYTES;
use crate::records::Records;
use engine_codec::crc32c;

/// One whole batch of format v2, its header decoded. Its checksum may still be wrong.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch that begins at `bytes`, which may go on after it.
    ///
    /// # Errors
    /// When the bytes hold no whole batch of format v2.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let (size, magic) = batch_extent(bytes)?.ok_or(BatchError::Truncated)?;
        match magic {
            MAGIC_V2 => {}
            0 | 1 => return Err(BatchError::LegacyMagic { magic }),
            _ => return Err(BatchError::UnknownMagic { magic }),
        }
        let too_short = BatchError::BadLength {
            batch_length: length_field(size),
        };
        if size < BATCH_HEADER_SIZE_BYTES {
            return Err(too_short);
        }
        let bytes = bytes.get(..size).ok_or(BatchError::Truncated)?;
        let head = bytes.first_chunk().ok_or(BatchError::Truncated)?;
        Ok(Self {
            header: BatchHeader::read(head),
            bytes,
        })
    }

    /// The decoded header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of the whole batch.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records as stored: compressed if the batch is.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes
            .get(BATCH_HEADER_SIZE_BYTES..)
            .unwrap_or_default()
    }

    /// Computes the checksum and compares.
    ///
    /// # Errors
    /// [`BatchError::BadCrc`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c(self.bytes.get(CRC_COVERS_FROM..).unwrap_or_default());
        let stored = self.header.crc;
        if computed == stored {
            Ok(())
        } else {
            Err(BatchError::BadCrc { stored, computed })
        }
    }

    /// The compression of the payload.
    ///
    /// # Errors
    /// [`BatchError::UnknownCompression`].
    pub fn compression(&self) -> Result<Compression, BatchError> {
        self.header
            .attributes
            .compression()
            .map_err(|id| BatchError::UnknownCompression { id })
    }

    /// The payload decompressed: borrowed when it is not compressed.
    ///
    /// # Errors
    /// When the compressed data cannot be read.
    pub fn decompressed(
        &self,
        decompressor: &mut Decompressor,
    ) -> Result<Cow<'a, [u8]>, BatchError> {
        let compression = self.compression()?;
        if compression == Compression::None {
            return Ok(Cow::Borrowed(self.payload()));
        }
        let mut out = Vec::new();
        decompressor
            .decompress(compression, self.payload(), &mut out)
            .map_err(RecordError::from)?;
        Ok(Cow::Owned(out))
    }

    /// The records of an uncompressed batch; for a compressed one, [`Self::records_in`] over
    /// [`Self::decompressed`].
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        self.records_in(self.payload())
    }

    /// The records of this batch in its decompressed payload.
    #[must_use]
    pub fn records_in<'b>(&self, decompressed: &'b [u8]) -> Records<'b> {
        Records::new(&self.header, decompressed)
    }
}

/// The batches in a run of bytes, one after the other. After an error nothing more comes: where
/// the next batch would begin is not known.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Batches<'a> {
    /// The batches in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            failed: false,
        }
    }

    /// The bytes after the last batch handed out: empty at the end of whole batches, a partial
    /// batch after [`BatchError::Truncated`].
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.failed {
            return None;
        }
        let batch = BatchView::read(self.rest);
        match &batch {
            Ok(batch) => {
                self.rest = self.rest.get(batch.size_bytes()..).unwrap_or_default();
            }
            Err(_) => self.failed = true,
        }
        Some(batch)
    }
}

/// Size and magic of the message or batch that begins at `bytes`; `None` when the bytes end
/// before the whole of it. The rule of Kafka's reader, in its order: length first, then whether
/// the magic byte is there, then the magic, then whether everything is there.
pub(crate) fn batch_extent(bytes: &[u8]) -> Result<Option<(usize, i8)>, BatchError> {
    let Some(length) = bytes.get(BATCH_LENGTH_AT..LOG_OVERHEAD_BYTES) else {
        return Ok(None);
    };
    let batch_length = length.try_into().map_or(0, i32::from_be_bytes);
    let length = usize::try_from(batch_length)
        .ok()
        .filter(|&length| length >= LEGACY_MESSAGE_OVERHEAD_BYTES)
        .ok_or(BatchError::BadLength { batch_length })?;
    let Some(&magic) = bytes.get(MAGIC_AT) else {
        return Ok(None);
    };
    let magic = i8::from_be_bytes([magic]);
    if !(0..=MAGIC_V2).contains(&magic) {
        return Err(BatchError::UnknownMagic { magic });
    }
    let size = length + LOG_OVERHEAD_BYTES;
    Ok((size <= bytes.len()).then_some((size, magic)))
}

fn length_field(size: usize) -> i32 {
    i32::try_from(size.saturating_sub(LOG_OVERHEAD_BYTES)).unwrap_or(i32::MAX)
}
