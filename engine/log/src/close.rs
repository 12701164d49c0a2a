//! A clean stop: every log in its segments with exact lengths, everything derived written, the
//! journal void. Afterwards the directory is Kafka's as much as ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use engine_journal::void_files;
use engine_runtime::fs;

use crate::destage::destage_logs;
use crate::error::StoreError;
use crate::layout::{
    LOG_START_OFFSET_CHECKPOINT, RECOVERY_POINT_CHECKPOINT, REPLICATION_OFFSET_CHECKPOINT,
    parse_partition_folder,
};
use crate::limits::LOGS_IN_FLIGHT_MAX;
use crate::log::LogInner;
use crate::pool::remove_pool_files;
use crate::recovery::{write_clean_file, write_offsets};
use crate::shared::{Condition, Shared};
use crate::store::{LogStore, journal_error};
use crate::write::run_all;

/// A store whose logs are complete in their folders; its journal waits to be voided.
#[derive(Debug)]
pub struct ClosedStore {
    directory: PathBuf,
    shard: u16,
    journal_files: Vec<PathBuf>,
    logs: Vec<ClosedLog>,
}

#[derive(Debug)]
struct ClosedLog {
    name: String,
    start_offset: i64,
    end_offset: i64,
}

impl LogStore {
    /// Ends the commit loop when everything accepted is committed, and brings every log into its
    /// folder. [`complete_clean_stop`] finishes, once all shards have closed.
    ///
    /// # Errors
    /// The disk refused; the journal stays, and the next start recovers.
    pub async fn close(&self) -> Result<ClosedStore, StoreError> {
        let shared = &self.shared;
        if !shared.is_failed() {
            shared.condition.set(Condition::Closing);
        }
        // What a full disk kept waiting is tried once more, with all the space there is.
        for log in shared.logs() {
            if !log.state.borrow().pending.is_empty() {
                shared.mark_dirty(&log);
            }
        }
        shared.commit_wake.notify_one();
        shared.background_wake.notify_one();
        shared.derive_wake.notify_one();
        shared.progress.notify_all();
        // Also when the loop has not come to run yet, and something waits for it.
        let is_waiting = || {
            let logs = shared.logs();
            let is_quiet = logs.iter().all(|log| log.state.borrow().is_quiet());
            self.journal.borrow().is_none() || !(is_quiet || shared.is_background_done.get())
        };
        while !shared.is_failed() && is_waiting() {
            shared.progress.wait().await;
        }
        while self.journal.borrow().is_none() {
            shared.progress.wait().await;
        }
        if shared.is_out_of_space.get() {
            return Err(StoreError::DiskFull);
        }
        if shared.is_failed() {
            return Err(StoreError::Failed);
        }
        let logs = shared.logs();
        if logs.iter().any(|log| !log.is_in_its_segments()) {
            return Err(StoreError::DiskFull);
        }
        run_all(logs.iter().map(|log| log.close()), LOGS_IN_FLIGHT_MAX).await?;
        let journal = self.journal.borrow_mut().take().expect("it was just seen");
        Ok(ClosedStore {
            directory: shared.config.directory.clone(),
            shard: shared.config.shard.0,
            journal_files: journal.into_paths(),
            logs: logs.iter().map(closed).collect(),
        })
    }
}

fn closed(log: &Rc<LogInner>) -> ClosedLog {
    let state = log.state.borrow();
    ClosedLog {
        name: log.name.clone(),
        start_offset: state.start_offset,
        end_offset: state.committed_end_offset,
    }
}

/// What the background loop does last, while commits still run: everything accepted is committed
/// and in its segment.
pub(crate) async fn finish(shared: &Rc<Shared>) -> Result<(), StoreError> {
    loop {
        if shared.is_failed() {
            return Err(StoreError::Failed);
        }
        let logs = shared.logs();
        if logs.iter().all(|log| log.state.borrow().is_quiet()) {
            destage_logs(&logs).await?;
            run_all(
                logs.iter().map(|log| log.sync_derived()),
                LOGS_IN_FLIGHT_MAX,
            )
            .await?;
            if logs.iter().all(|log| log.is_in_its_segments()) {
                return Ok(());
            }
        } else if !crate::destage::work(shared).await? {
            // What is accepted may need journal files that only this loop sets free.
            shared.progress.wait().await;
        }
    }
}

