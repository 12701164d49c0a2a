//! What is derived from a log reaches the disk: indexes, epochs, producer snapshots; and sealed
//! segments get their exact length.
//!
//! All of it can be rebuilt from the segments. It is written so that a start has little to
//! rebuild: at a seal, after so many bytes, and at a clean stop. Buffered writes, never padded.

use std::pin::Pin;

use engine_runtime::{File, OpenOptions, Slice, WriteMode, fs};

use crate::error::StoreError;
use crate::layout::{
    INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX,
    segment_file,
};
use crate::limits::DERIVED_FILES_IN_FLIGHT_MAX;
use crate::log::{LogInner, LogState};
use crate::offset_index::OFFSET_INDEX_ENTRY_SIZE_BYTES;
use crate::producer_snapshot;
use crate::segment::Segment;
use crate::shared::Condition;
use crate::time_index::TIME_INDEX_ENTRY_SIZE_BYTES;
use crate::txn_index::TXN_INDEX_ENTRY_SIZE_BYTES;
use crate::write::run_all;

impl LogState {
    /// Bytes of a segment from `start` on were written. What lies in allocated space becomes durable
    /// by a sync of the file only; what `is_own` says so too.
    pub(crate) fn on_written(&mut self, segment_base: i64, start: u64, is_own: bool) {
        let number = self.own_writes + 1;
        if let Some(segment) = self.segment_mut(segment_base) {
            segment.needs_flush = true;
            if is_own || start < segment.allocated_until {
                segment.own_writes.last = number;
                self.own_writes = number;
                self.has_own_writes = true;
            }
        }
    }

    /// Takes a snapshot of the producers as of the log's end, to be written later.
    pub(crate) fn take_snapshot(&mut self) {
        if self.snapshot_offset < self.end_offset && !self.producers.is_empty() {
            let bytes = producer_snapshot::encode(&self.producers);
            self.snapshots.push((self.end_offset, bytes));
            self.snapshot_offset = self.end_offset;
        }
    }
}

impl LogInner {
    /// Waits until nobody writes derived files or cuts the log, and begins.
    pub(crate) async fn lock_derived(&self) {
        while self.is_deriving.replace(true) {
            self.shared.progress.wait().await;
        }
    }

    pub(crate) fn unlock_derived(&self) {
        self.is_deriving.set(false);
        self.shared.progress.notify_all();
    }

    /// Syncs the segments that are full and wholly in their files. While the log is being cut it
    /// does nothing: the cut waits for commits, and asks again when it is done.
    pub(crate) async fn sync_sealed(&self) -> Result<(), StoreError> {
        if self.is_deriving.replace(true) {
            return Ok(());
        }
        let synced = self.sync_sealed_locked().await;
        self.unlock_derived();
        synced
    }

    pub(crate) async fn sync_sealed_locked(&self) -> Result<(), StoreError> {
        while let Some(base_offset) = self.next_sealable() {
            self.write_epochs().await?;
            self.write_snapshots().await?;
            self.seal(base_offset).await?;
        }
        Ok(())
    }

    /// Whether a segment is full, wholly in its file, and not sealed yet.
    pub(crate) fn has_sealable(&self) -> bool {
        self.next_sealable().is_some()
    }

    fn next_sealable(&self) -> Option<i64> {
        let state = self.state.borrow();
        let active = state.active().base_offset;
        let is_ready = |segment: &&Segment| {
            segment.base_offset != active
                && !segment.is_synced
                && segment.destaged_position == segment.end_position
        };
        let mut segments = state.segments.iter().filter(|_| !state.is_deleted);
        segments.find(is_ready).map(|segment| segment.base_offset)
    }

    /// Writes and syncs everything derived of what is in the segments now; nothing while the log
    /// is being cut.
    pub(crate) async fn sync_derived(&self) -> Result<(), StoreError> {
        if self.is_deriving.replace(true) {
            return Ok(());
        }
        let synced = self.sync_derived_locked().await;
        self.unlock_derived();
        synced
    }

    async fn sync_derived_locked(&self) -> Result<(), StoreError> {
        self.sync_sealed_locked().await?;
        let (base_offset, position, is_news) = {
            let state = self.state.borrow();
            let active = state.active();
            let is_news = active.synced_position < active.destaged_position;
            (
                active.base_offset,
                active.destaged_position,
                is_news && !state.is_deleted,
            )
        };
        if !is_news {
            return Ok(());
        }
        let snapshot_offset = {
            let mut state = self.state.borrow_mut();
            state.take_snapshot();
            state.snapshot_offset
        };
        self.write_derived(base_offset).await?;
        if self.is_kept_up_to(snapshot_offset).await?
            && let Some(segment) = self.state.borrow_mut().segment_mut(base_offset)
        {
            segment.synced_position = position;
        }
        // Whoever wanted to seal one meanwhile has left it to this.
        self.sync_sealed_locked().await
    }

