//! A shard's logs in one log directory: opening, creating and deleting them.
//!
//! Recovery has run before ([`crate::recover`]), once for the directory; every file is exact. The
//! store makes its journal, and [`LogStore::run_commits`] makes what is appended durable. Lives on
//! its shard's core.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use engine_base::{HashMap, TopicId, TopicPartition};
use engine_cache::{ChunkPool, PageCache};
use engine_journal::{Journal, JournalError, JournalOptions};
use engine_runtime::{Notify, fs};

use crate::checkpoint_file;
use crate::config::{FlushFiles, IoMode, LogConfig, StoreConfig};
use crate::error::StoreError;
use crate::layout;
use crate::limits::{
    SEALED_FILES_MAX, SEALED_FILES_MIN, SEALED_INDEXES_MAX, SEALED_TXNS_MAX, open_files_needed,
};
use crate::load::{LogToLoad, load_log};
use crate::log::Log;
use crate::segment_lru::SegmentLru;
use crate::shared::{Condition, Shared};

/// A partition that a store shall open.
#[derive(Clone, Debug)]
pub struct PartitionDir {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The log's configuration.
    pub config: LogConfig,
}

/// A partition's folder as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// The id in `partition.metadata`; `None` when the file is missing: the folder's creation was
    /// interrupted, or it is older than topic ids.
    pub topic_id: Option<TopicId>,
}

/// How far a start or a recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is counted.
    pub doing: &'static str,
    /// Done.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// A shard's logs in one log directory. Clones are the same store.
#[derive(Clone, Debug)]
pub struct LogStore {
    pub(crate) shared: Rc<Shared>,
    /// Taken by the commit loop for as long as it runs.
    pub(crate) journal: Rc<RefCell<Option<Journal>>>,
}

impl LogStore {
    /// Opens these partitions and an empty journal. [`crate::recover`] must have run for the
    /// directory, and `.kafka_cleanshutdown` must be gone ([`crate::begin_use`]).
    ///
    /// # Errors
    /// The disk refuses, or holds what recovery would not have left; or the process may not open
    /// as many files as so many logs need.
    pub async fn open(
        config: StoreConfig,
        partitions: Vec<PartitionDir>,
        mut progress: impl FnMut(Progress),
    ) -> Result<(Self, Vec<Log>), StoreError> {
        let shared = Rc::new(open_shared(config, partitions.len()).await?);
        let start_offsets = read_start_offsets(&shared.config.directory).await?;
        let total = partitions.len() as u64;
        let mut logs = Vec::with_capacity(partitions.len());
        let mut window = VecDeque::new();
        let mut waiting = partitions.into_iter();
        loop {
            while window.len() < crate::limits::LOGS_IN_FLIGHT_MAX
                && let Some(partition) = waiting.next()
            {
                let key = next_key(&shared);
                let name = layout::partition_folder(&partition.topic, partition.partition);
                let of_partition = (partition.topic, partition.partition);
                let start_offset = start_offsets.get(&of_partition).copied();
                let id = TopicPartition {
                    topic_id: partition.topic_id,
                    partition: partition.partition,
                };
                let to_load = LogToLoad {
                    key,
                    id,
                    name,
                    config: partition.config,
                    start_offset,
                };
                let shared = Rc::clone(&shared);
                window.push_back(engine_runtime::spawn(async move {
                    load_log(&shared, to_load).await
                }));
            }
            let Some(loading) = window.pop_front() else {
                break;
            };
            let inner = loading.await.map_err(|_| StoreError::Failed)??;
            shared.logs.borrow_mut()[inner.key as usize] = Some(Rc::clone(&inner));
            logs.push(Log { inner });
            progress(Progress {
                doing: "logs opened",
                done: logs.len() as u64,
                total,
            });
        }
        let journal = open_journal(&shared).await?;
        let journal = Rc::new(RefCell::new(Some(journal)));
        Ok((Self { shared, journal }, logs))
    }

    /// All logs of the store.
    #[must_use]
    pub fn logs(&self) -> Vec<Log> {
        self.shared
            .logs()
            .into_iter()
            .map(|inner| Log { inner })
            .collect()
    }

