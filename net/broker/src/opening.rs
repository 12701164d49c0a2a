//! Start, as far as the logs: recovery of the directory, and every shard's part of it opened.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use engine_base::{HashMap, ShardId, TopicPartition};
use engine_log::limits::open_files_needed;
use engine_log::{
    Found, FoundPartition, IoMode, LogConfig, LogStore, PartitionDir, Sizes, StoreConfig,
};
use engine_runtime::{now, spawn, spawn_critical};
use replication_metadata::format::METADATA_LOG_FOLDER;

use crate::core::Core;
use crate::directory::DataDirectory;
use crate::error::StartError;
use crate::maintenance;
use crate::missing::Folders;

/// How often a long recovery says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How the broker that used the directory before came to its end, as far as the log shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PreviousStop {
    /// Clean, as the incarnation with this epoch (-1: it did not say).
    Clean { broker_epoch: i64 },
    /// A crash of ours: the journal proves that every acknowledged record is there.
    Proven,
    /// Nobody knows, or nobody was there.
    Unproven,
}

/// Recovers the directory, then lets every shard open its part of it.
pub(crate) async fn open_logs(
    core: &Rc<Core>,
    directory: &DataDirectory,
) -> Result<(PreviousStop, Folders), StartError> {
    let mut folders = Folders::default();
    let previous = if directory.is_new {
        PreviousStop::Unproven
    } else {
        let (previous, lost) = recover(directory).await?;
        folders.lost = lost;
        previous
    };
    let found = engine_log::find_partitions(&directory.path).await?;
    let mut parts: HashMap<ShardId, Vec<PartitionDir>> = HashMap::default();
    for partition in found {
        let Some(dir) = opened_as(partition) else {
            continue;
        };
        let id = TopicPartition {
            topic_id: dir.topic_id,
            partition: dir.partition,
        };
        folders.found.insert(id);
        parts.entry(core.owner(id)).or_default().push(dir);
    }
    // A start that is refused leaves the mark of a clean stop.
    let logs_max = parts.values().map(Vec::len).max().unwrap_or(0);
    check_open_files(logs_max, usize::from(core.shards.count()))?;
    engine_log::begin_use(&directory.path).await?;
    for shard in (0..core.shards.count()).map(ShardId) {
        let part = parts.remove(&shard).unwrap_or_default();
        let (path, cluster_id) = (directory.path.clone(), directory.cluster_id.clone());
        let opened = core.shards.ask(shard, move |core| async move {
            core.set_cluster_id(&cluster_id);
            open_part(&core, path, part).await
        });
        opened
            .await
            .map_err(|_| StartError::Damaged("a shard ended while opening".to_owned()))??;
    }
    Ok((previous, folders))
}

/// Brings the logs to the state of a clean stop, and says how the last life ended, and which logs have
/// records in the journal and no folder.
async fn recover(
    directory: &DataDirectory,
) -> Result<(PreviousStop, Vec<TopicPartition>), StartError> {
    let broker_epoch = directory.clean_stop_epoch().await;
    let mut said = now();
    let report = engine_log::recover(&directory.path, IoMode::Auto, |progress| {
        if now().since(said) > PROGRESS_INTERVAL {
            said = now();
            tracing::info!(
                "{}: {} of {}",
                progress.doing,
                progress.done,
                progress.total
            );
        }
    })
    .await?;
    match report.found {
        Found::CleanStop => {}
        // Just formatted, or without any topic.
        Found::KafkasCrash if report.logs.len() <= 1 => {
            tracing::info!("no broker has stopped clean here yet: the metadata log was checked");
        }
        _ => tracing::warn!(
            "the last stop was not clean: logs recovered: {}",
            report.logs.len()
        ),
    }
    let previous = match report.found {
        Found::CleanStop => PreviousStop::Clean { broker_epoch },
        Found::OurCrash => PreviousStop::Proven,
        Found::KafkasCrash => PreviousStop::Unproven,
    };
    Ok((previous, report.unknown))
}

/// A folder with the id of its topic; one without was never finished.
fn opened_as(found: FoundPartition) -> Option<PartitionDir> {
    let FoundPartition {
        topic,
        partition,
        topic_id,
    } = found;
    let name = format!("{topic}-{partition}");
    if topic_id.is_none() && name != METADATA_LOG_FOLDER {
        tracing::warn!("{name} has no partition.metadata and is left alone");
    }
    let topic_id = topic_id?;
    Some(PartitionDir {
        topic,
        partition,
        topic_id,
        config: LogConfig::default(),
    })
}

/// A shard opens its logs and starts its loops.
async fn open_part(
    core: &Rc<Core>,
    path: PathBuf,
    part: Vec<PartitionDir>,
) -> Result<(), StartError> {
    let shard_count = usize::from(core.shards.count());
    let store_config = StoreConfig {
        flush_files: core.config.flush_files,
        cache_size_bytes: core.config.memory_bytes / 2 / shard_count,
        open_files_max: open_files_share(shard_count)?,
        pool_size_bytes_max: core.config.pool_size_bytes_max,
        sizes: Sizes::of_one_in(shard_count),
        ..StoreConfig::new(path, core.id())
    };
    let (store, logs) = LogStore::open(store_config, part, |_| {}).await?;
    for log in logs {
        core.opened.borrow_mut().insert(log.id(), log);
    }
    let is_first = core.store.set(store.clone()).is_ok();
    assert!(is_first);
    let committing = core.clone();
    let commits = spawn_critical("commit loop", async move {
        store
            .run_commits(|logs| committing.on_committed(logs))
            .await
    });
    *core.commits.borrow_mut() = Some(commits);
    spawn(maintenance::run(core.clone())).detach();
    Ok(())
}

/// What one shard's store may have open: half of what the process may is for connections.
fn open_files_share(shard_count: usize) -> Result<usize, StartError> {
    Ok(open_files_max()? / 2 / shard_count)
}

fn open_files_max() -> Result<usize, StartError> {
    let open_files_max = engine_runtime::fs::open_files_max()
        .map_err(|error| StartError::Config(format!("getrlimit(2) failed: {error}")))?;
    Ok(usize::try_from(open_files_max).unwrap_or(usize::MAX))
}

/// Whether the process may open what the fullest of its shards needs.
fn check_open_files(logs_max: usize, shard_count: usize) -> Result<(), StartError> {
    if open_files_needed(logs_max) <= open_files_share(shard_count)? {
        return Ok(());
    }
    let needed = open_files_needed(logs_max) * 2 * shard_count;
    Err(StartError::Config(format!(
        "the process may have {} files open and needs {needed} (shards: {shard_count}, partitions of \
         the fullest: {logs_max}, as much again for connections): raise the limit of open files \
         (ulimit -n {needed} in a shell, LimitNOFILE={needed} in a systemd unit, --ulimit \
         nofile={needed} of a container)",
        open_files_max()?
    )))
}
