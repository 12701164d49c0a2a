//! Decoding: one reader over the five compressions, counted against a cap.

use flate2::Decompress;
use zstd::zstd_safe::DCtx;

use super::gzip::GzipDecoder;
use super::lz4::Lz4Decoder;
use super::snappy::SnappyDecoder;
use super::zstd::ZstdDecoder;
use super::{CompressError, Compression};
use crate::limits::{
    DECOMPRESSED_SIZE_BYTES_FLOOR, DECOMPRESSED_SIZE_BYTES_MAX, DECOMPRESSION_RATIO_MAX,
    DECOMPRESSION_WINDOW_BYTES,
};

/// The reusable state of decoding. Empty until the first compressed batch needs it.
#[derive(Default)]
pub struct Decompressor {
    contexts: Contexts,
    window: Vec<u8>,
}

#[derive(Default)]
struct Contexts {
    inflate: Option<Decompress>,
    zstd: Option<DCtx<'static>>,
    snappy_block: Vec<u8>,
}

/// A bounded stream of decompressed bytes.
pub struct Decoder<'a, 'c> {
    kind: Kind<'a, 'c>,
    produced: u64,
    limit: u64,
}

enum Kind<'a, 'c> {
    None(&'a [u8]),
    Gzip(GzipDecoder<'a, 'c>),
    Snappy(SnappyDecoder<'a, 'c>),
    Lz4(Box<Lz4Decoder<'a>>),
    Zstd(ZstdDecoder<'a, 'c>),
}

impl Decompressor {
    /// An empty state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream over the compressed records of one batch.
    ///
    /// # Errors
    /// When the head of the data is not what the compression says.
    pub fn decoder<'a>(
        &mut self,
        compression: Compression,
        compressed: &'a [u8],
    ) -> Result<Decoder<'a, '_>, CompressError> {
        self.contexts.decoder(compression, compressed)
    }

    /// The stream together with the window to read it through.
    pub(crate) fn windowed<'a>(
        &mut self,
        compression: Compression,
        compressed: &'a [u8],
    ) -> Result<(Decoder<'a, '_>, &mut [u8]), CompressError> {
        self.window.resize(DECOMPRESSION_WINDOW_BYTES, 0);
        Ok((
            self.contexts.decoder(compression, compressed)?,
            &mut self.window,
        ))
    }

    /// Decompresses the records of one batch into `out`, replacing what is there.
    ///
    /// # Errors
    /// When the data is not what the compression says or grows beyond the cap; `out` then holds
    /// a part of it.
    pub fn decompress(
        &mut self,
        compression: Compression,
        compressed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        out.clear();
        let mut decoder = self.contexts.decoder(compression, compressed)?;
        loop {
            // Grows with what arrives, never with what the peer announces.
            let filled = out.len();
            out.resize(filled + DECOMPRESSION_WINDOW_BYTES.max(filled / 2), 0);
            let read = decoder.read(&mut out[filled..])?;
            out.truncate(filled + read);
            if read == 0 {
                return Ok(());
            }
        }
    }
}

impl Contexts {
    fn decoder<'a>(
        &mut self,
        compression: Compression,
        compressed: &'a [u8],
    ) -> Result<Decoder<'a, '_>, CompressError> {
        let limit = decompressed_size_max(compressed.len());
        let kind = match compression {
            Compression::None => Kind::None(compressed),
            Compression::Gzip => {
                let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
                Kind::Gzip(GzipDecoder::new(compressed, inflate)?)
            }
            Compression::Snappy => Kind::Snappy(SnappyDecoder::new(
                compressed,
                &mut self.snappy_block,
                limit,
            )?),
            Compression::Lz4 => Kind::Lz4(Box::new(Lz4Decoder::new(compressed)?)),
            Compression::Zstd => Kind::Zstd(ZstdDecoder::new(compressed, &mut self.zstd)?),
        };
        Ok(Decoder {
            kind,
            produced: 0,
            limit,
        })
    }
}

impl Decoder<'_, '_> {
    /// Reads the next decompressed bytes; 0 at the end of the data.
    ///
    /// # Errors
    /// When the data is not what the compression says or grows beyond the cap.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, CompressError> {
        let size = match &mut self.kind {
            Kind::None(rest) => {
                let (now, later) = rest.split_at(rest.len().min(out.len()));
                out[..now.len()].copy_from_slice(now);
                *rest = later;
                now.len()
            }
            Kind::Gzip(decoder) => decoder.read(out)?,
            Kind::Snappy(decoder) => decoder.read(out)?,
            Kind::Lz4(decoder) => decoder.read(out)?,
            Kind::Zstd(decoder) => decoder.read(out)?,
        };
        self.produced += size as u64;
        if self.produced > self.limit {
            return Err(CompressError::TooLarge {
                limit_bytes: self.limit,
            });
        }
        Ok(size)
    }
}

/// The cap for a batch whose compressed records have this size.
fn decompressed_size_max(compressed_size: usize) -> u64 {
    (compressed_size as u64)
        .saturating_mul(DECOMPRESSION_RATIO_MAX)
        .clamp(DECOMPRESSED_SIZE_BYTES_FLOOR, DECOMPRESSED_SIZE_BYTES_MAX)
}
