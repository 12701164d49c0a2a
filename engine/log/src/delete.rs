//! A log leaves its store: it is deleted, or set aside because nobody knows its topic.
//!
//! On the shard's core, beside the commit and background loops, which let go of the log first. The
//! folder gets another name, durably, before its bytes go; what a crash leaves of a deletion is
//! removed by the next start.

use std::path::PathBuf;
use std::rc::Rc;

use engine_base::Uuid;
use engine_runtime::fs;

use crate::error::StoreError;
use crate::layout::{self, DELETED_FOLDER_SUFFIX, STRAY_FOLDER_SUFFIX};
use crate::log::{Log, LogInner};
use crate::store::LogStore;

impl LogStore {
    /// Deletes a log: its folder is renamed before this returns and removed in the background.
    /// What was appended and not committed is dropped.
    ///
    /// # Errors
    /// The folder cannot be renamed.
    pub async fn delete_log(&self, log: &Log) -> Result<(), StoreError> {
        let inner = &log.inner;
        self.let_go(inner).await;
        let files: Vec<(i64, u64)> = {
            let segments = &mut inner.state.borrow_mut().segments;
            let segments = segments.iter_mut();
            segments
                .map(|segment| (segment.base_offset, inner.give_up_file(segment)))
                .collect()
        };
        self.forget(inner);
        let target = self.rename_folder(inner, DELETED_FOLDER_SUFFIX).await?;
        let shared = Rc::clone(&self.shared);
        engine_runtime::spawn_maintenance(async move {
            for (base_offset, reusable_bytes) in files {
                let path = layout::segment_file(&target, base_offset, layout::LOG_SUFFIX);
                if let Err(error) = shared.retire_file(&path, reusable_bytes).await {
                    tracing::warn!("{error}");
                }
            }
            if let Err(error) = fs::remove_dir_all(&target).await {
                tracing::warn!("removing {} failed: {error}", target.display());
            }
        })
        .detach();
        Ok(())
    }

    /// Gives the folder of a log that was just opened the name that Kafka gives to strays, which no
    /// start looks into, and returns it. Nothing in it is changed: an operator may want it back.
    ///
    /// # Errors
    /// The folder cannot be renamed.
    pub async fn set_aside_log(&self, log: &Log) -> Result<PathBuf, StoreError> {
        let inner = &log.inner;
        self.let_go(inner).await;
        self.forget(inner);
        self.rename_folder(inner, STRAY_FOLDER_SUFFIX).await
    }

    /// Ends everything that goes on in the log.
    async fn let_go(&self, inner: &LogInner) {
        {
            let mut state = inner.state.borrow_mut();
            state.is_frozen = true;
            state.is_deleted = true;
            let dropped: u64 = state
                .pending
                .drain(..)
                .map(|pending| pending.size_bytes)
                .sum();
            state.controls.clear();
            let pending_bytes = &self.shared.pending_bytes;
            pending_bytes.set(pending_bytes.get() - dropped as usize);
        }
        self.shared.progress.notify_all();
        // Also of those who make files in the folder: it is about to have another name.
        while inner.is_busy() || inner.is_deriving.get() {
            self.shared.progress.wait().await;
        }
        self.shared.logs.borrow_mut()[inner.key as usize] = None;
    }

    /// Drops what the shard remembers of the log.
    fn forget(&self, inner: &LogInner) {
        let mut pages = self.shared.pages.borrow_mut();
        pages.remove_where(|key| key.log == inner.key);
        self.shared.forget_sealed(inner.key);
        inner.state.borrow_mut().tail.clear();
    }

    async fn rename_folder(&self, inner: &LogInner, suffix: &str) -> Result<PathBuf, StoreError> {
        let directory = &self.shared.config.directory;
        let (topic, partition) =
            layout::parse_partition_folder(&inner.name).expect("a log's folder has this form");
        let unique = Uuid::from_random(engine_runtime::random_bytes());
        let target = directory.join(layout::marked_folder(topic, partition, unique, suffix));
        let renamed = fs::rename(&inner.directory, &target).await;
        renamed.map_err(StoreError::io("renaming", &inner.directory))?;
        let synced = fs::sync_dir(directory).await;
        synced.map_err(StoreError::io("syncing", directory))?;
        Ok(target)
    }
}

impl LogInner {
    /// Whether a commit, a write or an extension of the log is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state.borrow();
        state.is_in_commit || state.segments.iter().any(|segment| segment.is_writing)
    }
}