    /// All the files at the same time, for each sync waits for the file system's journal: nothing
    /// relies on one of them before all are durable, and then the journal is told of all.
    async fn write_derived(&self, base_offset: i64) -> Result<(), StoreError> {
        type Writing<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;
        let files: [Writing<'_>; 3] = [
            Box::pin(self.write_epochs()),
            Box::pin(self.write_snapshots()),
            Box::pin(self.write_indexes(base_offset)),
        ];
        run_all(files, DERIVED_FILES_IN_FLIGHT_MAX).await
    }

    /// Waits until the log is kept up to a snapshot: recovery would drop one above the end that it
    /// finds. `false` when it is deleted, or nobody knows whether it ever will be kept.
    async fn is_kept_up_to(&self, snapshot_offset: i64) -> Result<bool, StoreError> {
        while self.state.borrow().committed_end_offset < snapshot_offset {
            match self.shared.condition.get() {
                Condition::Open if !self.state.borrow().is_deleted => {}
                Condition::Failed => return Err(StoreError::Failed),
                _ => return Ok(false),
            }
            self.shared.progress.wait().await;
        }
        Ok(true)
    }

    /// The segment's file grows no more, and nothing that would let it grow is in flight.
    pub(crate) async fn stop_extending(&self, base_offset: i64) {
        loop {
            match self.state.borrow_mut().segment_mut(base_offset) {
                Some(segment) => {
                    segment.is_sealed = true;
                    if !segment.is_extending {
                        return;
                    }
                }
                None => return,
            }
            self.shared.progress.wait().await;
        }
    }

    /// Syncs the files of writes that nothing else makes durable.
    pub(crate) async fn sync_own_writes(&self) -> Result<(), StoreError> {
        if !self.state.borrow().has_own_writes || !self.shared.config.guards.own_sync() {
            return Ok(());
        }
        let unsynced: Vec<_> = {
            let state = self.state.borrow();
            let segments = state.segments.iter();
            let unsynced = segments.filter(|segment| segment.own_writes.need_sync());
            // One that has let go of its file was cut off or deleted: nobody needs it any more.
            let noted = |it: &Segment| Some((it.base_offset, it.own_writes.last, it.file.clone()?));
            unsynced.filter_map(noted).collect()
        };
        for (base_offset, last, file) in unsynced {
            let synced = file.sync_data().await;
            synced.map_err(StoreError::io("syncing", file.path()))?;
            if let Some(segment) = self.state.borrow_mut().segment_mut(base_offset) {
                let own_writes = &mut segment.own_writes;
                own_writes.synced = own_writes.synced.max(last);
            }
        }
        // Not before: others must not take for synced what is being synced.
        let state = &mut *self.state.borrow_mut();
        let mut segments = state.segments.iter();
        state.has_own_writes = segments.any(|it| it.own_writes.need_sync());
        Ok(())
    }

    /// Gives a full segment its exact length and its final indexes, durably.
    pub(crate) async fn seal(&self, base_offset: i64) -> Result<(), StoreError> {
        self.stop_extending(base_offset).await;
        let file = self.segment_file(base_offset).await?;
        let end = match self.state.borrow().segment(base_offset) {
            Some(segment) => segment.end_position,
            None => return Ok(()),
        };
        let failed = || StoreError::io("sealing", file.path());
        file.set_len(end).await.map_err(failed())?;
        file.sync_all().await.map_err(failed())?;
        self.write_indexes(base_offset).await?;
        if let Some(segment) = self.state.borrow_mut().segment_mut(base_offset) {
            segment.file_size_bytes = end;
            segment.synced_position = end;
            segment.needs_flush = false;
            segment.own_writes.synced = segment.own_writes.last;
            segment.allocated_until = 0;
            segment.is_synced = true;
            segment.index = None;
            segment.held.clear();
        }
        self.put_to_rest(base_offset);
        Ok(())
    }

