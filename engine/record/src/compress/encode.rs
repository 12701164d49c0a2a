//! Encoding, as Kafka's producers frame it: whole buffers, or a stream whose output can be
//! watched as it grows.

use std::io::Write;

use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use super::{Compression, snappy};
use crate::limits::{
    SNAPPY_BLOCK_BYTES, ZSTD_CONTEXT_BYTES_KEPT_MAX, ZSTD_WINDOW_LOG_MAX, ZSTD_WINDOW_LOG_MIN,
};

/// The reusable state of encoding. Empty until the first compressed batch needs it.
#[derive(Default)]
pub struct Compressor {
    zstd: Option<CCtx<'static>>,
    snappy: Option<snap::raw::Encoder>,
}

/// A stream into one compressed buffer, behind what the buffer held before.
pub(crate) struct Encoder<'c> {
    kind: Kind<'c>,
}

enum Kind<'c> {
    None(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Snappy(SnappyEncoder<'c>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Zstd(ZstdEncoder<'c>),
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
        let begun = std::mem::take(out);
        let mut encoder = self.encoder(compression, level, input.len() as u64, begun);
        encoder.write(input);
        *out = encoder.finish();
    }

    /// A stream that appends to `out`. About `size_bytes` will be written to it: the memory that
    /// a codec takes follows from it, not from its level.
    pub(crate) fn encoder(
        &mut self,
        compression: Compression,
        level: Option<i32>,
        size_bytes: u64,
        out: Vec<u8>,
    ) -> Encoder<'_> {
        let kind = match compression {
            Compression::None => Kind::None(out),
            Compression::Gzip => Kind::Gzip(GzEncoder::new(out, gzip_level(level))),
            Compression::Snappy => Kind::Snappy(SnappyEncoder {
                encoder: self.snappy.get_or_insert_with(snap::raw::Encoder::new),
                block: Vec::new(),
                out: with_snappy_header(out),
            }),
            Compression::Lz4 => Kind::Lz4(Box::new(lz4(out))),
            Compression::Zstd => {
                Kind::Zstd(ZstdEncoder::new(&mut self.zstd, level, size_bytes, out))
            }
        };
        Encoder { kind }
    }
}

impl Encoder<'_> {
    /// Compresses the next bytes.
    pub(crate) fn write(&mut self, input: &[u8]) {
        match &mut self.kind {
            Kind::None(out) => out.extend_from_slice(input),
            Kind::Gzip(encoder) => into_vector(encoder.write_all(input)),
            Kind::Snappy(encoder) => encoder.write(input),
            Kind::Lz4(encoder) => into_vector(encoder.write_all(input)),
            Kind::Zstd(encoder) => encoder.write(input),
        }
    }

    /// Bytes of the buffer so far; what a codec still holds back is at most a few blocks.
    pub(crate) fn size_bytes(&self) -> usize {
        match &self.kind {
            Kind::None(out) => out.len(),
            Kind::Gzip(encoder) => encoder.get_ref().len(),
            Kind::Snappy(encoder) => encoder.out.len(),
            Kind::Lz4(encoder) => encoder.get_ref().len(),
            Kind::Zstd(encoder) => encoder.out.len(),
        }
    }

    /// The finished buffer.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self.kind {
            Kind::None(out) => out,
            Kind::Gzip(encoder) => into_vector(encoder.finish()),
            Kind::Snappy(encoder) => encoder.finish(),
            Kind::Lz4(encoder) => into_vector(encoder.finish()),
            Kind::Zstd(encoder) => encoder.finish(),
        }
    }
}

fn into_vector<T, E: std::fmt::Debug>(written: Result<T, E>) -> T {
    written.expect("a vector takes every write")
}

fn gzip_level(level: Option<i32>) -> flate2::Compression {
    level
        .and_then(|level| u32::try_from(level.clamp(1, 9)).ok())
        .map_or_else(flate2::Compression::default, flate2::Compression::new)
}

/// 64 KiB independent blocks without checksums: the only shape all of Kafka's clients read.
fn lz4(out: Vec<u8>) -> FrameEncoder<Vec<u8>> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    FrameEncoder::with_frame_info(frame, out)
}

/// Java's framing: a header, then blocks of [`SNAPPY_BLOCK_BYTES`] with their sizes.
struct SnappyEncoder<'c> {
    encoder: &'c mut snap::raw::Encoder,
    /// What does not fill a block yet.
    block: Vec<u8>,
    out: Vec<u8>,
}

