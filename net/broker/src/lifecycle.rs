//! Start, serve, drain, stop, in this order. Runs on shard 0; the other shards answer its calls.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine_base::{HashMap, ShardId, TopicPartition};
use engine_log::{
    ClosedStore, FlushFiles, Found, FoundPartition, IoMode, LogConfig, LogStore, PartitionDir,
    Sizes, StoreConfig, StoreError,
};
use engine_runtime::{
    Door, Either, ProcessId, ShardContext, ShardOptions, SimShard, SimWorld,
    StartError as RuntimeError, launch, now, race, shutdown_signal, spawn, spawn_critical, timeout,
};
use engine_shard::limits::MAILBOX_MESSAGES_MAX;
use engine_shard::{Message, Shards};
use replication_metadata::format::METADATA_LOG_FOLDER;
use replication_partition::Partition;

use crate::acceptor;
use crate::cluster;
use crate::config::{self, BrokerConfig};
use crate::controller_host::ControllerHost;
use crate::core::Core;
use crate::directory::{self, DataDirectory};
use crate::error::StartError;
use crate::listeners;
use crate::maintenance;
use crate::metrics::{self, Snapshot};
use crate::missing::{self, Folders};

/// How long connections may take to finish what they asked for when the broker stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// How often a long recovery says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// A broker that serves.
pub struct Ready {
    /// `node.id`.
    pub node_id: i32,
    /// Name and address of each listener, as bound.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Name, host and port of each listener, as clients are told.
    pub advertised: Vec<(String, String, u16)>,
    /// How to ask for the counters, from any thread.
    pub metrics: MetricsHandle,
    /// Partitions with acknowledged records whose folders were gone: they began anew, empty.
    pub lost: Vec<String>,
    /// How to stop it without a signal.
    pub stop: StopHandle,
}

/// Stops a running broker as SIGTERM does, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    door: Door<Core>,
}

impl StopHandle {
    /// Asks for it; the broker drains and ends soon after.
    pub fn stop(&self) {
        self.door.post(|core| core.stopping.notify_all());
    }
}

/// Asks a running broker for its counters, from any thread.
#[derive(Clone)]
pub struct MetricsHandle {
    door: Door<Core>,
}

impl MetricsHandle {
    /// The counters of all shards, summed; `None` when the broker does not answer within
    /// `patience`. Blocks: not for a shard's thread.
    #[must_use]
    pub fn snapshot(&self, patience: Duration) -> Option<Snapshot> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.ask(move |snapshot| {
            // Nobody listens any more when the patience was over.
            let _ = sender.send(snapshot);
        });
        receiver.recv_timeout(patience).ok()
    }

    /// Calls `then`, on shard 0, with the counters of all shards, summed; never when the broker
    /// has ended.
    pub fn ask(&self, then: impl FnOnce(Snapshot) + Send + 'static) {
        self.door.post(move |core| {
            let core = core.clone();
            spawn(async move { then(sum_of_shards(&core).await) }).detach();
        });
    }
}

async fn sum_of_shards(core: &Rc<Core>) -> Snapshot {
    let mut sum = Snapshot::default();
    for shard in (0..core.shards.count()).map(ShardId) {
        let part = core
            .shards
            .ask(shard, |core| async move { metrics::of_shard(&core) })
            .await;
        sum.merge(part.unwrap_or_default());
    }
    sum
}

/// Runs a broker until it is told to stop by SIGTERM or SIGINT. `on_ready` is called once, on
/// shard 0, when it serves.
///
/// # Errors
/// Why it did not start, or stopped by itself.
pub fn run(
    config: BrokerConfig,
    on_ready: impl Fn(Ready) + Send + Sync + 'static,
) -> Result<(), StartError> {
    let options = ShardOptions {
        count: config.shard_count.map(usize::from),
        mailbox_capacity: MAILBOX_MESSAGES_MAX,
        ..ShardOptions::default()
    };
    let config = Arc::new(config);
    let on_ready = Arc::new(on_ready);
    let shards = launch(&options, move |context: ShardContext<Message<Core>>| {
        let on_ready = on_ready.clone();
        shard_main(context, config.clone(), move |ready| on_ready(ready))
    })
    .map_err(|error| match error {
        RuntimeError::Denied { .. } => StartError::Denied(error.to_string()),
        other => StartError::Config(other.to_string()),
    })?;
    // Shard 0 tells the others to end; its result is the broker's.
    let results: Vec<_> = shards
        .into_iter()
        .map(engine_runtime::ShardHandle::join)
        .collect();
    results.into_iter().collect()
}

