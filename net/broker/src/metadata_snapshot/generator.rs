//! Makes snapshots while the broker runs, and removes what is behind the oldest that stays.
//!
//! A background task of shard 0 that works in steps of a batch. It reads published images only, so
//! it holds up nothing and nothing changes under it. A snapshot that cannot be written is said and
//! tried again when the next one is due: the log holds everything until then.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use engine_base::Instant;
use engine_runtime::{
    JoinHandle, Notify, now, race, sleep_until, spawn_maintenance, timeout, wall_clock_ms,
};
use replication_metadata::{
    MetadataImage, QuorumRecords, SnapshotHead, SnapshotId, SnapshotReason, SnapshotRetention,
    SnapshotSchedule, SnapshotWriter, image_records,
};
use replication_partition::Partition;

use super::files::{SnapshotFiles, WriteError};
use crate::config::MetadataLogConfig;

/// How often Kafka looks for snapshots that are too old or too many.
const CLEANING_INTERVAL: Duration = Duration::from_secs(60);

/// How long the work of a moment may take when the broker stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// What the task and those who feed it share.
pub(crate) struct SnapshotGenerator {
    schedule: RefCell<SnapshotSchedule>,
    retention: SnapshotRetention,
    wake: Notify,
    task: Cell<Option<JoinHandle<()>>>,
    is_stopping: Cell<bool>,
}

/// What a snapshot is made of; `None` while the log is inside of a transaction.
pub(crate) type Source = Option<(MetadataImage, QuorumRecords)>;

impl SnapshotGenerator {
    /// A generator that does nothing yet; the start has replayed so many bytes behind the newest
    /// snapshot.
    pub(crate) fn new(config: &MetadataLogConfig, replayed_size_bytes: u64) -> Self {
        let bytes_max = config.snapshot_record_size_bytes_max;
        let mut schedule = SnapshotSchedule::new(bytes_max, config.snapshot_interval, now());
        schedule.on_applied(replayed_size_bytes);
        Self {
            schedule: RefCell::new(schedule),
            retention: SnapshotRetention {
                bytes: config.retention_bytes,
                ms: config.retention_ms,
            },
            wake: Notify::new(),
            task: Cell::new(None),
            is_stopping: Cell::new(false),
        }
    }

    /// Begins to work.
    pub(crate) fn start(
        self: &Rc<Self>,
        files: SnapshotFiles,
        partition: Rc<Partition>,
        source: impl Fn() -> Source + 'static,
    ) {
        let worker = Worker {
            generator: self.clone(),
            files,
            partition,
        };
        let task = spawn_maintenance(worker.work_for_ever(source));
        self.task.set(Some(task));
    }

    /// Batches of the log were applied, and the image that holds them is published.
    pub(crate) fn on_published(&self, size_bytes: u64) {
        self.schedule.borrow_mut().on_applied(size_bytes);
        self.wake.notify_all();
    }

    /// Ends soon: a snapshot that is being written is given up. The log is left alone when this
    /// returns.
    pub(crate) async fn stop(&self) {
        self.is_stopping.set(true);
        self.wake.notify_all();
        if let Some(mut task) = self.task.take()
            && timeout(STOP_TIME_MAX, &mut task).await.is_err()
        {
            tracing::warn!("a metadata snapshot does not end and is cut off");
            task.cancel();
        }
    }
}

struct Worker {
    generator: Rc<SnapshotGenerator>,
    files: SnapshotFiles,
    partition: Rc<Partition>,
}

impl Worker {
    async fn work_for_ever(mut self, source: impl Fn() -> Source) {
        let mut clean_at = now() + CLEANING_INTERVAL;
        while !self.generator.is_stopping.get() {
            let reason = self.generator.schedule.borrow().reason(now());
            if let Some(reason) = reason {
                self.generator.schedule.borrow_mut().on_begun(now());
                if let Some((image, quorum)) = source() {
                    self.make(reason, &image, &quorum).await;
                    clean_at = now();
                }
            }
            if now() >= clean_at {
                self.clean().await;
                clean_at = now() + CLEANING_INTERVAL;
            }
            self.wait(clean_at).await;
        }
    }

    /// Until something may be due, or the work is over.
    async fn wait(&self, clean_at: Instant) {
        if self.generator.is_stopping.get() {
            return; // it was said while something else was waited for
        }
        let due_at = self.generator.schedule.borrow().due_at();
        let wake_at = due_at.map_or(clean_at, |due_at| due_at.min(clean_at));
        race(sleep_until(wake_at), self.generator.wake.wait()).await;
    }

    async fn make(
        &mut self,
        reason: SnapshotReason,
        image: &MetadataImage,
        quorum: &QuorumRecords,
    ) {
        let provenance = image.provenance();
        let id = SnapshotId {
            end_offset: provenance.offset + 1,
            epoch: provenance.epoch,
        };
        let Some(metadata_version) = image.features().metadata_version() else {
            return;
        };
        if self.files.newest().is_some_and(|newest| newest >= id) {
            return;
        }
        let head = SnapshotHead {
            id,
            last_contained_log_timestamp: provenance.timestamp,
            kraft_version: quorum.kraft_version,
            voters: quorum.voters.clone(),
        };
        let records = image_records(image);
        let writer = SnapshotWriter::new(head, records, metadata_version, wall_clock_ms());
        let generator = self.generator.clone();
        let goes_on = move || !generator.is_stopping.get();
        let written = self.files.write(id, provenance.timestamp, writer, goes_on);
        match written.await {
            Ok(file) => tracing::info!(
                "wrote the metadata snapshot {} of {} bytes, because {}",
                id.file_name(),
                file.size_bytes,
                words_for(reason)
            ),
            Err(WriteError::GivenUp) => {}
            Err(error) => tracing::error!(
                "the metadata snapshot {} cannot be written: {error}; the log is kept, and the \
                 next snapshot will be tried in time",
                id.file_name()
            ),
        }
    }

    /// Removes the oldest snapshots while the rules say so, each when the log begins behind it.
    async fn clean(&mut self) {
        while !self.generator.is_stopping.get() {
            let snapshots = self.files.list();
            let log = self.partition.log();
            let rules = self.generator.retention;
            let Some(reason) = rules.oldest_goes(&snapshots, log.size_bytes(), wall_clock_ms())
            else {
                return;
            };
            let (oldest, next) = (snapshots[0].id, snapshots[1].id);
            // The log's start is kept before the snapshot goes that knows what was before it.
            if let Err(error) = log.trim_before(next.end_offset).await {
                tracing::error!("the metadata log cannot begin at {next:?}: {error}");
                return;
            }
            if let Err(error) = self.files.remove(oldest).await {
                let path = self.files.path(oldest);
                tracing::error!("{} cannot be removed: {error}", path.display());
                return;
            }
            tracing::info!(
                "the metadata log begins at offset {}, the snapshot {} is gone ({reason:?})",
                log.log_start_offset(),
                oldest.file_name()
            );
        }
    }
}

fn words_for(reason: SnapshotReason) -> String {
    match reason {
        SnapshotReason::Bytes(size_bytes) => format!("{size_bytes} bytes of the log were applied"),
        SnapshotReason::Time(waited) => format!("{} s have passed", waited.as_secs()),
    }
}
