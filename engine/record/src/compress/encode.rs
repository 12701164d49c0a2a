//! Encoding: whole buffers, as Kafka's producers frame them.

use std::io::Write;

use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use zstd::zstd_safe::{CCtx, CParameter};

use super::{Compression, snappy};
use crate::limits::SNAPPY_BLOCK_BYTES;

/// The reusable state of encoding. Empty until the first compressed batch needs it.
#[derive(Default)]
pub struct Compressor {
    zstd: Option<CCtx<'static>>,
    snappy: Option<snap::raw::Encoder>,
}

impl Compressor {
    /// An empty state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `input`, compressed, to `out`. `level` is gzip's or zstd's
    /// (`compression.{gzip,zstd}.level`), clamped to what the codec knows; `None` is the codec's
    /// default. Snappy and LZ4 have one level here.
    pub fn compress(
        &mut self,
        compression: Compression,
        level: Option<i32>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) {
        match compression {
            Compression::None => out.extend_from_slice(input),
            Compression::Gzip => gzip(level, input, out),
            Compression::Snappy => self.snappy(input, out),
            Compression::Lz4 => lz4(input, out),
            Compression::Zstd => self.zstd(level, input, out),
        }
    }

    fn snappy(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let encoder = self.snappy.get_or_insert_with(snap::raw::Encoder::new);
        out.extend_from_slice(&snappy::MAGIC);
        out.extend_from_slice(&snappy::VERSION);
        for block in input.chunks(SNAPPY_BLOCK_BYTES) {
            let size_at = out.len();
            let data_at = size_at + size_of::<i32>();
            out.resize(data_at + snap::raw::max_compress_len(block.len()), 0);
            let size = encoder
                .compress(block, &mut out[data_at..])
                .expect("the output has the length that Snappy asks for");
            out.truncate(data_at + size);
            let size = i32::try_from(size).expect("a block of 32 KiB stays below 2 GiB");
            out[size_at..data_at].copy_from_slice(&size.to_be_bytes());
        }
    }

    fn zstd(&mut self, level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
        let range = zstd::compression_level_range();
        let level = level
            .unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)
            .clamp(*range.start(), *range.end());
        let context = self.zstd.get_or_insert_with(CCtx::create);
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .expect("the level lies in the library's own range");
        let start = out.len();
        out.resize(start + zstd::zstd_safe::compress_bound(input.len()), 0);
        let size = context
            .compress2(&mut out[start..], input)
            .expect("the output has the length that zstd asks for");
        out.truncate(start + size);
    }
}

fn gzip(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
    let level = level
        .and_then(|level| u32::try_from(level.clamp(1, 9)).ok())
        .map_or_else(flate2::Compression::default, flate2::Compression::new);
    let mut encoder = GzEncoder::new(out, level);
    encoder
        .write_all(input)
        .expect("a vector takes every write");
    encoder.finish().expect("a vector takes every write");
}

/// 64 KiB independent blocks without checksums: the only shape all of Kafka's clients read.
fn lz4(input: &[u8], out: &mut Vec<u8>) {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(frame, out);
    encoder
        .write_all(input)
        .expect("a vector takes every write");
    encoder.finish().expect("a vector takes every write");
}
