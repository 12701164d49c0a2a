//! What one core owns of a topic.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use engine_base::{Timestamp, TopicPartition};
use engine_log::{AppendError, Appended, Log, ReadData, ReadError, ReadRequest};
use engine_record::validate::{Origin, Rules, validate_batch};
use engine_record::{BatchInfo, Decompressor};
use engine_runtime::{Notify, critical};

use crate::high_watermark::advance;
use crate::turn::{Begun, Turn, Turns};
use crate::waiting::{Watcher, Watchers};

/// How far a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything appended: followers, and a coordinator reading its own log.
    LogEnd,
    /// What is kept: consumers (`read_uncommitted`).
    HighWatermark,
    /// What is kept and decided: consumers with `read_committed`.
    LastStable,
}

/// The caller's leader epoch is not the partition's (KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochError {
    /// Older: FENCED_LEADER_EPOCH.
    Fenced,
    /// Newer: UNKNOWN_LEADER_EPOCH, this broker's metadata lags.
    Unknown,
}

/// The partition was deleted while somebody waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted;

/// A partition led by this broker.
pub struct Partition {
    id: TopicPartition,
    topic: Rc<str>,
    log: Log,
    leader_epoch: Cell<i32>,
    /// Never below the log's start, never above its end, never decreasing.
    high_watermark: Cell<i64>,
    advanced: Notify,
    watchers: Watchers,
    turns: Turns,
    is_deleted: Cell<bool>,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.id.partition)
    }
}

impl Partition {
    /// Takes over leadership of a log in `leader_epoch`. On one node everything that recovery
    /// left in the log is kept, so the high watermark starts at its end.
    #[must_use]
    pub fn new(id: TopicPartition, topic: Rc<str>, log: Log, leader_epoch: i32) -> Rc<Self> {
        let high_watermark = Cell::new(log.durable_end_offset());
        Rc::new(Self {
            id,
            topic,
            log,
            leader_epoch: Cell::new(leader_epoch),
            high_watermark,
            advanced: Notify::new(),
            watchers: Watchers::default(),
            turns: Turns::default(),
            is_deleted: Cell::new(false),
        })
    }

    /// The partition's identity.
    #[must_use]
    pub fn id(&self) -> TopicPartition {
        self.id
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &Rc<str> {
        &self.topic
    }

    /// The log below.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The epoch this broker leads in.
    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch.get()
    }

    /// A new leader epoch from the metadata; epochs never decrease.
    pub fn set_leader_epoch(&self, leader_epoch: i32) {
        assert!(leader_epoch >= self.leader_epoch.get());
        self.leader_epoch.set(leader_epoch);
    }

    /// Compares the epoch of a request (-1: the client does not know).
    ///
    /// # Errors
    /// [`EpochError`] when it is another than this partition's.
    pub fn check_leader_epoch(&self, current: i32) -> Result<(), EpochError> {
        match current {
            -1 => Ok(()),
            epoch if epoch < self.leader_epoch.get() => Err(EpochError::Fenced),
            epoch if epoch > self.leader_epoch.get() => Err(EpochError::Unknown),
            _ => Ok(()),
        }
    }

    /// Appends a validated batch, or takes a place in the queue when the log cannot take it now.
    /// Its offsets are final; it is kept once the high watermark has passed it.
    pub fn begin_append(
        self: &Rc<Self>,
        batch: &[u8],
        info: &BatchInfo,
        now_ms: Timestamp,
    ) -> Begun {
        if self.turns.is_empty() {
            match self.try_append(batch, info, now_ms) {
                Err(AppendError::Busy) => {}
                done => return Begun::Done(done),
            }
        }
        Begun::Queued(Turn::take(self.clone()))
    }

