//! The producers of a log, from the newest good snapshot and the batches behind it: for logs that are
//! loaded, and for those that were cut.

use std::path::Path;

use engine_runtime::fs;

use super::producer_replay::ProducerReplay;
use crate::error::StoreError;
use crate::layout::{SNAPSHOT_SUFFIX, segment_file};
use crate::producer_snapshot;
use crate::producer_state::ProducerState;

/// Whether batches may hold producers that no snapshot has ever held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshots {
    /// The log was closed or recovered: without a snapshot there are no producers.
    Complete,
    /// The log is running, and takes its first snapshot late.
    Behind,
}

/// The producers of a log that ends at `end_offset`, which is `end_position` of its active segment.
pub(crate) async fn load_producers(
    directory: &Path,
    is_direct: bool,
    active: (i64, u64),
    end_offset: i64,
    snapshots: Snapshots,
) -> Result<LoadedProducers, StoreError> {
    let mut replay = ProducerReplay::begin(directory, is_direct, end_offset).await?;
    if replay.snapshot_offset == i64::MAX && snapshots == Snapshots::Behind {
        replay.snapshot_offset = i64::MIN;
    }
    replay
        .catch_up(active.0, active.1, end_offset, u64::MAX)
        .await?;
    Ok(LoadedProducers {
        producers: replay.producers,
        stale: replay.stale,
    })
}

/// Producers, and snapshots of a log that do not tell of them.
pub(crate) struct LoadedProducers {
    pub(crate) producers: ProducerState,
    stale: Vec<i64>,
}

impl LoadedProducers {
    /// Removes the snapshots that are not good, after a good one has taken their place: that there
    /// is none means that there never were producers.
    pub(crate) async fn replace_stale(
        &self,
        directory: &Path,
        end_offset: i64,
    ) -> Result<(), StoreError> {
        if !self.stale.is_empty() && !self.producers.is_empty() {
            let path = segment_file(directory, end_offset, SNAPSHOT_SUFFIX);
            let bytes = producer_snapshot::encode(&self.producers);
            let written = fs::write_file_atomic(&path, bytes).await;
            written.map_err(StoreError::io("writing", &path))?;
        }
        for &offset in &self.stale {
            if offset == end_offset && !self.producers.is_empty() {
                continue;
            }
            let path = segment_file(directory, offset, SNAPSHOT_SUFFIX);
            let removed = fs::remove_file(&path).await;
            removed.map_err(StoreError::io("removing", &path))?;
        }
        if self.stale.is_empty() {
            return Ok(());
        }
        // Before the log grows: one that came back would tell of another history below its end.
        let synced = fs::sync_dir(directory).await;
        synced.map_err(StoreError::io("syncing", directory))
    }
}