    /// Appends the index entries that the files do not hold yet, and syncs them.
    pub(crate) async fn write_indexes(&self, base_offset: i64) -> Result<(), StoreError> {
        let (offsets, times, written) = {
            let state = self.state.borrow();
            let Some(segment) = state.segment(base_offset) else {
                return Ok(());
            };
            let Some(index) = &segment.index else {
                return Ok(());
            };
            let written = (index.offsets_written, index.times_written);
            let offsets = index.offsets.encode_from(written.0);
            (offsets, index.times.encode_from(written.1), written)
        };
        let offset_count = offsets.len() / OFFSET_INDEX_ENTRY_SIZE_BYTES;
        let time_count = times.len() / TIME_INDEX_ENTRY_SIZE_BYTES;
        let files = [
            (
                INDEX_SUFFIX,
                written.0 * OFFSET_INDEX_ENTRY_SIZE_BYTES,
                offsets,
            ),
            (
                TIME_INDEX_SUFFIX,
                written.1 * TIME_INDEX_ENTRY_SIZE_BYTES,
                times,
            ),
        ];
        let has_new_txns = self.write_txns(base_offset).await?;
        let is_new = has_new_txns || written.0 == 0 || written.1 == 0;
        let news = files
            .into_iter()
            .filter(|(_, position, bytes)| !bytes.is_empty() || *position == 0);
        let writes = news.map(|(suffix, position, bytes)| {
            self.write_index(base_offset, suffix, position as u64, bytes)
        });
        run_all(writes, DERIVED_FILES_IN_FLIGHT_MAX).await?;
        if is_new {
            let synced = fs::sync_dir(&self.directory).await;
            synced.map_err(StoreError::io("syncing", &self.directory))?;
        }
        if let Some(segment) = self.state.borrow_mut().segment_mut(base_offset)
            && let Some(index) = &mut segment.index
        {
            index.offsets_written = index.offsets_written.max(written.0 + offset_count);
            index.times_written = index.times_written.max(written.1 + time_count);
        }
        Ok(())
    }

    /// The same for the transaction index, which has a file only when it has entries. Returns
    /// whether a name came or went.
    async fn write_txns(&self, base_offset: i64) -> Result<bool, StoreError> {
        let (written, bytes, has_file) = {
            let state = self.state.borrow();
            let Some(segment) = state.segment(base_offset) else {
                return Ok(false);
            };
            let Some(index) = &segment.index else {
                return Ok(false);
            };
            let written = index.txns_written;
            (
                written,
                index.txns.encode_from(written),
                segment.has_txn_file,
            )
        };
        let is_stale = has_file && written == 0;
        if bytes.is_empty() && !is_stale {
            return Ok(false);
        }
        let count = bytes.len() / TXN_INDEX_ENTRY_SIZE_BYTES;
        if count > 0 {
            let position = (written * TXN_INDEX_ENTRY_SIZE_BYTES) as u64;
            self.write_index(base_offset, TXN_INDEX_SUFFIX, position, bytes)
                .await?;
        } else {
            let path = segment_file(&self.directory, base_offset, TXN_INDEX_SUFFIX);
            match fs::remove_file(&path).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("removing", &path)(error));
                }
                _ => {}
            }
        }
        if let Some(segment) = self.state.borrow_mut().segment_mut(base_offset)
            && let Some(index) = &mut segment.index
        {
            segment.has_txn_file = count > 0;
            index.txns_written = index.txns_written.max(written + count);
        }
        Ok(has_file != (count > 0))
    }

    async fn write_index(
        &self,
        base_offset: i64,
        suffix: &str,
        position: u64,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let path = segment_file(&self.directory, base_offset, suffix);
        let failed = || StoreError::io("writing", path.clone());
        let file = File::open(&path, OpenOptions::writing())
            .await
            .map_err(failed())?;
        let end = position + bytes.len() as u64;
        file.write_at(position, [Slice::from_vec(bytes)], WriteMode::Plain)
            .await
            .map_err(failed())?;
        // What an earlier life of the file left behind the end would be read as entries.
        file.set_len(end).await.map_err(failed())?;
        file.sync_all().await.map_err(failed())
    }

    /// Writes `leader-epoch-checkpoint` when an epoch is new.
    pub(crate) async fn write_epochs(&self) -> Result<(), StoreError> {
        let text = {
            let mut state = self.state.borrow_mut();
            if std::mem::replace(&mut state.epochs_written, true) {
                return Ok(());
            }
            state.epochs.encode()
        };
        let path = self.directory.join(LEADER_EPOCH_CHECKPOINT);
        let written = fs::write_file_atomic(&path, text.into_bytes()).await;
        written.map_err(StoreError::io("writing", &path))
    }

    fn next_snapshot(&self) -> Option<(i64, Vec<u8>)> {
        self.state.borrow().snapshots.first().cloned()
    }

    /// Writes the producer snapshots that were taken; the one at the end of a segment that is wholly
    /// in its file is kept with it. Those that no segment begins at are removed by the next start.
    pub(crate) async fn write_snapshots(&self) -> Result<(), StoreError> {
        // Each stays queued until it is written: on a full disk they are tried again.
        while let Some((offset, bytes)) = self.next_snapshot() {
            let path = segment_file(&self.directory, offset, SNAPSHOT_SUFFIX);
            let written = fs::write_file_atomic(&path, bytes).await;
            written.map_err(StoreError::io("writing", &path))?;
            let snapshots = &mut self.state.borrow_mut().snapshots;
            snapshots.retain(|&(taken_at, _)| taken_at != offset);
        }
        Ok(())
    }
}
