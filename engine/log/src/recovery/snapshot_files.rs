//! The producer snapshots that a log's folder holds.

use std::path::Path;

use engine_runtime::fs;

use crate::error::StoreError;
use crate::layout::{LOG_SUFFIX, SNAPSHOT_SUFFIX, parse_segment_file, segment_file};
use crate::producer_snapshot;
use crate::producer_state::ProducerState;

/// Larger snapshots are not Kafka's.
pub(super) const SNAPSHOT_SIZE_BYTES_MAX: usize = 1 << 30;

/// The snapshots of a folder, lowest first, and the base of its first segment.
pub(super) struct FoundSnapshots {
    pub(super) offsets: Vec<i64>,
    pub(super) first_base: i64,
}

impl FoundSnapshots {
    pub(super) async fn of(directory: &Path) -> Result<Self, StoreError> {
        let entries = fs::read_dir(directory).await;
        let entries = entries.map_err(StoreError::io("listing", directory))?;
        let of = |suffix: &'static str| {
            let names = entries.iter().filter_map(|entry| entry.name.to_str());
            names.filter_map(move |name| parse_segment_file(name, suffix))
        };
        let mut offsets: Vec<i64> = of(SNAPSHOT_SUFFIX).collect();
        offsets.sort_unstable();
        Ok(Self {
            offsets,
            first_base: of(LOG_SUFFIX).min().unwrap_or(i64::MIN),
        })
    }
}

/// The producers of a snapshot; `None` when it cannot be read.
pub(super) async fn read_snapshot(directory: &Path, offset: i64) -> Option<ProducerState> {
    let path = segment_file(directory, offset, SNAPSHOT_SUFFIX);
    let bytes = fs::read_file(&path, SNAPSHOT_SIZE_BYTES_MAX).await.ok()?;
    let mut producers = ProducerState::default();
    let now_ms = engine_runtime::wall_clock_ms();
    producer_snapshot::decode_into(&bytes, &mut producers, now_ms, i64::MAX).ok()?;
    Some(producers)
}
