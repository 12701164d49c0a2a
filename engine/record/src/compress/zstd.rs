//! Zstandard over a reusable context.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::{CompressError, Compression};
use crate::limits::{ZSTD_CONTEXT_BYTES_KEPT_MAX, ZSTD_WINDOW_LOG_MAX};

pub(super) struct ZstdDecoder<'a, 'c> {
    input: InBuffer<'a>,
    input_size: usize,
    context: &'c mut DCtx<'static>,
    /// Whether the last call ended a frame (nothing is pending).
    at_frame_end: bool,
}

impl<'a, 'c> ZstdDecoder<'a, 'c> {
    pub(super) fn new(
        input: &'a [u8],
        slot: &'c mut Option<DCtx<'static>>,
    ) -> Result<Self, CompressError> {
        if slot
            .as_ref()
            .is_some_and(|context| context.sizeof() > ZSTD_CONTEXT_BYTES_KEPT_MAX)
        {
            *slot = None;
        }
        let context = slot.get_or_insert_with(DCtx::create);
        let failed = |_| CompressError::Unsupported(Compression::Zstd);
        context.reset(ResetDirective::SessionOnly).map_err(failed)?;
        context
            .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
            .map_err(failed)?;
        Ok(Self {
            input: InBuffer::around(input),
            input_size: input.len(),
            context,
            at_frame_end: false,
        })
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, CompressError> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let consumed_before = self.input.pos();
            if self.at_frame_end && consumed_before == self.input_size {
                return Ok(0);
            }
            let mut output = OutBuffer::around(&mut *out);
            let hint = self
                .context
                .decompress_stream(&mut output, &mut self.input)
                .map_err(|_| CompressError::Corrupt(Compression::Zstd))?;
            self.at_frame_end = hint == 0;
            let produced = output.pos();
            if produced > 0 {
                return Ok(produced);
            }
            if !self.at_frame_end && self.input.pos() == consumed_before {
                return Err(CompressError::Truncated(Compression::Zstd));
            }
        }
    }
}
