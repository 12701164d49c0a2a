//! Waiting until an append is worth a try.

use engine_base::align_down;
use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_runtime::BlockBuf;

use crate::error::StoreError;
use crate::limits::PENDING_SIZE_BYTES_MAX;
use crate::log::{Log, LogInner};

impl Log {
    /// Waits until the reason of an [`crate::AppendError::Busy`] is gone: the last block is in
    /// memory, and less is waiting for the disk than the bound. Returns at once when it never was.
    ///
    /// # Errors
    /// The last block cannot be read.
    pub async fn ready_to_append(&self) -> Result<(), StoreError> {
        let log = &*self.inner;
        loop {
            if log.shared.is_failed() {
                return Err(StoreError::Failed);
            }
            let (is_gone, is_frozen, is_tail_ready) = {
                let state = log.state.borrow();
                (state.is_deleted, state.is_frozen, state.is_tail_ready())
            };
            if is_gone {
                return Ok(());
            }
            let is_much_pending = log.shared.pending_bytes.get() > PENDING_SIZE_BYTES_MAX / 2;
            if is_frozen || is_much_pending && !log.uses_reserve.get() {
                log.shared.progress.wait().await;
            } else if !is_tail_ready {
                log.load_last_block().await?;
            } else {
                return Ok(());
            }
        }
    }
}

impl LogInner {
    /// Reads the partial last block, which the next write must write again.
    async fn load_last_block(&self) -> Result<(), StoreError> {
        let (segment_base, end, generation) = {
            let state = self.state.borrow();
            let active = state.active();
            assert_eq!(active.destaged_position, active.end_position);
            (active.base_offset, active.end_position, state.generation)
        };
        let block = align_down(end, BLOCK_SIZE_BYTES as u64);
        let size = (end - block) as usize;
        let file = self.segment_file(segment_base).await?;
        let buffer = BlockBuf::new(BLOCK_SIZE_BYTES);
        let (count, buffer) = file.read_at(block, buffer, BLOCK_SIZE_BYTES).await;
        let count = count.map_err(StoreError::io("reading", file.path()))?;
        if count < size {
            return Err(StoreError::io("reading", file.path())(
                std::io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        let state = &mut *self.state.borrow_mut();
        // Somebody may have been faster, or have cut the log.
        let is_current = state.generation == generation
            && state.active().base_offset == segment_base
            && state.active().end_position == end;
        if is_current && !state.is_tail_ready() {
            state
                .tail
                .begin_within_block(segment_base, end, &buffer[..size]);
        }
        Ok(())
    }
}
