//! A log's beginning: the start offset moves, whole segments below it go, by DeleteRecords or by
//! retention.
//!
//! The move is in the journal before any file is removed: a start that finds a unit of a removed
//! segment described knows that nobody misses it.

use engine_base::Timestamp;
use engine_runtime::wall_clock_ms;

use crate::error::StoreError;
use crate::layout::SNAPSHOT_SUFFIX;
use crate::log::{Control, Log, LogInner};
use crate::retention::{ClockWatch, RetentionInput, RetentionRules, SegmentAge, plan_retention};
use crate::segment_files::remove_segment_file;

/// What a maintenance pass needs to know, and what it learns about the clock.
#[derive(Debug, Default)]
pub struct Maintenance {
    clock: ClockWatch,
}

/// One pass over a store's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintenancePass {
    now_ms: Timestamp,
    is_clock_trusted: bool,
}

impl Maintenance {
    /// Begins a pass: looks at both clocks.
    pub fn begin(&mut self) -> MaintenancePass {
        let now_ms = wall_clock_ms();
        let is_clock_trusted = self.clock.observe(now_ms, engine_runtime::now());
        MaintenancePass {
            now_ms,
            is_clock_trusted,
        }
    }
}

impl Log {
    /// Moves the start offset to `offset` (no further than what is kept, never back) and removes
    /// the segments below it. Returns the start offset, which is kept when this returns.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn trim_before(&self, offset: i64) -> Result<i64, StoreError> {
        let log = &self.inner;
        let start_offset = {
            let state = &mut *log.state.borrow_mut();
            let start_offset = offset
                .min(state.committed_end_offset)
                .max(state.start_offset);
            if start_offset == state.start_offset {
                return Ok(start_offset);
            }
            state.start_offset = start_offset;
            state.epochs_written &= !state.epochs.truncate_start(start_offset);
            state.producers.on_log_start_offset(start_offset);
            start_offset
        };
        log.commit_control(Control::Trimmed { start_offset })
            .await?;
        log.remove_below_start().await?;
        Ok(start_offset)
    }

    /// Drops what retention says, expires producers. `high_watermark` is the partition's: nothing
    /// above it goes.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn maintain(
        &self,
        pass: MaintenancePass,
        high_watermark: i64,
    ) -> Result<(), StoreError> {
        let log = &self.inner;
        let new_start = {
            let state = &mut *log.state.borrow_mut();
            if state.is_deleted || state.is_frozen {
                return Ok(());
            }
            let expiration_ms = state.config.producer_id_expiration_ms;
            state.producers.expire(pass.now_ms, expiration_ms);
            let segments: Vec<SegmentAge> = state.segments.iter().map(age_of).collect();
            let input = RetentionInput {
                segments: &segments,
                log_start_offset: state.start_offset,
                log_end_offset: state.end_offset,
                high_watermark: high_watermark.min(state.committed_end_offset),
                now_ms: pass.now_ms,
                is_clock_trusted: pass.is_clock_trusted,
            };
            let rules = RetentionRules {
                retention_ms: state.config.retention_ms,
                retention_bytes: state.config.retention_bytes,
                is_deleting: state.config.is_deleting,
            };
            let plan = plan_retention(&input, &rules);
            if plan.takes_active {
                log.roll(state, pass.now_ms);
            }
            if let (Some(offset), Some(reason)) = (plan.log_start_offset, plan.reason) {
                let (name, count) = (&log.name, plan.segments);
                let plural = if count == 1 { "" } else { "s" };
                tracing::info!(
                    "{name}: {reason} takes {count} segment{plural}, the log starts at {offset}"
                );
            }
            plan.log_start_offset
        };
        if let Some(offset) = new_start {
            self.trim_before(offset).await?;
        }
        // Also segments that were not synced when the start moved.
        log.remove_below_start().await
    }
}

fn age_of(segment: &crate::segment::Segment) -> SegmentAge {
    let (timestamp, _) = segment.max_timestamp;
    SegmentAge {
        base_offset: segment.base_offset,
        size_bytes: segment.end_position,
        max_timestamp: (timestamp >= 0).then_some(timestamp),
        modified_ms: segment.modified_ms,
    }
}

impl LogInner {
    /// Queues a statement and waits until it is committed.
    pub(crate) async fn commit_control(&self, control: Control) -> Result<(), StoreError> {
        let ticket = {
            let mut state = self.state.borrow_mut();
            state.controls.push_back(control);
            state.controls_queued += 1;
            state.controls_queued
        };
        self.shared.mark_dirty(self);
        loop {
            if self.shared.is_failed() {
                return Err(StoreError::Failed);
            }
            {
                let state = self.state.borrow();
                if state.controls_committed >= ticket || state.is_deleted {
                    return Ok(());
                }
            }
            self.shared.progress.wait().await;
        }
    }

    /// Removes synced segments that lie wholly below the start offset.
    async fn remove_below_start(&self) -> Result<(), StoreError> {
        let mut removed = Vec::new();
        {
            let state = &mut *self.state.borrow_mut();
            while let [first, second, ..] = state.segments.make_contiguous()
                && second.base_offset <= state.start_offset
                && first.is_synced
                && !first.is_writing
            {
                let mut first = state.segments.pop_front().expect("there are two");
                removed.push((first.base_offset, self.give_up_file(&mut first)));
            }
        }
        if removed.is_empty() {
            return Ok(());
        }
        let is_removed = |base: i64| removed.iter().any(|&(found, _)| found == base);
        self.shared
            .pages
            .borrow_mut()
            .remove_where(|key| key.log == self.key && is_removed(key.segment_base));
        for (base_offset, reusable_bytes) in removed {
            self.shared.forget_segment((self.key, base_offset));
            self.retire_segment_files(base_offset, reusable_bytes)
                .await?;
            remove_segment_file(&self.directory, base_offset, SNAPSHOT_SUFFIX).await?;
        }
        // Whoever seals a segment writes the same file.
        self.lock_derived().await;
        let written = self.write_epochs().await;
        self.unlock_derived();
        written
    }
}