/// Runs a broker's shards in a process of the simulated world, until it is told to stop. The world
/// has no signals: [`Ready::stop`] ends it.
pub fn simulate(
    world: &SimWorld,
    process: ProcessId,
    config: BrokerConfig,
    on_ready: impl Fn(Ready) + 'static,
) -> Vec<SimShard<Result<(), StartError>>> {
    let count = config.shard_count.map_or(1, usize::from);
    let config = Arc::new(config);
    let on_ready = Rc::new(on_ready);
    world.launch(
        process,
        count,
        MAILBOX_MESSAGES_MAX,
        move |context: ShardContext<Message<Core>>| {
            let on_ready = on_ready.clone();
            shard_main(context, config.clone(), move |ready| on_ready(ready))
        },
    )
}

async fn shard_main(
    context: ShardContext<Message<Core>>,
    config: Arc<BrokerConfig>,
    on_ready: impl Fn(Ready),
) -> Result<(), StartError> {
    let shards = Shards::new(context.mesh);
    let core = Core::new(config, shards.clone());
    let served = core.clone();
    let mailbox = spawn_critical("mailbox", async move { shards.serve(&served).await });
    let result = if core.id() == ShardId(0) {
        let result = run_broker(&core, &on_ready).await;
        end_others(&core).await;
        result
    } else {
        core.ended.wait().await;
        Ok(())
    };
    mailbox.cancel();
    result
}

async fn end_others(core: &Rc<Core>) {
    for shard in (1..core.shards.count()).map(ShardId) {
        core.shards.tell(shard, |core| core.ended.notify_all());
    }
}

