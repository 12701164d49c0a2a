//! The background loop of a shard: small units leave the journal for their segments in large
//! writes, journal files are set free, tails stay within their memory.
//!
//! One round sets every journal file free but the one that is written to: what they describe is
//! behind one flush. Commits wait for it when they are far ahead (`journal_room.rs`), so it does
//! nothing that can be done elsewhere: what is derived is synced by another loop ([`crate::derive`]).
//!
//! Runs beside the commit loop on the same core. It writes segments only where the commit loop
//! does not (one writer for each segment), and moves the journal's tail only over what is flushed.

use std::rc::Rc;

use crate::error::StoreError;
use crate::limits::{LOGS_IN_FLIGHT_MAX, SPACE_RETRY_AFTER};
use crate::log::LogInner;
use crate::shared::{Condition, Shared};
use crate::write::{cut_into_pieces, run_all, write_all};

/// Runs until the store closes or fails.
pub(crate) async fn run(shared: Rc<Shared>) {
    loop {
        if shared.is_failed() {
            break;
        }
        if shared.condition.get() == Condition::Closing {
            match crate::close::finish(&shared).await {
                Ok(()) => {}
                // The journal stays, and the next start recovers: nothing is lost.
                Err(error) if error.is_disk_full() => {}
                Err(error) => shared.fail(&error),
            }
            break;
        }
        match work(&shared).await {
            Ok(true) => {}
            Ok(false) => shared.background_wake.wait().await,
            Err(error) if error.is_disk_full() => {
                shared.enter_disk_full();
                engine_runtime::sleep(SPACE_RETRY_AFTER).await;
            }
            Err(error) => {
                shared.fail(&error);
                break;
            }
        }
    }
    shared.is_background_done.set(true);
    shared.commit_wake.notify_one();
    shared.progress.notify_all();
}

/// Does one round of what there is to do; `false` when there was nothing.
pub(crate) async fn work(shared: &Rc<Shared>) -> Result<bool, StoreError> {
    let asked = take_asked(shared);
    let has_asked = !asked.is_empty();
    destage_logs(&asked).await?;
    for log in &asked {
        shared.mark_for_seal(log);
    }
    let newest = shared.journal_file();
    let has_older = newest > shared.releasable_tail.get();
    if has_older {
        set_free(shared, newest).await?;
    }
    let evicted = evict(shared);
    Ok(has_asked || has_older || evicted)
}

fn take_asked(shared: &Shared) -> Vec<Rc<LogInner>> {
    let keys: Vec<u32> = shared.destage.borrow_mut().drain(..).collect();
    let logs = keys.into_iter().filter_map(|key| shared.log(key));
    logs.inspect(|log| log.wants_destage.set(false)).collect()
}

pub(crate) async fn destage_logs(logs: &[Rc<LogInner>]) -> Result<(), StoreError> {
    run_all(logs.iter().map(|log| log.destage()), LOGS_IN_FLIGHT_MAX).await
}

/// Makes every journal file before the one that begins with sequence `next` superfluous.
async fn set_free(shared: &Rc<Shared>, next: u64) -> Result<(), StoreError> {
    let begun = engine_runtime::now();
    // From here on nobody counts on those files to hold a block.
    shared.image_tail.set(next);
    let is_pinning = |log: &Rc<LogInner>| {
        let state = log.state.borrow();
        let mut files = state
            .segments
            .iter()
            .filter_map(|segment| segment.pinned_file);
        files.any(|file| file < next)
    };
    let pinning: Vec<_> = shared.logs().into_iter().filter(is_pinning).collect();
    destage_logs(&pinning).await?;
    refresh_images(shared, next).await?;
    await_writes(shared).await;
    flush_segments(shared).await?;
    shared.releasable_tail.set(next);
    shared.commit_wake.notify_one();
    tracing::debug!(
        "journal entries below {next} were set free in {} ms",
        engine_runtime::now().since(begun).as_millis()
    );
    Ok(())
}

/// Waits for the segment writes that are under way. One that began while the older files still held
/// its first block is torn by a power cut as long as no flush covers it: the flush must come behind.
async fn await_writes(shared: &Rc<Shared>) {
    for log in shared.logs() {
        let written: Vec<i64> = {
            let state = log.state.borrow();
            let segments = state.segments.iter().filter(|segment| segment.is_writing);
            segments.map(|segment| segment.base_offset).collect()
        };
        for segment_base in written {
            log.lock_segment(segment_base).await;
            log.unlock_segment(segment_base);
        }
    }
}

/// Bytes that wait in newer journal files were appended behind a block that only the older files
/// hold: recovery would have to rewrite it unguarded. The commit loop holds it anew first.
async fn refresh_images(shared: &Rc<Shared>, next: u64) -> Result<(), StoreError> {
    for log in shared.logs() {
        let misses = |log: &LogInner| {
            let state = log.state.borrow();
            let missing = state.segments.iter().find(|segment| {
                segment.pinned_bytes() > 0
                    && !segment.held.allows_rewrite(segment.destaged_position, next)
            });
            missing.map(|segment| segment.base_offset)
        };
        // One round of destaging leaves nothing pinned in most logs; what arrived meanwhile is in
        // the newest file, and so is the image that is asked for.
        while shared.config.guards.tail_image()
            && let Some(segment_base) = misses(&log)
        {
            if shared.is_failed() {
                return Err(StoreError::Failed);
            }
            if log.state.borrow().is_deleted {
                break;
            }
            log.ask_for_image(segment_base).await;
        }
    }
    Ok(())
}

