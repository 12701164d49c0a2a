//! gzip (RFC 1952) over a reusable inflate state, all members of a stream.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{CompressError, Compression};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const METHOD_DEFLATE: u8 = 8;
const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;

const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;

pub(super) struct GzipDecoder<'a, 'c> {
    input: &'a [u8],
    inflate: &'c mut Decompress,
    crc: Crc,
    done: bool,
}

impl<'a, 'c> GzipDecoder<'a, 'c> {
    pub(super) fn new(input: &'a [u8], inflate: &'c mut Decompress) -> Result<Self, CompressError> {
        let body = skip_header(input).ok_or(CompressError::Corrupt(Compression::Gzip))?;
        inflate.reset(false);
        Ok(Self {
            input: body,
            inflate,
            crc: Crc::new(),
            done: false,
        })
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, CompressError> {
        while !self.done && !out.is_empty() {
            let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(self.input, out, FlushDecompress::None)
                .map_err(|_| CompressError::Corrupt(Compression::Gzip))?;
            let consumed = size_of_step(self.inflate.total_in() - in_before);
            let produced = size_of_step(self.inflate.total_out() - out_before);
            self.input = self.input.get(consumed..).unwrap_or_default();
            self.crc.update(out.get(..produced).unwrap_or_default());
            if status == Status::StreamEnd {
                self.end_member()?;
            } else if produced == 0 && consumed == 0 {
                return Err(CompressError::Truncated(Compression::Gzip));
            }
            if produced > 0 {
                return Ok(produced);
            }
        }
        Ok(0)
    }

    /// Checks the member's trailer and starts the next member if one follows. What follows the
    /// last trailer and is no member is ignored, as Java's reader does.
    fn end_member(&mut self) -> Result<(), CompressError> {
        let Some((trailer, rest)) = self.input.split_first_chunk::<TRAILER_BYTES>() else {
            return Err(CompressError::Truncated(Compression::Gzip));
        };
        let [a, b, c, d, e, f, g, h] = *trailer;
        if u32::from_le_bytes([a, b, c, d]) != self.crc.sum()
            || u32::from_le_bytes([e, f, g, h]) != self.crc.amount()
        {
            return Err(CompressError::Corrupt(Compression::Gzip));
        }
        match skip_header(rest) {
            Some(body) => {
                self.input = body;
                self.inflate.reset(false);
                self.crc.reset();
            }
            None => self.done = true,
        }
        Ok(())
    }
}

/// The deflate stream behind a member's header; `None` when there is no valid header.
fn skip_header(input: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = input.split_first_chunk::<HEADER_BYTES>()?;
    let [magic_0, magic_1, method, flags, ..] = *head;
    if [magic_0, magic_1] != MAGIC || method != METHOD_DEFLATE {
        return None;
    }
    if flags & FLAG_EXTRA != 0 {
        let (size, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*size))..)?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        let size = input.len() - rest.len();
        let mut crc = Crc::new();
        crc.update(input.get(..size)?);
        let (stored, after) = rest.split_first_chunk::<2>()?;
        if u32::from(u16::from_le_bytes(*stored)) != crc.sum() & 0xffff {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// One step moves at most a slice's length.
fn size_of_step(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a step moves no more than a slice holds")
}
