//! Snappy in both shapes that clients send: raw (one block) and xerial (Java's framing).
//!
//! ```text
//! xerial: 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 = 1 | lowest compatible i32 = 1
//!         then repeated: compressed size i32 | raw Snappy block
//! ```

use super::{CompressError, Compression};
use crate::limits::SNAPPY_RATIO_MAX;

pub(super) const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
pub(super) const HEADER_BYTES: usize = 16;
pub(super) const VERSION: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];

pub(super) struct SnappyDecoder<'a, 'c> {
    input: &'a [u8],
    framed: bool,
    /// The current block, decoded; a framed block is small, a raw one is the whole batch.
    block: &'c mut Vec<u8>,
    position: usize,
    limit: u64,
}

impl<'a, 'c> SnappyDecoder<'a, 'c> {
    pub(super) fn new(
        input: &'a [u8],
        block: &'c mut Vec<u8>,
        limit: u64,
    ) -> Result<Self, CompressError> {
        block.clear();
        let framed = input.starts_with(&MAGIC);
        let input = if framed { skip_header(input)? } else { input };
        Ok(Self {
            input,
            framed,
            block,
            position: 0,
            limit,
        })
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, CompressError> {
        while self.position == self.block.len() {
            let Some(compressed) = self.next_block()? else {
                return Ok(0);
            };
            self.decode_block(compressed)?;
        }
        let ready = self.block.get(self.position..).unwrap_or_default();
        let size = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..size), ready.get(..size)) {
            to.copy_from_slice(from);
        }
        self.position += size;
        Ok(size)
    }

    /// The compressed bytes of the next block. Streams may be appended to one another, so the
    /// header may come again where a block would start.
    fn next_block(&mut self) -> Result<Option<&'a [u8]>, CompressError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.input)));
        }
        if self.input.starts_with(&MAGIC) {
            self.input = skip_header(self.input)?;
            if self.input.is_empty() {
                return Ok(None);
            }
        }
        let truncated = CompressError::Truncated(Compression::Snappy);
        let (size, rest) = self.input.split_first_chunk::<4>().ok_or(truncated)?;
        let size = usize::try_from(i32::from_be_bytes(*size))
            .map_err(|_| CompressError::Corrupt(Compression::Snappy))?;
        let (compressed, rest) = rest.split_at_checked(size).ok_or(truncated)?;
        self.input = rest;
        Ok(Some(compressed))
    }

    /// The declared length is believed only as far as Snappy could have produced it.
    fn decode_block(&mut self, compressed: &[u8]) -> Result<(), CompressError> {
        let corrupt = CompressError::Corrupt(Compression::Snappy);
        let size = snap::raw::decompress_len(compressed).map_err(|_| corrupt)?;
        if size > compressed.len().saturating_mul(SNAPPY_RATIO_MAX) {
            return Err(corrupt);
        }
        if size as u64 > self.limit {
            return Err(CompressError::TooLarge {
                limit_bytes: self.limit,
            });
        }
        self.block.clear();
        self.block.resize(size, 0);
        self.position = 0;
        let written = snap::raw::Decoder::new()
            .decompress(compressed, self.block)
            .map_err(|_| corrupt)?;
        self.block.truncate(written);
        Ok(())
    }
}

fn skip_header(input: &[u8]) -> Result<&[u8], CompressError> {
    input
        .get(HEADER_BYTES..)
        .ok_or(CompressError::Truncated(Compression::Snappy))
}
