//! Cutting a log's end, as a follower does whose leader says that its end never was (KIP-101).
//!
//! ```text
//! 1. appends wait; what was accepted is committed and goes to its segments; these are synced
//! 2. the cut is committed with a new generation and the image of the block that it cuts through
//! 3. files behind the cut are removed, the cut one gets its length, the tail begins anew
//! ```
//! From 2 on the log ends there, whatever happens: units of the older generation mean nothing.

use engine_base::align_down;
use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_runtime::BlockBuf;

use crate::error::StoreError;
use crate::load::load_active;
use crate::log::{Control, Log, LogInner};
use crate::recovery::{Snapshots, load_producers};
use crate::scan::{ScanDepth, scan};
use crate::segment::Segment;
use crate::txn_index::TxnIndex;

impl Log {
    /// Cuts the log so that it ends at `offset`; does nothing when it ends there or before. A
    /// batch that spans the offset goes whole.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn truncate_to(&self, offset: i64) -> Result<(), StoreError> {
        let log = &self.inner;
        while std::mem::replace(&mut log.state.borrow_mut().is_frozen, true) {
            if log.state.borrow().is_deleted || log.shared.is_failed() {
                return Err(StoreError::Failed);
            }
            log.shared.progress.wait().await;
        }
        log.lock_derived().await;
        let outcome = log.truncate_frozen(offset).await;
        log.unlock_derived();
        // What was skipped meanwhile.
        log.shared.mark_for_destage(log);
        let mut state = log.state.borrow_mut();
        state.is_frozen = state.is_deleted;
        drop(state);
        log.shared.progress.notify_all();
        outcome
    }
}

impl LogInner {
    async fn truncate_frozen(&self, offset: i64) -> Result<(), StoreError> {
        let offset = {
            let state = self.state.borrow();
            if offset >= state.end_offset {
                return Ok(());
            }
            offset.max(state.segments[0].base_offset)
        };
        self.settle().await?;
        let (segment_base, position) = self.position_of(offset).await?;
        let last_block = self.bytes_before(segment_base, position).await?;
        let cut_off = self.stop_extending_from(segment_base).await;
        // The commit loop moves the ends with the entry, in one step.
        let cut = Control::Truncated {
            end_offset: offset,
            segment_base,
            position,
            last_block,
        };
        self.commit_control(cut).await?;

        self.shared
            .pages
            .borrow_mut()
            .remove_where(|key| key.log == self.key);
        self.shared.forget_sealed(self.key);
        // Their producer snapshots stay until the producers have been loaded: see `replace_stale`.
        for (base_offset, reusable_bytes) in cut_off {
            self.retire_segment_files(base_offset, reusable_bytes)
                .await?;
        }
        let file = self.segment_file(segment_base).await?;
        let failed = || StoreError::io("cutting", file.path());
        file.set_len(position).await.map_err(failed())?;
        file.sync_all().await.map_err(failed())?;
        self.reload_active(segment_base, position, offset).await?;
        // Now, not at the next seal: a second cut would believe the entries that are behind this.
        self.write_indexes(segment_base).await?;
        self.write_epochs().await?;
        let active = (segment_base, position);
        let is_direct = self.shared.is_direct;
        let loaded = load_producers(
            &self.directory,
            is_direct,
            active,
            offset,
            Snapshots::Behind,
        )
        .await?;
        loaded.replace_stale(&self.directory, offset).await?;
        let state = &mut *self.state.borrow_mut();
        state.producers = loaded.producers;
        state.snapshots.retain(|&(taken_at, _)| taken_at <= offset);
        // The next sync or stop takes one, wherever the log then ends.
        state.snapshot_offset = -1;
        Ok(())
    }

    /// Nothing grows the files of this segment and of those behind it any more. Returns the bases
    /// of the latter, which are about to go, and how many bytes of each can be written again.
    async fn stop_extending_from(&self, segment_base: i64) -> Vec<(i64, u64)> {
        let bases: Vec<i64> = {
            let state = self.state.borrow();
            let segments = state.segments.iter();
            let affected = segments.filter(|segment| segment.base_offset >= segment_base);
            affected.map(|segment| segment.base_offset).collect()
        };
        for &base_offset in &bases {
            self.stop_extending(base_offset).await;
        }
        let mut state = self.state.borrow_mut();
        let behind = state.segments.iter_mut();
        behind
            .filter(|segment| segment.base_offset > segment_base)
            .map(|segment| (segment.base_offset, self.give_up_file(segment)))
            .collect()
    }

