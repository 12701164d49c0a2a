//! What a start finds, and what it does about it. Runs once for a log directory, before any shard
//! opens its logs, whatever the number of shards now or before: it reads the journals of all of
//! them.
//!
//! | clean file | journal | meaning | what happens |
//! |---|---|---|---|
//! | yes | empty or none | clean stop, ours or Kafka's | nothing: lengths are the truth |
//! | no | entries | our crash | replay |
//! | no | empty or none | Kafka's crash, or a first start | scan from the recovery point |
//! | yes | entries | another broker ran after our crash | refuse |
//!
//! Idempotent: the journals are voided, in one durable step, only after everything that was done
//! is synced. A crash anywhere before that does it all again, from the same journals.

mod aborted;
mod kafka;
pub(crate) mod known;
mod overlays;
mod producer_replay;
mod producers;
mod rebuild;
mod repair;
mod replay;
mod snapshot_files;
mod trimmed;
mod verify;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine_base::{HashMap, TopicPartition};
use engine_codec::Reader;
use engine_journal::{FoundFile, Run, find_files, find_run, void_files};
use engine_runtime::fs;

use crate::checkpoint_file::{PartitionOffset, encode_offsets};
use crate::commit_record::{Body, read_record};
use crate::config::IoMode;
use crate::error::{Damage, StoreError};
use crate::layout::{
    CLEAN_SHUTDOWN_FILE, DELETED_FOLDER_SUFFIX, LOG_START_OFFSET_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT, parse_partition_folder, partition_folder,
};
use crate::limits::LOGS_IN_FLIGHT_MAX;
use crate::pool::remove_pool_files;
use crate::store::{Progress, find_partitions, journal_error, read_checkpoint};
use crate::write::run_all;
pub(crate) use aborted::rebuild_txns;
pub(crate) use producers::{Snapshots, load_producers};
pub use repair::RecoveredLog;
use replay::LogReplay;

/// What a recovery did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// What it found.
    pub found: Found,
    /// The logs that were touched since the last clean stop.
    pub logs: Vec<RecoveredLog>,
    /// Logs that a journal names and no folder has: they were deleted, or their folders are lost.
    pub unknown: Vec<TopicPartition>,
}

/// The rows of the decision table that a recovery can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A clean stop: nothing was done.
    CleanStop,
    /// A crash of ours: the journals were replayed.
    OurCrash,
    /// A crash of Kafka's, or a directory nobody used yet: logs were scanned.
    KafkasCrash,
}

/// Brings a log directory to the state of a clean stop. The caller holds the directory's lock.
///
/// # Errors
/// [`StoreError::Damaged`] and [`StoreError::ForeignAfterCrash`]: nothing was cut, an operator
/// must decide. Others: the disk refuses; try again.
pub async fn recover(
    directory: &Path,
    io: IoMode,
    mut progress: impl FnMut(Progress),
) -> Result<RecoveryReport, StoreError> {
    let clean_file = directory.join(CLEAN_SHUTDOWN_FILE);
    let is_clean = fs::exists(&clean_file)
        .await
        .map_err(StoreError::io("looking for", &clean_file))?;
    let files = find_files(directory).await.map_err(journal_error)?;
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let runs = find_runs(files);
    let has_entries = runs
        .as_ref()
        .map_or(true, |runs| runs.iter().any(|(_, run)| !run.is_empty()));
    let found = match (is_clean, has_entries) {
        (true, false) => Found::CleanStop,
        (false, true) => Found::OurCrash,
        (false, false) => Found::KafkasCrash,
        (true, true) => {
            return Err(StoreError::ForeignAfterCrash {
                directory: directory.to_path_buf(),
            });
        }
    };
    let runs = runs?;
    remove_deleted_folders(directory).await?;
    remove_pool_files(directory).await?;
    let mut report = RecoveryReport {
        found,
        logs: Vec::new(),
        unknown: Vec::new(),
    };
    if found != Found::CleanStop {
        let is_direct = match io {
            IoMode::Buffered => false,
            IoMode::Auto => {
                let probe = fs::probe_direct_io(directory).await;
                probe.map_err(StoreError::io("probing", directory))?.works
            }
        };
        if found == Found::OurCrash {
            replay_journals(directory, is_direct, &runs, &mut report, &mut progress).await?;
        } else {
            kafka::scan_logs(directory, is_direct, &mut report, &mut progress).await?;
        }
        write_checkpoints(directory, &report.logs).await?;
        fs::sync_filesystem(directory)
            .await
            .map_err(StoreError::io("syncing", directory))?;
    }
    if !paths.is_empty() {
        void_files(directory, "recovery", &paths)
            .await
            .map_err(journal_error)?;
    }
    if !is_clean {
        write_clean_file(directory, None).await?;
    }
    Ok(report)
}