    /// Makes a partition's folder and opens it. A folder of the same topic id that exists already
    /// (its creation was interrupted by a crash) is opened as it is.
    ///
    /// # Errors
    /// The disk refuses, or a folder of another incarnation of the topic is in the way.
    pub async fn create_log(&self, partition: PartitionDir) -> Result<Log, StoreError> {
        let PartitionDir {
            topic,
            partition,
            topic_id,
            config,
        } = partition;
        let name = layout::partition_folder(&topic, partition);
        create_folder(&self.shared.config.directory, &name, topic_id).await?;
        let key = next_key(&self.shared);
        let id = TopicPartition {
            topic_id,
            partition,
        };
        let to_load = LogToLoad {
            key,
            id,
            name,
            config,
            start_offset: None,
        };
        let inner = load_log(&self.shared, to_load).await?;
        self.shared.logs.borrow_mut()[key as usize] = Some(Rc::clone(&inner));
        self.warn_of_open_files();
        Ok(Log { inner })
    }

    /// Says once that there are more logs now than a start could open. Until then most of them may
    /// be idle, and idle ones have no file open.
    fn warn_of_open_files(&self) {
        let logs = self.shared.logs.borrow().iter().flatten().count();
        let open_files_max = self.shared.config.open_files_max;
        if open_files_needed(logs) == open_files_max.saturating_add(1) {
            let error = StoreError::TooManyLogs {
                logs,
                open_files_max,
            };
            tracing::error!("{error}; else the next start will be refused");
        }
    }
}

fn next_key(shared: &Shared) -> u32 {
    let mut logs = shared.logs.borrow_mut();
    logs.push(None);
    u32::try_from(logs.len() - 1).expect("a process ends before four billion logs")
}

async fn open_shared(config: StoreConfig, logs: usize) -> Result<Shared, StoreError> {
    let directory = &config.directory;
    let open_files_max = config.open_files_max;
    if open_files_needed(logs) > open_files_max {
        return Err(StoreError::TooManyLogs {
            logs,
            open_files_max,
        });
    }
    // Half of what is left is for the logs that come.
    let left = open_files_max - (open_files_needed(logs) - SEALED_FILES_MIN);
    let sealed_files_max = (left / 2).clamp(SEALED_FILES_MIN, SEALED_FILES_MAX);
    let is_direct = match config.io {
        IoMode::Buffered => false,
        IoMode::Auto => {
            let probe = fs::probe_direct_io(directory).await;
            probe.map_err(StoreError::io("probing", directory))?.works
        }
    };
    if !is_direct {
        tracing::warn!(
            "{}: direct I/O is off or refused here: logs go through the page cache, which costs \
             a copy of every byte, and catch-up readers may evict what others read",
            directory.display()
        );
    }
    let syncs_each_file = match config.flush_files {
        FlushFiles::Journal => false,
        FlushFiles::Each => true,
        FlushFiles::Auto => {
            let flush = fs::device_flush(directory);
            !flush
                .map_err(StoreError::io("probing", directory))?
                .covers_device()
        }
    };
    // Through the page cache a flush of the journal's file says nothing about other files.
    let syncs_each_file = syncs_each_file || !is_direct;
    Ok(Shared {
        is_direct,
        syncs_each_file,
        chunks: Rc::new(ChunkPool::new(config.cache_size_bytes)),
        pages: RefCell::new(PageCache::default()),
        sealed_indexes: RefCell::new(SegmentLru::new(SEALED_INDEXES_MAX)),
        sealed_txns: RefCell::new(SegmentLru::new(SEALED_TXNS_MAX)),
        sealed_files: RefCell::new(SegmentLru::new(sealed_files_max)),
        pages_loading: RefCell::default(),
        can_allocate: Cell::new(true),
        pool: RefCell::default(),
        logs: RefCell::default(),
        dirty: RefCell::default(),
        destage: RefCell::default(),
        wants_space: RefCell::default(),
        is_making_space: Cell::new(false),
        commit_wake: Notify::new(),
        background_wake: Notify::new(),
        derive_wake: Notify::new(),
        wants_derived: Cell::new(false),
        to_seal: RefCell::default(),
        progress: Notify::new(),
        pending_bytes: Cell::new(0),
        condition: Cell::new(Condition::Open),
        journal_files: RefCell::default(),
        journal_size_bytes: Cell::new(config.sizes.journal_first_file_size_bytes),
        described_bytes: Cell::new(0),
        releasable_tail: Cell::new(1),
        image_tail: Cell::new(1),
        bytes_since_sync: Cell::new(0),
        flush_wanted: Cell::new(0),
        flush_done: Cell::new(0),
        is_out_of_space: Cell::new(false),
        is_background_done: Cell::new(false),
        config,
    })
}

