//! The group coordinator of one `__consumer_offsets` partition: performs what it decides.
//!
//! Lives on the shard that owns the partition. The decisions are `replication-group`'s; here are
//! the log they are written to, the clock, and the requests that wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use engine_base::{HashMap, Instant};
use engine_log::AppendError;
use engine_record::{Batches, Compression, Decompressor};
use engine_runtime::{
    Notify, OneshotSender, critical, now, oneshot, race, sleep_until, wall_clock_ms,
};
use replication_coordinator::{
    Append, AppendError as CoordinatorError, CoordinatorShard, Effects, Moment, RuntimeConfig,
    Token,
};
use replication_group::{Answer, GroupConfig, GroupCoordinator, Request};
use replication_partition::{Isolation, Partition};

/// Bytes of the log that are replayed at a time.
const LOAD_SIZE_BYTES: usize = 1 << 20;

type Shard = CoordinatorShard<GroupCoordinator>;

/// One partition's coordinator and what it needs from the world.
pub(crate) struct GroupHost {
    partition: Rc<Partition>,
    shard: RefCell<Shard>,
    /// Requests that wait for their answers.
    waiting: RefCell<HashMap<Token, OneshotSender<Answer>>>,
    token_next: Cell<u64>,
    deadline: Cell<Option<Instant>>,
    deadline_moved: Notify,
    is_stopped: Cell<bool>,
    /// Records for the log, in order, while it is busy.
    writes: RefCell<VecDeque<Append>>,
    writes_wait: Notify,
}

