//! The metadata log on shard 0: opened, followed, appended to.
//!
//! Called by the controller's host alone. Decides nothing.

use std::rc::Rc;
use std::time::Duration;

use engine_base::{TopicPartition, Uuid};
use engine_log::{AppendError, LogConfig, PartitionDir};
use engine_record::{BatchView, Batches};
use engine_runtime::{sleep, wall_clock_ms};
use replication_metadata::MetadataLoader;
use replication_partition::{Isolation, Partition};

use crate::config::MetadataLogConfig;
use crate::core::Core;
use crate::error::StartError;

/// Bytes of the metadata log that are replayed at a time.
const REPLAY_SIZE_BYTES: usize = 1 << 20;
/// How often a full disk is tried again.
const ROOM_RETRY: Duration = Duration::from_millis(100);
const METADATA_TOPIC: &str = "__cluster_metadata";

/// Retention of topics has no say here: only what a snapshot contains may go.
fn log_config(config: &MetadataLogConfig) -> LogConfig {
    LogConfig {
        segment_size_bytes: config.segment_size_bytes,
        segment_ms: config.segment_ms,
        is_deleting: false,
        ..LogConfig::default()
    }
}

/// The log that a start found, or a new one.
///
/// # Errors
/// A new one cannot be made.
pub(crate) async fn open(core: &Rc<Core>) -> Result<Rc<Partition>, StartError> {
    let id = TopicPartition {
        topic_id: Uuid::METADATA_TOPIC,
        partition: 0,
    };
    let config = log_config(&core.config.metadata_log);
    let opened = core.opened.borrow_mut().remove(&id);
    let log = match opened {
        Some(log) => {
            log.update_config(config);
            log
        }
        None => {
            let dir = PartitionDir {
                topic: METADATA_TOPIC.to_owned(),
                partition: 0,
                topic_id: id.topic_id,
                config,
            };
            core.store().create_log(dir).await?
        }
    };
    // Nothing that makes room on a full disk, a deletion or a shorter retention, goes without it.
    log.use_reserve();
    let epoch = log.latest_epoch().unwrap_or(0);
    let partition = Partition::new(id, METADATA_TOPIC.into(), log, epoch);
    core.partitions.borrow_mut().insert(id, partition.clone());
    Ok(partition)
}

/// Applies all that the log holds from `offset` on. Returns how many bytes that was.
///
/// # Errors
/// The log cannot be read, or does not fit what the loader holds.
pub(crate) async fn replay(
    partition: &Partition,
    loader: &mut MetadataLoader,
    mut offset: i64,
) -> Result<u64, StartError> {
    let log_end_offset = partition.log_end_offset();
    let mut size_bytes = 0;
    while offset < log_end_offset {
        let read = partition
            .read(offset, REPLAY_SIZE_BYTES, Isolation::LogEnd, true)
            .await;
        let data =
            read.map_err(|error| StartError::Damaged(format!("the metadata log: {error}")))?;
        let bytes = data
            .slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect::<Vec<u8>>();
        apply(loader, &bytes)?;
        size_bytes += bytes.len() as u64;
        assert!(data.next_offset > offset);
        offset = data.next_offset;
    }
    loader.publish();
    Ok(size_bytes)
}

/// Applies batches that are in the log.
///
/// # Errors
/// They are damaged, or do not fit what the loader holds.
pub(crate) fn apply(loader: &mut MetadataLoader, batches: &[u8]) -> Result<(), StartError> {
    for batch in Batches::new(batches) {
        let damaged = |error: &dyn std::fmt::Display| {
            StartError::Damaged(format!("the metadata log cannot be followed: {error}"))
        };
        let batch: BatchView<'_> = batch.map_err(|error| damaged(&error))?;
        loader
            .apply_batch(&batch)
            .map_err(|error| damaged(&error))?;
    }
    Ok(())
}

/// Appends batches, waiting for the log where it is busy, and on a full disk as long as
/// `waits_for_room` says.
///
/// # Errors
/// The log refuses.
pub(crate) async fn append(
    partition: &Partition,
    batches: &[u8],
    mut waits_for_room: impl FnMut() -> bool,
) -> Result<(), StartError> {
    for batch in Batches::new(batches) {
        let batch = batch.unwrap_or_else(|error| panic!("a batch of our own: {error}"));
        loop {
            match partition.append_own(batch.bytes(), wall_clock_ms()) {
                Ok(appended) => {
                    assert_eq!(appended.base_offset, batch.header().base_offset);
                    break;
                }
                Err(AppendError::Busy) => {
                    // A store that failed says so at the next try.
                    let _ = partition.log().ready_to_append().await;
                }
                Err(AppendError::DiskFull) if waits_for_room() => sleep(ROOM_RETRY).await,
                Err(error) => {
                    let why = format!("the metadata log cannot be written: {error}");
                    return Err(StartError::Damaged(why));
                }
            }
        }
    }
    Ok(())
}

/// Waits until everything below `offset` is kept.
pub(crate) async fn committed(partition: &Partition, offset: i64) {
    let committed = partition.committed(offset).await;
    committed.expect("nobody deletes the metadata log");
}