/// Makes every segment write that completed so far durable.
pub(crate) async fn flush_segments(shared: &Rc<Shared>) -> Result<(), StoreError> {
    let logs = shared.logs();
    run_all(
        logs.iter().map(|log| log.sync_own_writes()),
        LOGS_IN_FLIGHT_MAX,
    )
    .await?;
    let mut files = Vec::new();
    for log in logs {
        for segment in &mut log.state.borrow_mut().segments {
            if std::mem::take(&mut segment.needs_flush) {
                files.extend(segment.file.clone());
            }
        }
    }
    if shared.syncs_each_file {
        let directory = &shared.config.directory;
        let syncs = files
            .iter()
            .map(|file| async move { file.sync_data().await });
        let synced = run_all(syncs, LOGS_IN_FLIGHT_MAX).await;
        return synced.map_err(StoreError::io("syncing segments in", directory));
    }
    // The journal's next durable entry flushes the device.
    let ticket = shared.flush_wanted.get() + 1;
    shared.flush_wanted.set(ticket);
    shared.commit_wake.notify_one();
    while shared.flush_done.get() < ticket {
        if shared.is_failed() {
            return Err(StoreError::Failed);
        }
        shared.progress.wait().await;
    }
    Ok(())
}

/// Gives memory of tails back, oldest first; pinned chunks are asked to be destaged. `true` when
/// something will change.
fn evict(shared: &Shared) -> bool {
    let mut is_asked = false;
    for _ in 0..shared.chunks.count() {
        if !shared.chunks.is_over_budget() {
            break;
        }
        let Some(key) = shared.chunks.oldest() else {
            break;
        };
        let Some(log) = shared.log(key.log) else {
            continue;
        };
        let outcome = {
            let state = &mut *log.state.borrow_mut();
            let pinned_from = state.pinned_from();
            state.tail.evict(key, pinned_from)
        };
        if outcome == engine_cache::Eviction::Pinned {
            shared.chunks.keep(key);
            let is_destageable = log
                .state
                .borrow()
                .segments
                .iter()
                .any(|segment| segment.pinned_bytes() > 0);
            if is_destageable && !log.wants_destage.replace(true) {
                shared.destage.borrow_mut().push_back(log.key);
                is_asked = true;
            }
        }
    }
    is_asked
}

impl LogInner {
    /// Writes every committed byte to its segment.
    pub(crate) async fn destage(&self) -> Result<(), StoreError> {
        loop {
            let next = {
                let state = self.state.borrow();
                let pinned = state
                    .segments
                    .iter()
                    .find(|segment| segment.pinned_bytes() > 0);
                pinned
                    .filter(|_| !state.is_deleted)
                    .map(|segment| segment.base_offset)
            };
            let Some(segment_base) = next else {
                return Ok(());
            };
            self.destage_segment(segment_base).await?;
        }
    }

    async fn destage_segment(&self, segment_base: i64) -> Result<(), StoreError> {
        loop {
            self.lock_segment(segment_base).await;
            if crate::part::missing_image(self, &self.state.borrow(), segment_base).is_none() {
                break;
            }
            self.unlock_segment(segment_base);
            self.ask_for_image(segment_base).await;
            if self.shared.is_failed() {
                return Err(StoreError::Failed);
            }
        }
        let written = self.write_pinned(segment_base).await;
        self.unlock_segment(segment_base);
        written
    }

    /// The pinned bytes of a segment that the caller has locked.
    async fn write_pinned(&self, segment_base: i64) -> Result<(), StoreError> {
        // Before any wait: what is committed behind `end` meanwhile is in this file or a later one.
        let file_then = self.shared.journal_file();
        let end = match self.state.borrow().segment(segment_base) {
            Some(segment) => segment.committed_position,
            None => return Ok(()),
        };
        let file = self.ensure_space(segment_base, end).await?;
        let mut pieces = Vec::new();
        {
            let state = self.state.borrow();
            let Some(segment) = state.segment(segment_base) else {
                return Ok(());
            };
            if segment.destaged_position >= end || state.is_deleted {
                return Ok(());
            }
            let range = segment.destaged_position..end;
            let (position, slices) = state.tail.blocks(segment_base, range);
            self.guard_end_of_data(segment, &file, end, &mut pieces);
            cut_into_pieces(&file, position, slices, &mut pieces);
        }
        write_all(pieces)
            .await
            .map_err(StoreError::io("writing", file.path()))?;
        let state = &mut *self.state.borrow_mut();
        if let Some(segment) = state.segment_mut(segment_base) {
            let start = std::mem::replace(&mut segment.destaged_position, end);
            let is_rest = segment.committed_position > end;
            segment.pinned_file = is_rest.then_some(file_then);
            state.on_written(segment_base, start, false);
        }
        Ok(())
    }

    /// Waits until the commit loop has put the image of the block at the segment's destaged end
    /// into the journal.
    async fn ask_for_image(&self, segment_base: i64) {
        self.state.borrow_mut().wants_image = Some(segment_base);
        self.shared.mark_dirty(self);
        // It may be queued for a commit that waits: the image goes past that.
        self.shared.commit_wake.notify_one();
        let is_waiting = || {
            let state = self.state.borrow();
            !state.is_deleted && state.wants_image.is_some()
        };
        while !self.shared.is_failed() && is_waiting() {
            self.shared.progress.wait().await;
        }
    }
}
