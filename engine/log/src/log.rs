//! One partition's log: a handle for its leader or follower, and the state behind it.
//!
//! Appending is synchronous: the batch is copied into the tail, gets its offsets, and waits for
//! the shard's commit loop. [`Log::durable_end_offset`] says what is kept. Lives on its shard's
//! core and never leaves it; knows nothing of other replicas.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{Timestamp, TopicPartition};
use engine_cache::Tail;

use crate::config::LogConfig;
use crate::leader_epochs::LeaderEpochs;
use crate::producer_state::ProducerState;
use crate::segment::Segment;
use crate::shared::Shared;

/// A partition's log. Clones are the same log.
#[derive(Clone)]
pub struct Log {
    pub(crate) inner: Rc<LogInner>,
}

pub(crate) struct LogInner {
    pub(crate) shared: Rc<Shared>,
    /// The log's index in its store.
    pub(crate) key: u32,
    pub(crate) id: TopicPartition,
    /// Topic and partition as the folder is named.
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) state: RefCell<LogState>,
    /// In the queue of the commit loop.
    pub(crate) is_dirty: Cell<bool>,
    /// In the queue of the destager.
    pub(crate) wants_destage: Cell<bool>,
    /// In the queue of those that get space behind their ends.
    pub(crate) wants_space: Cell<bool>,
    /// Appends go on while those of others are refused for want of space.
    pub(crate) uses_reserve: Cell<bool>,
    /// Somebody writes the files that are derived from the log, or cuts it.
    pub(crate) is_deriving: Cell<bool>,
}

impl fmt::Debug for LogInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({})", self.name)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

/// Accepted bytes of one segment that no commit has taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) segment_base: i64,
    pub(crate) position: u64,
    pub(crate) size_bytes: u64,
    pub(crate) first_offset: i64,
    pub(crate) next_offset: i64,
}

/// A statement for the next commit that is not about new bytes.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    /// The start offset moved.
    Trimmed { start_offset: i64 },
    /// The log was cut; everything of it is in its segments and synced.
    Truncated {
        end_offset: i64,
        segment_base: i64,
        position: u64,
        last_block: Vec<u8>,
    },
}

pub(crate) struct LogState {
    pub(crate) config: LogConfig,
    /// Bumped by every truncation.
    pub(crate) generation: u32,
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    /// Up to here everything is what the log's durability calls kept.
    pub(crate) committed_end_offset: i64,
    /// Oldest first; the last one is active. Never empty.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) tail: Tail,
    /// Oldest first, at most one for each segment.
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) controls: VecDeque<Control>,
    /// Controls committed since the log was opened: a waiter's ticket.
    pub(crate) controls_committed: u64,
    pub(crate) controls_queued: u64,
    /// The journal knows the log: its end is stated there, so its file may be longer.
    pub(crate) is_introduced: bool,
    /// The destager must rewrite the block at this segment's destaged end, and the journal does
    /// not hold it: the next commit carries its image.
    pub(crate) wants_image: Option<i64>,
    /// Some segment has writes that only a sync of its file makes durable.
    pub(crate) has_own_writes: bool,
    /// How many such writes there were.
    pub(crate) own_writes: u64,
    /// A commit that contains the log is in flight.
    pub(crate) is_in_commit: bool,
    /// A truncation or deletion is under way: appends wait.
    pub(crate) is_frozen: bool,
    pub(crate) is_deleted: bool,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) epochs_written: bool,
    pub(crate) producers: ProducerState,
    /// Producer snapshots taken and not written yet: end offset and bytes.
    pub(crate) snapshots: Vec<(i64, Vec<u8>)>,
    /// End offset at the last producer snapshot.
    pub(crate) snapshot_offset: i64,
}

impl LogState {
    pub(crate) fn active(&self) -> &Segment {
        self.segments.back().expect("a log has an active segment")
    }

    pub(crate) fn active_mut(&mut self) -> &mut Segment {
        self.segments
            .back_mut()
            .expect("a log has an active segment")
    }

    /// The segment that holds `offset`, or the first.
    pub(crate) fn segment_index_for(&self, offset: i64) -> usize {
        self.segments
            .partition_point(|segment| segment.base_offset <= offset)
            .saturating_sub(1)
    }

    pub(crate) fn segment(&self, base_offset: i64) -> Option<&Segment> {
        let index = self.segment_index_for(base_offset);
        self.segments
            .get(index)
            .filter(|segment| segment.base_offset == base_offset)
    }

    pub(crate) fn segment_mut(&mut self, base_offset: i64) -> Option<&mut Segment> {
        let index = self.segment_index_for(base_offset);
        self.segments
            .get_mut(index)
            .filter(|segment| segment.base_offset == base_offset)
    }

