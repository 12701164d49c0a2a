//! One LZ4 frame of independent blocks: what Kafka's clients write and can read.

use std::io::Read;

use lz4_flex::frame::FrameDecoder;

use super::{CompressError, Compression};

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
const FLAG_VERSION_MASK: u8 = 0xc0;
const FLAG_VERSION_1: u8 = 0x40;
const FLAG_BLOCKS_INDEPENDENT: u8 = 0x20;
const FLAG_CONTENT_CHECKSUM: u8 = 0x04;
const FLAG_DICTIONARY: u8 = 0x01;
const END_MARK: [u8; 4] = [0; 4];

pub(super) struct Lz4Decoder<'a> {
    input: &'a [u8],
    frame: FrameDecoder<&'a [u8]>,
    content_checksum: bool,
    done: bool,
}

impl<'a> Lz4Decoder<'a> {
    /// Refuses what Kafka's reader refuses: linked blocks and dictionaries could be decoded here,
    /// but no Java consumer could read the batch afterwards.
    pub(super) fn new(input: &'a [u8]) -> Result<Self, CompressError> {
        let (magic, rest) = input
            .split_first_chunk::<4>()
            .ok_or(CompressError::Truncated(Compression::Lz4))?;
        let flags = *rest
            .first()
            .ok_or(CompressError::Truncated(Compression::Lz4))?;
        if *magic != MAGIC {
            return Err(CompressError::Corrupt(Compression::Lz4));
        }
        if flags & FLAG_VERSION_MASK != FLAG_VERSION_1
            || flags & FLAG_BLOCKS_INDEPENDENT == 0
            || flags & FLAG_DICTIONARY != 0
        {
            return Err(CompressError::Unsupported(Compression::Lz4));
        }
        Ok(Self {
            input,
            frame: FrameDecoder::new(input),
            content_checksum: flags & FLAG_CONTENT_CHECKSUM != 0,
            done: false,
        })
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, CompressError> {
        if self.done || out.is_empty() {
            return Ok(0);
        }
        let size = self
            .frame
            .read(out)
            .map_err(|_| CompressError::Corrupt(Compression::Lz4))?;
        if size == 0 {
            self.done = true;
            if !self.ended_with_mark() {
                return Err(CompressError::Truncated(Compression::Lz4));
            }
        }
        Ok(size)
    }

    /// The frame reader reports a frame that stops between two blocks as ended; only the end
    /// mark tells. What follows the frame is ignored, as Kafka does.
    fn ended_with_mark(&self) -> bool {
        let consumed = self.input.len() - self.frame.get_ref().len();
        let mark_end = consumed.checked_sub(if self.content_checksum { 4 } else { 0 });
        mark_end
            .and_then(|end| self.input.get(..end))
            .is_some_and(|frame| frame.ends_with(&END_MARK))
    }
}
