//! What can be set: for one log (topic configuration) and for one store (broker configuration).

use std::path::PathBuf;

use engine_base::limits::SHARDS_MAX;
use engine_base::{GIB, MIB, ShardId};
use engine_journal::limits as journal_limits;

use crate::limits::{
    CHECKPOINT_AFTER_BYTES, CHECKPOINT_AFTER_BYTES_MIN, DESTAGE_SIZE_BYTES, FREE_SPACE_BYTES_MIN,
    POOL_FILE_SIZE_BYTES_MIN, POOL_SIZE_BYTES_MAX, SEGMENT_SIZE_BYTES_MAX,
    SMALL_UNIT_SIZE_BYTES_MAX,
};

/// What "kept" means for a log (`ottla.durability`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// On stable media: survives power loss.
    #[default]
    Flush,
    /// Written: survives the end of the process, not power loss. Kafka's own level.
    Written,
}

/// How segment writes become durable with a commit (`ottla.flush.files`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FlushFiles {
    /// [`FlushFiles::Each`] when the device writes through to the media on demand (FUA): the
    /// kernel may then force only the journal's own blocks; else [`FlushFiles::Journal`].
    #[default]
    Auto,
    /// The journal's durable write flushes the device's cache, and with it the segment writes
    /// that completed before.
    Journal,
    /// Each segment file of a commit is synced before its journal entry.
    Each,
}

/// How segments are read and written (`ottla.io`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IoMode {
    /// O_DIRECT where the directory allows it, else buffered with a loud line.
    #[default]
    Auto,
    /// Through the page cache.
    Buffered,
}

/// One log's configuration; names and defaults are Kafka's topic configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `ottla.durability`.
    pub durability: Durability,
    /// `segment.bytes`.
    pub segment_size_bytes: u64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`, drawn once for each segment.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`.
    pub index_size_bytes_max: u64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `retention.ms`; -1 keeps for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; -1 keeps everything.
    pub retention_bytes: i64,
    /// Whether `cleanup.policy` contains `delete`.
    pub is_deleting: bool,
    /// `transactional.id.expiration.ms`'s sibling for producer ids
    /// (`producer.id.expiration.ms`).
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            durability: Durability::Flush,
            segment_size_bytes: GIB as u64,
            segment_ms: 7 * 24 * 3600 * 1000,
            segment_jitter_ms: 0,
            index_size_bytes_max: 10 * MIB as u64,
            index_interval_bytes: 4096,
            retention_ms: 7 * 24 * 3600 * 1000,
            retention_bytes: -1,
            is_deleting: true,
            producer_id_expiration_ms: 24 * 3600 * 1000,
        }
    }
}

impl LogConfig {
    /// The segment size within what positions can name.
    #[must_use]
    pub fn segment_size_bytes(&self) -> u64 {
        self.segment_size_bytes.min(SEGMENT_SIZE_BYTES_MAX)
    }
}

/// One store's configuration: a shard's logs in one log directory.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The log directory (`log.dirs`).
    pub directory: PathBuf,
    /// Whose logs these are.
    pub shard: ShardId,
    /// How segments become durable with a commit.
    pub flush_files: FlushFiles,
    /// How segments are read and written.
    pub io: IoMode,
    /// Memory for tails. Pinned bytes may exceed it while the disk is slow.
    pub cache_size_bytes: usize,
    /// Free space below which appends are refused.
    pub free_space_bytes_min: u64,
    /// Files that the store may have open: its share of the process's limit.
    pub open_files_max: usize,
    /// Bytes of recycled segment files to keep (`ottla.pool.bytes`); zero keeps none.
    pub pool_size_bytes_max: u64,
    /// A smaller file is not recycled; tests shrink it.
    pub pool_file_size_bytes_min: u64,
    /// Sizes that tests shrink.
    pub sizes: Sizes,
    /// All of them, but in the tests that prove that they are needed.
    pub guards: Guards,
}

/// The guards of the commit pipeline and of the pool. Always on: only the feature `broken-guards`
/// lets a test remove one, to prove that the crash enumeration finds its absence.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    tail_image: bool,
    segment_before_entry: bool,
    generation: bool,
    names_before_reuse: bool,
    end_of_data: bool,
    own_sync: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            tail_image: true,
            segment_before_entry: true,
            generation: true,
            names_before_reuse: true,
            end_of_data: true,
            own_sync: true,
        }
    }
}

impl Guards {
    /// A block that holds acknowledged bytes is rewritten only while the journal holds them.
    pub(crate) fn tail_image(self) -> bool {
        self.tail_image
    }