    /// Appends at once or not at all: for the broker's own records, whose writer keeps the order
    /// itself.
    ///
    /// # Errors
    /// What the log refuses: sequence errors, a full disk, `Busy`.
    pub fn try_append(
        &self,
        batch: &[u8],
        info: &BatchInfo,
        now_ms: Timestamp,
    ) -> Result<Appended, AppendError> {
        critical("append", || {
            self.log
                .append(batch, info, self.leader_epoch.get(), now_ms)
        })
    }

    /// Appends a batch of the broker's own: a coordinator's or the controller's records.
    ///
    /// # Errors
    /// What the log refuses. A batch that breaks a rule is a fault of this program.
    pub fn append_own(&self, batch: &[u8], now_ms: Timestamp) -> Result<Appended, AppendError> {
        let rules = Rules {
            batch_size_bytes_max: usize::MAX,
            ..Rules::default()
        };
        let mut decompressor = Decompressor::new();
        let info = validate_batch(
            batch,
            Origin::Coordinator,
            &rules,
            now_ms,
            &mut decompressor,
        )
        .unwrap_or_else(|rejection| panic!("{self}: a batch of our own is refused: {rejection}"));
        self.try_append(batch, &info, now_ms)
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// The first offset that can be read.
    #[must_use]
    pub fn log_start_offset(&self) -> i64 {
        self.log.log_start_offset()
    }

    /// The offset that the next record will get.
    #[must_use]
    pub fn log_end_offset(&self) -> i64 {
        self.log.log_end_offset()
    }

    /// Up to where (exclusive) records are kept.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.get()
    }

    /// Up to where (exclusive) records are kept and no transaction is open.
    #[must_use]
    pub fn last_stable_offset(&self) -> i64 {
        let first_unstable = self.log.first_unstable_offset();
        first_unstable
            .unwrap_or(i64::MAX)
            .min(self.high_watermark.get())
    }

    /// The end of what a reader may see.
    #[must_use]
    pub fn end_offset(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::LogEnd => self.log_end_offset(),
            Isolation::HighWatermark => self.high_watermark(),
            Isolation::LastStable => self.last_stable_offset(),
        }
    }

    /// The commit loop moved the log's durable end: moves the watermark and wakes who waits.
    /// Returns whether it moved.
    pub fn on_committed(&self) -> bool {
        let before = self.high_watermark.get();
        let after = advance(before, [self.log.durable_end_offset()]);
        assert!(after <= self.log.log_end_offset());
        if after == before {
            return false;
        }
        self.high_watermark.set(after);
        self.log.on_high_watermark(after);
        self.advanced.notify_all();
        self.watchers.wake();
        true
    }

    /// The partition was deleted: who waits for it is woken to find out.
    pub fn on_deleted(&self) {
        self.is_deleted.set(true);
        self.advanced.notify_all();
        self.watchers.wake();
    }

    /// Waits until everything below `offset` is kept.
    ///
    /// # Errors
    /// [`Deleted`]: it never will be.
    pub async fn committed(&self, offset: i64) -> Result<(), Deleted> {
        while self.high_watermark.get() < offset {
            if self.is_deleted.get() {
                return Err(Deleted);
            }
            self.advanced.wait().await;
        }
        Ok(())
    }

    /// Wakes `watcher` the next time the watermark moves.
    pub fn watch(&self, watcher: &Rc<Watcher>) {
        self.watchers.add(watcher);
    }

    /// Reads whole batches from `offset` on, at most `size_bytes_max` bytes unless `min_one` asks
    /// for the first batch whatever its size.
    ///
    /// # Errors
    /// An offset outside of the log, or the disk.
    pub async fn read(
        &self,
        offset: i64,
        size_bytes_max: usize,
        isolation: Isolation,
        min_one: bool,
    ) -> Result<ReadData, ReadError> {
        let request = ReadRequest {
            from_offset: offset,
            size_bytes_max,
            min_one_batch: min_one,
            upper_bound_offset: self.end_offset(isolation),
        };
        match self.log.try_read_cached(&request) {
            Some(result) => result,
            None => self.log.read(request).await,
        }
    }
}