impl GroupHost {
    /// A coordinator that has not loaded: it answers COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) fn new(partition: Rc<Partition>, config: GroupConfig) -> Rc<Self> {
        let machine = GroupCoordinator::new(config);
        Rc::new(Self {
            partition,
            shard: RefCell::new(Shard::new(machine, RuntimeConfig::default())),
            waiting: RefCell::default(),
            token_next: Cell::new(0),
            deadline: Cell::new(None),
            deadline_moved: Notify::new(),
            is_stopped: Cell::new(false),
            writes: RefCell::default(),
            writes_wait: Notify::new(),
        })
    }

    /// Asks the coordinator. The answer comes when the records it depends on are committed.
    pub(crate) async fn ask(&self, request: Request) -> Option<Answer> {
        let token = Token(self.token_next.get());
        self.token_next.set(token.0 + 1);
        let (sender, receiver) = oneshot();
        self.waiting.borrow_mut().insert(token, sender);
        // Within the asking connection's task, whose panics close the connection only.
        critical("group coordinator", || {
            let effects = self.shard.borrow_mut().handle(moment(), token, request);
            self.perform(effects);
        });
        receiver.await.ok()
    }

    /// Calls `note` with the state of each group.
    pub(crate) fn each_state(&self, note: impl FnMut(&'static str)) {
        self.shard.borrow().machine().states().for_each(note);
    }

    /// The partition's high watermark moved.
    pub(crate) fn on_high_watermark(&self) {
        let high_watermark = self.partition.high_watermark();
        let effects = self
            .shard
            .borrow_mut()
            .on_high_watermark(moment(), high_watermark);
        self.perform(effects);
    }

    /// Stops: every request that waits is told to look elsewhere.
    pub(crate) fn stop(&self) {
        if !self.is_stopped.replace(true) {
            let effects = self.shard.borrow_mut().unload(moment());
            self.perform(effects);
            self.deadline_moved.notify_all();
            self.writes_wait.notify_all();
        }
    }

    /// Replays the log, then serves. Whatever cannot be read leaves the coordinator loading: it
    /// must not promise less than was committed.
    pub(crate) async fn load(&self) -> Result<(), String> {
        let partition = &self.partition;
        let mut decompressor = Decompressor::new();
        let mut notices = Vec::new();
        let mut offset = partition.log_start_offset();
        let log_end_offset = partition.log_end_offset();
        while offset < log_end_offset {
            let read = partition
                .read(offset, LOAD_SIZE_BYTES, Isolation::LogEnd, true)
                .await;
            let data = read.map_err(|error| error.to_string())?;
            let bytes = data
                .slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect::<Vec<u8>>();
            offset = data.next_offset;
            for batch in Batches::new(&bytes) {
                let batch = batch.map_err(|error| error.to_string())?;
                let high_watermark = partition.high_watermark();
                let mut shard = self.shard.borrow_mut();
                shard
                    .load_batch(&batch, &mut decompressor, high_watermark, &mut notices)
                    .map_err(|error| error.to_string())?;
            }
        }
        for notice in notices {
            tracing::warn!(%partition, "{notice}");
        }
        let high_watermark = partition.high_watermark();
        let effects = self
            .shard
            .borrow_mut()
            .finish_load(moment(), log_end_offset, high_watermark);
        self.perform(effects);
        Ok(())
    }

    async fn run_timers(&self) {
        while !self.is_stopped.get() {
            match self.deadline.get() {
                None => self.deadline_moved.wait().await,
                Some(deadline) if deadline <= now() => {
                    self.deadline.set(None);
                    let effects = self.shard.borrow_mut().on_timer(moment());
                    self.perform(effects);
                }
                Some(deadline) => {
                    race(sleep_until(deadline), self.deadline_moved.wait()).await;
                }
            }
        }
    }

    /// Writes, answers and reports, in the coordinator's order.
    fn perform(&self, effects: Effects<GroupCoordinator>) {
        let mut queue = VecDeque::from([effects]);
        while let Some(effects) = queue.pop_front() {
            if !effects.appends.is_empty() {
                self.writes.borrow_mut().extend(effects.appends);
                if let Some(failed) = self.write_queued() {
                    queue.push_front(failed);
                }
            }
            for (token, answer) in effects.answers {
                if let Some(waiting) = self.waiting.borrow_mut().remove(&token) {
                    // The client may have gone: its answer is dropped.
                    let _ = waiting.send(answer);
                }
            }
            for notice in effects.notices {
                tracing::info!(partition = %self.partition, "{notice}");
            }
            if effects.deadline != self.deadline.get() {
                self.deadline.set(effects.deadline);
                self.deadline_moved.notify_all();
            }
        }
    }

    /// Writes what is queued, in order, until the log is busy. When a record is refused, it and
    /// everything after it is void; what the coordinator says to that is returned.
    fn write_queued(&self) -> Option<Effects<GroupCoordinator>> {
        loop {
            let append = self.writes.borrow_mut().pop_front()?;
            match self.write(&append) {
                Ok(()) => {}
                Err(AppendError::Busy) => {
                    self.writes.borrow_mut().push_front(append);
                    self.writes_wait.notify_all();
                    return None;
                }
                Err(error) => {
                    tracing::error!(partition = %self.partition, "a record was refused: {error}");
                    self.writes.borrow_mut().clear();
                    let refused = CoordinatorError::KafkaStorageError;
                    let mut shard = self.shard.borrow_mut();
                    return Some(shard.on_append_failed(moment(), append.id, refused));
                }
            }
        }
    }

    fn write(&self, append: &Append) -> Result<(), AppendError> {
        let appended = self
            .partition
            .append_own(&append.to_batch(Compression::None), append.timestamp)?;
        let in_sync = self
            .shard
            .borrow()
            .on_appended(append.id, appended.base_offset);
        // Only this host writes to the partition: other offsets mean that its state is not the
        // log's, and every further answer would be wrong.
        in_sync.unwrap_or_else(|error| panic!("{}: {error}", self.partition));
        Ok(())
    }

    /// Goes on with what waits when the log was busy.
    async fn run_writes(&self) {
        while !self.is_stopped.get() {
            if self.writes.borrow().is_empty() {
                self.writes_wait.wait().await;
                continue;
            }
            // A store that failed says so at the next try.
            let _ = self.partition.log().ready_to_append().await;
            if let Some(effects) = self.write_queued() {
                self.perform(effects);
            }
        }
    }

    /// Runs the coordinator until it stops.
    pub(crate) async fn run(&self) {
        race(self.run_timers(), self.run_writes()).await;
    }
}

fn moment() -> Moment {
    Moment {
        now: now(),
        timestamp: wall_clock_ms(),
    }
}