async fn run_broker(core: &Rc<Core>, on_ready: &impl Fn(Ready)) -> Result<(), StartError> {
    let began = now();
    let lock = directory::lock(&core.config.log_dir).await?;
    listeners::check(&core.config).await?;
    let directory = DataDirectory::open(&core.config, lock).await?;
    let (previous, folders) = open_logs(core, &directory).await?;
    let listeners = listeners::bind(&core.config).await?;
    let advertised = listeners::advertised(&core.config, &listeners);
    let controller = ControllerHost::start(core, &directory, &advertised, previous)
        .await
        .map_err(|error| directory.of_metadata(error))?;
    let lost = missing::report(core, &folders);
    set_strays_aside(core).await?;
    let bound: Vec<(String, SocketAddr)> = core
        .config
        .listeners
        .iter()
        .zip(&listeners)
        .map(|(config, listener)| (config.name.clone(), listener.local_addr()))
        .collect();
    for (index, listener) in listeners.into_iter().enumerate() {
        spawn(acceptor::accept(core.clone(), listener, index)).detach();
    }
    tracing::info!("serving after {} ms", now().since(began).as_millis());
    let door = Door::new(core.clone());
    let metrics = MetricsHandle { door: door.clone() };
    on_ready(Ready {
        node_id: core.config.node_id.0,
        listeners: bound,
        advertised,
        metrics,
        lost,
        stop: StopHandle { door },
    });
    match race(shutdown_signal(), core.stopping.wait()).await {
        Either::Left(Ok(signal)) => tracing::info!("{signal:?}: draining"),
        Either::Left(Err(error)) => {
            return Err(StartError::io("waiting for signals in", "/", error));
        }
        Either::Right(()) => tracing::info!("asked to stop: draining"),
    }
    stop(core, &controller, &directory).await
}

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
async fn open_logs(
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
    let open_files_max = open_files_share(usize::from(core.shards.count()))?;
    engine_log::check_open_files(logs_max, open_files_max)?;
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
    path: std::path::PathBuf,
    part: Vec<PartitionDir>,
) -> Result<(), StartError> {
    let shard_count = usize::from(core.shards.count());
    let store_config = StoreConfig {
        flush_files: match core.config.flush_files {
            config::FlushFiles::Auto => FlushFiles::Auto,
            config::FlushFiles::Journal => FlushFiles::Journal,
            config::FlushFiles::Each => FlushFiles::Each,
        },
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
    let open_files_max = engine_runtime::fs::open_files_max()
        .map_err(|error| StartError::Config(format!("getrlimit(2) failed: {error}")))?;
    let open_files_max = usize::try_from(open_files_max).unwrap_or(usize::MAX);
    Ok(open_files_max / 2 / shard_count)
}

async fn set_strays_aside(core: &Rc<Core>) -> Result<(), StartError> {
    for shard in (0..core.shards.count()).map(ShardId) {
        let dropped = core.shards.ask(shard, |core| async move {
            cluster::set_strays_aside(&core).await
        });
        dropped
            .await
            .map_err(|_| StartError::Damaged("a shard ended".to_owned()))??;
    }
    Ok(())
}

/// Drains and stops: no new connections, requests under way are answered, everything appended is
/// committed, then every file gets its exact form.
async fn stop(
    core: &Rc<Core>,
    controller: &Rc<ControllerHost>,
    directory: &DataDirectory,
) -> Result<(), StartError> {
    let shards = || (0..core.shards.count()).map(ShardId);
    for shard in shards() {
        core.shards.tell(shard, |core| {
            core.begin_stop();
            core.connections.close_idle();
        });
    }
    for shard in shards() {
        let _ = core
            .shards
            .ask(
                shard,
                |core| async move { core.drain(DRAIN_TIME_MAX).await },
            )
            .await;
    }
    controller.stop().await;
    let mut stores = Vec::new();
    let mut high_watermarks = Vec::new();
    let broker_epoch = core
        .catalog()
        .image
        .cluster()
        .broker(core.config.node_id.0)
        .map(|b| b.epoch);
    for shard in shards() {
        let part = core
            .shards
            .ask(shard, |core| async move { core.close().await })
            .await;
        let part = part.map_err(|_| StartError::Damaged("a shard ended early".to_owned()))?;
        let (store, watermarks) = part?;
        stores.push(store);
        high_watermarks.extend(watermarks);
    }
    let path = &directory.path;
    let completed =
        engine_log::complete_clean_stop(path, stores, &high_watermarks, broker_epoch).await;
    completed.map_err(|error| not_stopped_clean(path, error))?;
    tracing::info!("stopped clean");
    Ok(())
}

/// A full disk is a state, also at the end: what was acknowledged is kept.
fn not_stopped_clean(path: &Path, error: StoreError) -> StartError {
    match error {
        StoreError::DiskFull => {
            let why = "the disk is full. What was acknowledged is kept: the next start recovers";
            let full = std::io::Error::new(std::io::ErrorKind::StorageFull, why);
            StartError::io("stopping clean in", path, full)
        }
        other => other.into(),
    }
}

/// Topic, partition, and up to where its records are kept.
type Watermark = (String, i32, i64);

impl Core {
    /// Commits what was appended and gives every file its exact form. The end of this shard's
    /// logs.
    async fn close(self: Rc<Self>) -> Result<(ClosedStore, Vec<Watermark>), StartError> {
        let closed = self.store().close().await;
        let store = closed.map_err(|error| not_stopped_clean(&self.config.log_dir, error))?;
        let partitions = self.partitions.borrow();
        let watermark = |partition: &Rc<Partition>| {
            let id = partition.id();
            (
                partition.topic().to_string(),
                id.partition,
                partition.high_watermark(),
            )
        };
        Ok((store, partitions.values().map(watermark).collect()))
    }

    /// Waits for connections to finish, a bounded time.
    async fn drain(self: Rc<Self>, patience: Duration) {
        if timeout(patience, self.connections.emptied()).await.is_err() {
            tracing::warn!(
                "{} connections did not finish and are cut off",
                self.connections.count()
            );
            self.connections.close_all();
        }
    }
}