async fn open_journal(shared: &Shared) -> Result<Journal, StoreError> {
    let config = &shared.config;
    let options = JournalOptions {
        first_file_size_bytes: config.sizes.journal_first_file_size_bytes,
        file_size_bytes: config.sizes.journal_file_size_bytes,
        ..JournalOptions::new(&config.directory, config.shard.0.into(), shared.is_direct)
    };
    let journal = Journal::create(options).await.map_err(journal_error)?;
    shared
        .journal_files
        .borrow_mut()
        .push_back(journal.file_first_sequence());
    Ok(journal)
}

pub(crate) fn journal_error(error: JournalError) -> StoreError {
    StoreError::io("writing the journal", error.path)(error.error)
}

/// Makes the folder of a partition as Kafka does, durable with its name.
async fn create_folder(root: &Path, name: &str, topic_id: TopicId) -> Result<(), StoreError> {
    let directory = root.join(name);
    let failed = || StoreError::io("creating", directory.clone());
    fs::create_dir_all(&directory).await.map_err(failed())?;
    if let Some(found) = read_topic_id(&directory).await {
        return if found == topic_id {
            Ok(())
        } else {
            Err(failed()(std::io::ErrorKind::AlreadyExists.into()))
        };
    }
    for suffix in [
        layout::LOG_SUFFIX,
        layout::INDEX_SUFFIX,
        layout::TIME_INDEX_SUFFIX,
    ] {
        let path = layout::segment_file(&directory, 0, suffix);
        let options = engine_runtime::OpenOptions::writing();
        engine_runtime::File::open(&path, options)
            .await
            .map_err(failed())?;
    }
    let epochs = directory.join(layout::LEADER_EPOCH_CHECKPOINT);
    let no_epochs = checkpoint_file::encode(std::iter::empty()).into_bytes();
    fs::write_file_atomic(epochs, no_epochs)
        .await
        .map_err(failed())?;
    // The id comes last: a folder that has one is complete.
    let text = format!("version: 0\ntopic_id: {topic_id}");
    let metadata = directory.join(layout::PARTITION_METADATA_FILE);
    fs::write_file_atomic(metadata, text.into_bytes())
        .await
        .map_err(failed())?;
    fs::sync_dir(root).await.map_err(failed())
}

/// The topic id in a folder's `partition.metadata`.
pub(crate) async fn read_topic_id(directory: &Path) -> Option<TopicId> {
    let path = directory.join(layout::PARTITION_METADATA_FILE);
    let bytes = fs::read_file(&path, 4096).await.ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("topic_id:")?.trim().parse().ok())
}

/// The partitions' folders in a log directory, by name.
///
/// # Errors
/// The directory cannot be listed.
pub async fn find_partitions(directory: &Path) -> Result<Vec<FoundPartition>, StoreError> {
    let entries = fs::read_dir(directory)
        .await
        .map_err(StoreError::io("listing", directory))?;
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let name = entry.name.to_string_lossy();
        if let Some((topic, partition)) = layout::parse_partition_folder(&name) {
            let topic_id = read_topic_id(&directory.join(&*name)).await;
            found.push(FoundPartition {
                topic: topic.to_owned(),
                partition,
                topic_id,
            });
        }
    }
    found.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(found)
}

const CHECKPOINT_SIZE_BYTES_MAX: usize = 64 << 20;

/// The offsets in one of the root's checkpoint files; none when it does not exist.
pub(crate) async fn read_checkpoint(
    path: &Path,
) -> Result<Vec<checkpoint_file::PartitionOffset>, StoreError> {
    match fs::read_file(path, CHECKPOINT_SIZE_BYTES_MAX).await {
        Ok(bytes) => Ok(
            checkpoint_file::decode_offsets(&bytes).unwrap_or_else(|error| {
                tracing::warn!("{} is ignored: {error}", path.display());
                Vec::new()
            }),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::io("reading", path)(error)),
    }
}

/// First offsets by topic and partition, as the file names them: what is no partition of ours is
/// never asked for.
async fn read_start_offsets(directory: &Path) -> Result<HashMap<(String, i32), i64>, StoreError> {
    let path = directory.join(layout::LOG_START_OFFSET_CHECKPOINT);
    let offsets = read_checkpoint(&path).await?.into_iter();
    Ok(offsets
        .map(|found| ((found.topic, found.partition), found.offset))
        .collect())
}