    /// Everything accepted is committed, in its segment and synced.
    async fn settle(&self) -> Result<(), StoreError> {
        while !self.state.borrow().is_quiet() {
            if self.shared.is_failed() || self.state.borrow().is_deleted {
                return Err(StoreError::Failed);
            }
            self.shared.progress.wait().await;
        }
        self.destage().await?;
        // Also those that a flush is under way for: it must not end behind the cut.
        let files: Vec<_> = {
            let state = self.state.borrow();
            let unsynced = state.segments.iter().filter(|it| !it.is_synced);
            unsynced.filter_map(|it| it.file.clone()).collect()
        };
        for file in files {
            file.sync_data()
                .await
                .map_err(StoreError::io("syncing", file.path()))?;
        }
        Ok(())
    }

    /// Where the batch begins that holds `offset`, or that is the first behind it.
    async fn position_of(&self, offset: i64) -> Result<(i64, u64), StoreError> {
        let (segment_base, end, from) = {
            let state = self.state.borrow();
            let segment = &state.segments[state.segment_index_for(offset)];
            let from = segment
                .index
                .as_ref()
                .map_or(0, |index| index.offsets.position_for(offset));
            (segment.base_offset, segment.end_position, from)
        };
        if end == 0 {
            return Ok((segment_base, 0));
        }
        let file = self.segment_file(segment_base).await?;
        let found = scan(&file, from..end, ScanDepth::Headers, |_, header, _| {
            header.last_offset() < offset
        });
        let found = found
            .await
            .map_err(StoreError::io("reading", file.path()))?;
        Ok((segment_base, found.position))
    }

    /// The bytes of the block that a position cuts through.
    async fn bytes_before(&self, segment_base: i64, position: u64) -> Result<Vec<u8>, StoreError> {
        let block = align_down(position, BLOCK_SIZE_BYTES as u64);
        let size = (position - block) as usize;
        if size == 0 {
            return Ok(Vec::new());
        }
        let file = self.segment_file(segment_base).await?;
        let buffer = BlockBuf::new(BLOCK_SIZE_BYTES);
        let (count, buffer) = file.read_at(block, buffer, BLOCK_SIZE_BYTES).await;
        let count = count.map_err(StoreError::io("reading", file.path()))?;
        if count < size {
            let error = std::io::ErrorKind::UnexpectedEof.into();
            return Err(StoreError::io("reading", file.path())(error));
        }
        Ok(buffer[..size].to_vec())
    }

    /// The aborted transactions of a segment: what is in memory is complete, the file may be behind.
    async fn txns_of(&self, segment_base: i64) -> Result<TxnIndex, StoreError> {
        if let Some(segment) = self.state.borrow().segment(segment_base)
            && let Some(index) = &segment.index
        {
            return Ok(index.txns.clone());
        }
        let txns = self.sealed_txns(segment_base).await?;
        Ok((*txns).clone())
    }

    /// The cut segment is active from now on: its indexes are read again, up to the cut.
    async fn reload_active(
        &self,
        segment_base: i64,
        position: u64,
        end_offset: i64,
    ) -> Result<(), StoreError> {
        let config = self.state.borrow().config.clone();
        let mut txns = self.txns_of(segment_base).await?;
        txns.truncate_to(end_offset);
        let mut fresh = Segment::new(segment_base, engine_runtime::wall_clock_ms());
        fresh.is_created = true;
        fresh.file_size_bytes = position;
        fresh.committed_position = position;
        fresh.destaged_position = position;
        fresh.end_position = position;
        load_active(&self.shared, &self.directory, &mut fresh, &config).await?;
        let state = &mut *self.state.borrow_mut();
        let old = state.active_mut();
        assert_eq!(old.base_offset, segment_base);
        fresh.held = std::mem::take(&mut old.held);
        fresh.file = old.file.take();
        fresh.is_prewritten = old.is_prewritten;
        fresh.synced_position = 0;
        if let Some(index) = &mut fresh.index {
            // The files may hold entries behind the cut: they are written anew.
            (index.offsets_written, index.times_written) = (0, 0);
            (index.txns, index.txns_written) = (txns, 0);
            fresh.has_txn_file = old.has_txn_file;
        }
        *old = fresh;
        Ok(())
    }
}