/// The directory is about to be written to: it is not clean any more, durably. To be called after
/// [`recover`] and before a store is opened.
///
/// # Errors
/// The disk refuses.
pub async fn begin_use(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(CLEAN_SHUTDOWN_FILE);
    match fs::remove_file(&path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreError::io("removing", &path)(error));
        }
        _ => {}
    }
    fs::sync_dir(directory)
        .await
        .map_err(StoreError::io("syncing", directory))
}

/// Writes `.kafka_cleanshutdown` as Kafka does: with the broker's epoch when there is one
/// (KIP-966).
pub(crate) async fn write_clean_file(
    directory: &Path,
    broker_epoch: Option<i64>,
) -> Result<(), StoreError> {
    let path = directory.join(CLEAN_SHUTDOWN_FILE);
    let epoch = broker_epoch.unwrap_or(-1);
    let text = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
    let written = fs::write_file_atomic(&path, text.into_bytes()).await;
    written.map_err(StoreError::io("writing", &path))
}

/// What the journal of each former shard proves.
fn find_runs(files: Vec<FoundFile>) -> Result<Vec<(u32, Run)>, StoreError> {
    let mut by_shard: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for file in files {
        if let Some(shard) = file.scan.shard() {
            by_shard.entry(shard).or_default().push(file.scan);
        }
    }
    let mut runs = Vec::new();
    let mut damages = Vec::new();
    for (shard, scans) in by_shard {
        match find_run(scans) {
            Ok(run) => runs.push((shard, run)),
            Err(damage) => damages.push(Damage::Journal { shard, damage }),
        }
    }
    if damages.is_empty() {
        Ok(runs)
    } else {
        Err(StoreError::Damaged(damages))
    }
}

/// A log's replay, and up to which entry of its journal everything was durable.
type Replays<'a> = HashMap<TopicPartition, (LogReplay<'a>, u64)>;

/// Applies every entry of every run, in order.
fn apply_runs(runs: &[(u32, Run)]) -> Result<Replays<'_>, StoreError> {
    let mut replays = Replays::default();
    for (shard, run) in runs {
        for (sequence, payload) in run.entries() {
            apply_entry(&mut replays, run.durable, sequence, payload).ok_or_else(|| {
                StoreError::Damaged(vec![Damage::Entry {
                    shard: *shard,
                    sequence,
                }])
            })?;
        }
    }
    Ok(replays)
}

/// `None` when the entry makes no sense.
fn apply_entry<'a>(
    replays: &mut Replays<'a>,
    durable: u64,
    sequence: u64,
    payload: &'a [u8],
) -> Option<()> {
    let mut reader = Reader::new(payload);
    while !reader.is_empty() {
        let record = read_record(&mut reader).ok()?;
        match (replays.get_mut(&record.log), &record.body) {
            (Some((replay, _)), body) => replay.apply(sequence, body).ok()?,
            (None, Body::State(state)) => {
                let replay = LogReplay::begin(state);
                replays.insert(record.log, (replay, durable));
            }
            (None, _) => return None,
        }
    }
    Some(())
}