    /// A large unit is in its segment before the journal describes it.
    pub(crate) fn segment_before_entry(self) -> bool {
        self.segment_before_entry
    }

    /// A truncation is in the journal, with a new generation, before it is acknowledged.
    pub(crate) fn generation(self) -> bool {
        self.generation
    }

    /// That a file changed its owner is durable before its bytes change.
    pub(crate) fn names_before_reuse(self) -> bool {
        self.names_before_reuse
    }

    /// Old bytes of a recycled file never follow data, or begin a segment, where a batch could.
    pub(crate) fn end_of_data(self) -> bool {
        self.end_of_data
    }

    /// Writes into allocated space are synced before anything relies on them.
    pub(crate) fn own_sync(self) -> bool {
        self.own_sync
    }

    /// Without the tail image.
    #[cfg(feature = "broken-guards")]
    #[must_use]
    pub fn without_tail_image() -> Self {
        Self {
            tail_image: false,
            ..Self::default()
        }
    }

    /// Without the order of segment write and journal entry.
    #[cfg(feature = "broken-guards")]
    #[must_use]
    pub fn without_segment_before_entry() -> Self {
        Self {
            segment_before_entry: false,
            ..Self::default()
        }
    }

    /// Without the generation on truncation.
    #[cfg(feature = "broken-guards")]
    #[must_use]
    pub fn without_generation() -> Self {
        Self {
            generation: false,
            ..Self::default()
        }
    }

    /// Without the syncs between a recycled file's renames and its next write.
    #[cfg(feature = "broken-guards")]
    #[must_use]
    pub fn without_names_before_reuse() -> Self {
        Self {
            names_before_reuse: false,
            ..Self::default()
        }
    }

    /// Without the zeroes between data and the old bytes of a recycled file.
    #[cfg(feature = "broken-guards")]
    #[must_use]
    pub fn without_end_of_data() -> Self {
        Self {
            end_of_data: false,
            ..Self::default()
        }
    }

    /// Without the sync of a file whose space was only allocated.
    #[cfg(feature = "broken-guards")]
    #[must_use]
    pub fn without_own_sync() -> Self {
        Self {
            own_sync: false,
            ..Self::default()
        }
    }
}

/// Sizes of the engine's parts: the constants of `limits.rs`, smaller in simulations, where a
/// workload of some kilobytes must cross every boundary.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A unit below this travels in the journal.
    pub small_unit_size_bytes_max: usize,
    /// Committed bytes of one log that live only in the journal.
    pub destage_size_bytes: u64,
    /// The journal's first file.
    pub journal_first_file_size_bytes: u64,
    /// Every later one.
    pub journal_file_size_bytes: u64,
    /// Data that a journal file describes before the journal begins a new one. With
    /// [`crate::limits::DESCRIBED_CHECKPOINTS_MAX`] times as much in all, commits wait.
    pub checkpoint_after_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            small_unit_size_bytes_max: SMALL_UNIT_SIZE_BYTES_MAX,
            destage_size_bytes: DESTAGE_SIZE_BYTES,
            journal_first_file_size_bytes: journal_limits::FIRST_FILE_SIZE_BYTES,
            journal_file_size_bytes: journal_limits::FILE_SIZE_BYTES,
            checkpoint_after_bytes: CHECKPOINT_AFTER_BYTES,
        }
    }
}

impl Sizes {
    /// The defaults for one of so many shards that share a directory: what a start has to verify is
    /// bounded for all of them together.
    #[must_use]
    pub fn of_one_in(shards: usize) -> Self {
        let share = CHECKPOINT_AFTER_BYTES / (shards.max(1) as u64);
        Self {
            checkpoint_after_bytes: share.max(CHECKPOINT_AFTER_BYTES_MIN),
            ..Self::default()
        }
    }
}

impl StoreConfig {
    /// The defaults for a shard's part of `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, shard: ShardId) -> Self {
        assert!(shard.index() < SHARDS_MAX);
        Self {
            directory: directory.into(),
            shard,
            flush_files: FlushFiles::Auto,
            io: IoMode::Auto,
            cache_size_bytes: 128 * MIB,
            free_space_bytes_min: FREE_SPACE_BYTES_MIN,
            open_files_max: usize::MAX,
            pool_size_bytes_max: POOL_SIZE_BYTES_MAX,
            pool_file_size_bytes_min: POOL_FILE_SIZE_BYTES_MIN,
            sizes: Sizes::default(),
            guards: Guards::default(),
        }
    }
}