fn with_snappy_header(mut out: Vec<u8>) -> Vec<u8> {
    out.extend_from_slice(&snappy::MAGIC);
    out.extend_from_slice(&snappy::VERSION);
    out
}

impl SnappyEncoder<'_> {
    fn write(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            if self.block.is_empty() && input.len() >= SNAPPY_BLOCK_BYTES {
                let (block, rest) = input.split_at(SNAPPY_BLOCK_BYTES);
                self.put(block);
                input = rest;
                continue;
            }
            let size = input.len().min(SNAPPY_BLOCK_BYTES - self.block.len());
            let (head, rest) = input.split_at(size);
            self.block.extend_from_slice(head);
            input = rest;
            if self.block.len() == SNAPPY_BLOCK_BYTES {
                self.put_rest();
            }
        }
    }

    fn put_rest(&mut self) {
        let mut block = std::mem::take(&mut self.block);
        self.put(&block);
        block.clear();
        self.block = block;
    }

    fn put(&mut self, block: &[u8]) {
        let out = &mut self.out;
        let size_at = out.len();
        let data_at = size_at + size_of::<i32>();
        out.resize(data_at + snap::raw::max_compress_len(block.len()), 0);
        let size = self
            .encoder
            .compress(block, &mut out[data_at..])
            .expect("the output has the length that Snappy asks for");
        out.truncate(data_at + size);
        let size = i32::try_from(size).expect("a block of 32 KiB stays below 2 GiB");
        out[size_at..data_at].copy_from_slice(&size.to_be_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        if !self.block.is_empty() {
            self.put_rest();
        }
        self.out
    }
}

struct ZstdEncoder<'c> {
    context: &'c mut CCtx<'static>,
    out: Vec<u8>,
}

impl<'c> ZstdEncoder<'c> {
    fn new(
        slot: &'c mut Option<CCtx<'static>>,
        level: Option<i32>,
        size_bytes: u64,
        out: Vec<u8>,
    ) -> Self {
        if slot
            .as_ref()
            .is_some_and(|context| context.sizeof() > ZSTD_CONTEXT_BYTES_KEPT_MAX)
        {
            *slot = None;
        }
        let range = zstd::compression_level_range();
        let level = level
            .unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)
            .clamp(*range.start(), *range.end());
        let context = slot.get_or_insert_with(CCtx::create);
        let known = "a parameter in the library's own range";
        context
            .reset(ResetDirective::SessionAndParameters)
            .expect(known);
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .expect(known);
        context
            .set_parameter(CParameter::WindowLog(window_log(level, size_bytes)))
            .expect(known);
        Self { context, out }
    }

    fn write(&mut self, input: &[u8]) {
        let mut input = InBuffer::around(input);
        let size = input.src.len();
        while input.pos() < size {
            let context = &mut *self.context;
            put_more(&mut self.out, |output| {
                context.compress_stream(output, &mut input)
            });
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let context = self.context;
        while put_more(&mut self.out, |output| context.end_stream(output)) > 0 {}
        self.out
    }
}

/// One step of the library with room for what it has ready; what it returns.
fn put_more(
    out: &mut Vec<u8>,
    step: impl FnOnce(&mut OutBuffer<'_, [u8]>) -> Result<usize, usize>,
) -> usize {
    let filled = out.len();
    out.resize(filled + CCtx::out_size(), 0);
    let mut output = OutBuffer::around(&mut out[filled..]);
    let hint = step(&mut output).expect("zstd fails for want of memory only");
    let written = output.pos();
    out.truncate(filled + written);
    hint
}

/// The window (log 2): the level's own, or what holds the data where that is less. Left alone, a
/// high level's tables would take hundreds of megabytes for a batch of one.
fn window_log(level: i32, size_bytes: u64) -> u32 {
    let of_level = match level {
        ..=1 => 19,
        2 => 20,
        3..=8 => 21,
        9..=16 => 22,
        17..=19 => 23,
        20 => 25,
        21 => 26,
        _ => ZSTD_WINDOW_LOG_MAX,
    };
    let of_data = size_bytes.max(1).next_power_of_two().ilog2();
    of_data.clamp(ZSTD_WINDOW_LOG_MIN, of_level)
}