    /// From where on the tail must keep its bytes: the first that no segment holds.
    pub(crate) fn pinned_from(&self) -> (i64, u64) {
        let unwritten = |segment: &&Segment| segment.destaged_position < segment.end_position;
        let first = self
            .segments
            .iter()
            .find(unwritten)
            .unwrap_or_else(|| self.active());
        (first.base_offset, first.destaged_position)
    }

    /// Whether the tail can take an append: it continues, or begins at a block boundary.
    pub(crate) fn is_tail_ready(&self) -> bool {
        let active = self.active();
        active.end_position.is_multiple_of(BLOCK_SIZE_BYTES as u64)
            || self.tail.end_position(active.base_offset) == Some(active.end_position)
    }

    /// The log ends here from now on. Everything was in its segments; files follow later.
    pub(crate) fn cut(&mut self, end_offset: i64, segment_base: i64, position: u64) {
        assert!(self.is_frozen);
        assert!(self.pending.is_empty());
        self.generation += 1;
        self.end_offset = end_offset;
        self.committed_end_offset = end_offset;
        self.start_offset = self.start_offset.min(end_offset);
        self.segments
            .retain(|segment| segment.base_offset <= segment_base);
        self.tail.clear();
        self.epochs_written &= !self.epochs.truncate_end(end_offset);
        let active = self.active_mut();
        assert_eq!(active.base_offset, segment_base);
        active.held.clear();
        active.end_position = position;
        active.committed_position = position;
        active.destaged_position = position;
        active.synced_position = active.synced_position.min(position);
        active.pinned_file = None;
        active.is_synced = false;
    }

    /// Whether everything accepted was committed and no commit is in flight.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.controls.is_empty() && !self.is_in_commit
    }
}

impl Log {
    /// The partition by the id of its topic.
    #[must_use]
    pub fn id(&self) -> TopicPartition {
        self.inner.id
    }

    /// The log's index in its store: small, dense, stable while the log exists.
    #[must_use]
    pub fn key(&self) -> u32 {
        self.inner.key
    }

    /// The folder's name, `<topic>-<partition>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The first offset there is.
    #[must_use]
    pub fn log_start_offset(&self) -> i64 {
        self.inner.state.borrow().start_offset
    }

    /// The offset the next record gets.
    #[must_use]
    pub fn log_end_offset(&self) -> i64 {
        self.inner.state.borrow().end_offset
    }

    /// The end of what is kept, by the log's durability: what acks and high watermark may count.
    #[must_use]
    pub fn durable_end_offset(&self) -> i64 {
        self.inner.state.borrow().committed_end_offset
    }

    /// The largest leader epoch in the log.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<i32> {
        self.inner.state.borrow().epochs.latest_epoch()
    }

    /// The end offset of an epoch: the largest epoch at or below the asked one, and where the
    /// next one begins (KIP-101, KIP-279). `None` when every epoch in the log is above it.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEnd> {
        let state = self.inner.state.borrow();
        let (leader_epoch, end_offset) = state.epochs.end_offset_for(epoch, state.end_offset)?;
        Some(EpochEnd {
            leader_epoch,
            end_offset,
        })
    }

    /// The epoch that `offset` was, or would be, appended in.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        self.inner.state.borrow().epochs.epoch_for_offset(offset)
    }

    /// The first offset of the oldest transaction that is not decided below the high watermark:
    /// `read_committed` ends there. `None` without such a transaction.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let state = self.inner.state.borrow();
        let first_unstable = state.producers.first_unstable_offset()?;
        // What was deleted from below an open transaction is not waited for.
        Some(first_unstable.max(state.start_offset))
    }

    /// The high watermark moved: markers of transactions below it are safe, and no longer hold
    /// `read_committed` readers back.
    pub fn on_high_watermark(&self, high_watermark: i64) {
        let mut state = self.inner.state.borrow_mut();
        state.producers.on_high_watermark(high_watermark);
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner
            .state
            .borrow()
            .segments
            .iter()
            .map(|segment| segment.end_position)
            .sum()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> LogConfig {
        self.inner.state.borrow().config.clone()
    }

    /// Takes a new configuration; it holds from the next append on.
    pub fn update_config(&self, config: LogConfig) {
        self.inner.state.borrow_mut().config = config;
    }

    /// The largest timestamp in the log and the last offset of the batch that has it, when any
    /// batch carries one.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<(Timestamp, i64)> {
        let state = self.inner.state.borrow();
        let of_segments = state.segments.iter().map(|segment| segment.max_timestamp);
        of_segments
            .filter(|&(timestamp, _)| timestamp >= 0)
            .max_by_key(|&(t, offset)| (t, -offset))
    }
}

/// Where a leader epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch in the log that is not above the one asked for.
    pub leader_epoch: i32,
    /// The first offset of the next epoch, or the log's end.
    pub end_offset: i64,
}