/// After all stores of a directory were closed: checkpoints in Kafka's formats, journals void,
/// `.kafka_cleanshutdown` last. `high_watermarks` are what the partitions' leaders last knew.
///
/// # Errors
/// The disk refused; the next start recovers.
pub async fn complete_clean_stop(
    directory: &Path,
    stores: Vec<ClosedStore>,
    high_watermarks: &[(String, i32, i64)],
    broker_epoch: Option<i64>,
) -> Result<(), StoreError> {
    let mut ends = BTreeMap::new();
    let mut starts = BTreeMap::new();
    for log in stores.iter().flat_map(|store| &store.logs) {
        if let Some((topic, partition)) = parse_partition_folder(&log.name) {
            ends.insert((topic.to_owned(), partition), log.end_offset);
            starts.insert((topic.to_owned(), partition), log.start_offset);
        }
    }
    let watermarks = high_watermarks.iter();
    let watermarks = watermarks
        .map(|(topic, partition, offset)| ((topic.clone(), *partition), *offset))
        .collect();
    write_offsets(&directory.join(RECOVERY_POINT_CHECKPOINT), &ends).await?;
    write_offsets(&directory.join(LOG_START_OFFSET_CHECKPOINT), &starts).await?;
    write_offsets(&directory.join(REPLICATION_OFFSET_CHECKPOINT), &watermarks).await?;
    fs::sync_filesystem(directory)
        .await
        .map_err(StoreError::io("syncing", directory))?;
    for store in stores {
        assert_eq!(store.directory, directory);
        let name = format!("shard-{}", store.shard);
        void_files(directory, &name, &store.journal_files)
            .await
            .map_err(journal_error)?;
    }
    remove_pool_files(directory).await?;
    write_clean_file(directory, broker_epoch).await
}

impl LogInner {
    /// Whether every committed byte is in its segment.
    fn is_in_its_segments(&self) -> bool {
        let state = self.state.borrow();
        state.is_deleted
            || state
                .segments
                .iter()
                .all(|segment| segment.pinned_bytes() == 0)
    }

    /// Exact length, whole indexes, a producer snapshot at the end.
    async fn close(&self) -> Result<(), StoreError> {
        let (base_offset, is_touched) = {
            let state = &mut *self.state.borrow_mut();
            state.is_frozen = true;
            // What the full disk kept from being committed was never kept.
            let end_offset = state.committed_end_offset;
            state
                .segments
                .retain(|segment| segment.base_offset <= end_offset);
            state.end_offset = end_offset;
            let active = state.active_mut();
            active.end_position = active.committed_position;
            if let Some(index) = &mut active.index {
                index.offsets.truncate_at(active.committed_position);
                index.times.truncate_at(end_offset);
                index.txns.truncate_to(end_offset);
                if index.txns_written > index.txns.len() {
                    index.txns_written = 0; // the whole file anew
                }
                let (timestamp, offset) = active.max_timestamp;
                if offset < end_offset {
                    index.times.maybe_push(timestamp, offset);
                }
            }
            (active.base_offset, state.is_introduced && !state.is_deleted)
        };
        if !is_touched {
            return Ok(());
        }
        self.lock_derived().await;
        self.sync_sealed_locked().await?;
        self.state.borrow_mut().take_snapshot();
        self.write_epochs().await?;
        self.write_snapshots().await?;
        let is_created = self
            .state
            .borrow()
            .segment(base_offset)
            .is_some_and(|segment| segment.is_created);
        if !is_created {
            self.created_file(base_offset).await?;
        }
        self.seal(base_offset).await
    }
}