async fn replay_journals(
    directory: &Path,
    is_direct: bool,
    runs: &[(u32, Run)],
    report: &mut RecoveryReport,
    progress: &mut impl FnMut(Progress),
) -> Result<(), StoreError> {
    let replays = apply_runs(runs)?;
    if replays.is_empty() {
        return Ok(());
    }
    let mut folders = HashMap::default();
    for found in find_partitions(directory).await? {
        if let Some(topic_id) = found.topic_id {
            let id = TopicPartition {
                topic_id,
                partition: found.partition,
            };
            folders.insert(
                id,
                directory.join(partition_folder(&found.topic, found.partition)),
            );
        }
    }
    let total = replays.len() as u64;
    let done = std::cell::RefCell::new((Vec::new(), progress));
    let mut repairs = Vec::new();
    for (id, (replay, durable)) in replays {
        let Some(folder) = folders.remove(&id) else {
            report.unknown.push(id);
            continue;
        };
        let done = &done;
        repairs.push(async move {
            let log = repair::repair(&folder, is_direct, replay, durable).await?;
            let (logs, progress) = &mut *done.borrow_mut();
            logs.push(log);
            progress(Progress {
                doing: "logs recovered",
                done: logs.len() as u64,
                total,
            });
            Ok(())
        });
    }
    run_all(repairs, LOGS_IN_FLIGHT_MAX).await?;
    report.logs = done.into_inner().0;
    report.logs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

/// Folders whose deletion was interrupted.
async fn remove_deleted_folders(directory: &Path) -> Result<(), StoreError> {
    let failed = || StoreError::io("listing", directory);
    for entry in fs::read_dir(directory).await.map_err(failed())? {
        let name = entry.name.to_string_lossy();
        if entry.is_dir && name.ends_with(DELETED_FOLDER_SUFFIX) {
            let path = directory.join(&*name);
            fs::remove_dir_all(&path)
                .await
                .map_err(StoreError::io("removing", &path))?;
        }
    }
    Ok(())
}

/// Puts the recovered logs' ends and starts into the checkpoint files; others keep theirs.
async fn write_checkpoints(directory: &Path, logs: &[RecoveredLog]) -> Result<(), StoreError> {
    let ends = |log: &RecoveredLog| log.end_offset;
    let starts = |log: &RecoveredLog| log.start_offset;
    merge_checkpoint(directory, RECOVERY_POINT_CHECKPOINT, logs, ends).await?;
    merge_checkpoint(directory, LOG_START_OFFSET_CHECKPOINT, logs, starts).await
}

async fn merge_checkpoint(
    directory: &Path,
    name: &str,
    logs: &[RecoveredLog],
    offset_of: impl Fn(&RecoveredLog) -> i64,
) -> Result<(), StoreError> {
    if logs.is_empty() {
        return Ok(());
    }
    let path = directory.join(name);
    let mut offsets: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for PartitionOffset {
        topic,
        partition,
        offset,
    } in read_checkpoint(&path).await?
    {
        offsets.insert((topic, partition), offset);
    }
    for log in logs {
        if let Some((topic, partition)) = parse_partition_folder(&log.name) {
            offsets.insert((topic.to_owned(), partition), offset_of(log));
        }
    }
    write_offsets(&path, &offsets).await
}

/// Writes one of the root's checkpoint files.
pub(crate) async fn write_offsets(
    path: &Path,
    offsets: &BTreeMap<(String, i32), i64>,
) -> Result<(), StoreError> {
    let lines = offsets
        .iter()
        .map(|((topic, partition), offset)| (&**topic, *partition, *offset));
    let text = encode_offsets(lines);
    let written = fs::write_file_atomic(path, text.into_bytes()).await;
    written.map_err(StoreError::io("writing", path))
}
