//! Drives one machine over one partition: the order of writes, commits, answers and deadlines.

use std::fmt;
use std::time::Duration;

use crate::append::{Append, AppendBody, AppendError, AppendId, KeyValue, Producer};
use crate::effects::{Effects, Token};
use crate::limits::{BATCH_RECORDS_MAX, BATCH_SIZE_BYTES_MAX};
use crate::machine::{Context, Failure, Machine, Moment, Outcome, Position, Reply, Work};
use crate::timers::Timers;
use crate::waiting::{Waiter, Waiting};

/// Settings of the driver.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeConfig {
    /// How long an answer waits for its records to commit (`offsets.commit.timeout.ms`).
    pub write_timeout: Duration,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            write_timeout: Duration::from_secs(5),
        }
    }
}

/// Where a shard is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Replaying the log; requests are refused as [`Failure::LoadInProgress`].
    Loading,
    /// Serving.
    Active,
    /// Unloaded; nothing may be asked of it.
    Closed,
}

/// The log gave other offsets than the machine was told. Whatever wrote in between is not in the
/// machine's state: the shard must be unloaded and loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfSync {
    /// The append concerned.
    pub append: AppendId,
    /// What the machine was told.
    pub expected_offset: i64,
    /// What the log says.
    pub actual_offset: i64,
}

impl fmt::Display for OutOfSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the log appended at offset {} what the coordinator expected at {}: somebody else \
             writes to this partition; the coordinator must be loaded again",
            self.actual_offset, self.expected_offset
        )
    }
}

impl std::error::Error for OutOfSync {}

/// One coordinator on one core. See the crate's documentation for the flow.
pub struct CoordinatorShard<M: Machine> {
    machine: M,
    config: RuntimeConfig,
    lifecycle: Lifecycle,
    timers: Timers<M::TimerKey, M::TimerTask>,
    next_append: AppendId,
    /// Where the next record will stand.
    next_offset: i64,
    waiting: Waiting<M>,
}

impl<M: Machine> CoordinatorShard<M> {
    /// A shard that begins to load.
    #[must_use]
    pub fn new(machine: M, config: RuntimeConfig) -> Self {
        Self {
            machine,
            config,
            lifecycle: Lifecycle::Loading,
            timers: Timers::new(),
            next_append: AppendId::LOADED.next(),
            next_offset: 0,
            waiting: Waiting::new(),
        }
    }

    /// The machine, to look at.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    pub(crate) const fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Where the shard is in its life.
    pub const fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    /// Appends written and not yet committed.
    pub fn appends_in_flight(&self) -> usize {
        self.waiting.append_count()
    }

    /// Notes a batch of the log and says under which append its records are replayed.
    pub(crate) fn begin_loaded_batch(&mut self, next_offset: i64, high_watermark: i64) -> AppendId {
        assert!(next_offset >= self.next_offset, "the log goes one way");
        let base_offset = self.next_offset;
        self.next_offset = next_offset;
        self.commit_loaded(high_watermark);
        if next_offset <= high_watermark {
            return AppendId::LOADED;
        }
        let id = self.take_append_id();
        self.waiting.push(id, base_offset, next_offset);
        id
    }

    fn commit_loaded(&mut self, high_watermark: i64) {
        if let Some(up_to) = self.waiting.newest_below(high_watermark) {
            self.machine.commit(up_to);
            let waiters = self.waiting.take_committed(up_to);
            assert!(waiters.is_empty(), "nobody waits while loading");
        }
    }

    /// The whole log has been replayed: serves from now on.
    ///
    /// # Panics
    /// When the shard is not loading, or the log ends before what was replayed.
    pub fn finish_load(
        &mut self,
        moment: Moment,
        log_end_offset: i64,
        high_watermark: i64,
    ) -> Effects<M> {
        assert_eq!(self.lifecycle, Lifecycle::Loading);
        assert!(log_end_offset >= self.next_offset);
        self.next_offset = log_end_offset;
        self.commit_loaded(high_watermark);
        self.lifecycle = Lifecycle::Active;
        let mut effects = Effects::new();
        let outcome = with_context(
            &mut self.machine,
            &mut self.timers,
            &mut effects,
            moment,
            self.next_append,
            Machine::on_loaded,
        );
        self.perform(moment, None, outcome, &mut effects);
        self.finish(effects)
    }

    /// Handles one request.
    pub fn handle(&mut self, moment: Moment, token: Token, request: M::Request) -> Effects<M> {
        let mut effects = Effects::new();
        if let Some(answer) = self.machine.screen(&request) {
            effects.answers.push((token, answer));
            return self.finish(effects);
        }
        let refusal = match self.lifecycle {
            Lifecycle::Loading => Some(Failure::LoadInProgress),
            Lifecycle::Closed => Some(Failure::NotCoordinator),
            Lifecycle::Active if self.waiting.is_full() => Some(Failure::Overloaded),
            Lifecycle::Active => None,
        };
        if let Some(failure) = refusal {
            effects.answers.push((token, M::refuse(request, failure)));
            return self.finish(effects);
        }
        let outcome = with_context(
            &mut self.machine,
            &mut self.timers,
            &mut effects,
            moment,
            self.next_append,
            |machine, context| machine.handle(context, token, request),
        );
        self.perform(moment, Some(token), outcome, &mut effects);
        self.finish(effects)
    }

    /// The log has taken an append at this offset.
    ///
    /// # Errors
    /// When the offset is not the expected one; see [`OutOfSync`].
    pub fn on_appended(&self, id: AppendId, base_offset: i64) -> Result<(), OutOfSync> {
        match self.waiting.expected_offset(id) {
            Some(expected_offset) if expected_offset != base_offset => Err(OutOfSync {
                append: id,
                expected_offset,
                actual_offset: base_offset,
            }),
            // Already committed or failed: nothing depends on its offset any more.
            _ => Ok(()),
        }
    }

    /// The high watermark of the partition has moved.
    pub fn on_high_watermark(&mut self, moment: Moment, high_watermark: i64) -> Effects<M> {
        match self.waiting.newest_below(high_watermark) {
            Some(up_to) => self.on_committed(moment, up_to),
            None => self.finish(Effects::new()),
        }
    }

    /// This append and all before it are committed.
    pub fn on_committed(&mut self, moment: Moment, up_to: AppendId) -> Effects<M> {
        let mut effects = Effects::new();
        // First the state, then the answers: an answer may trigger a read of that state.
        self.machine.commit(up_to);
        let waiters = self.waiting.take_committed(up_to);
        self.complete(moment, waiters, Ok(()), &mut effects);
        self.finish(effects)
    }

    /// The log refused this append. It and all later ones are void: the later ones were decided
    /// on its ground, and the caller must not write them.
    pub fn on_append_failed(
        &mut self,
        moment: Moment,
        id: AppendId,
        error: AppendError,
    ) -> Effects<M> {
        let mut effects = Effects::new();
        let Some(void) = self.waiting.take_failed(id) else {
            return self.finish(effects);
        };
        let failure = Failure::Append(error);
        self.next_offset = void.next_offset;
        with_context(
            &mut self.machine,
            &mut self.timers,
            &mut effects,
            moment,
            self.next_append,
            |machine, context| machine.revert(context, void.from, failure),
        );
        self.complete(moment, void.waiters, Err(failure), &mut effects);
        self.finish(effects)
    }

    /// Some deadline has passed, or the caller thinks so.
    pub fn on_timer(&mut self, moment: Moment) -> Effects<M> {
        let mut effects = Effects::new();
        let late = self.waiting.take_late(moment.now);
        let failure = Failure::Append(AppendError::RequestTimedOut);
        self.complete(moment, late, Err(failure), &mut effects);
        while let Some((key, task)) = self.timers.poll_due(moment.now) {
            let outcome = with_context(
                &mut self.machine,
                &mut self.timers,
                &mut effects,
                moment,
                self.next_append,
                |machine, context| machine.on_timer(context, key, task),
            );
            self.perform(moment, None, outcome, &mut effects);
        }
        self.finish(effects)
    }

    /// The partition is led elsewhere, or the shard is out of sync: everything that waits is
    /// answered, nothing is written any more.
    pub fn unload(&mut self, moment: Moment) -> Effects<M> {
        let mut effects = Effects::new();
        self.lifecycle = Lifecycle::Closed;
        let waiters = self.waiting.take_all();
        self.complete(moment, waiters, Err(Failure::NotCoordinator), &mut effects);
        with_context(
            &mut self.machine,
            &mut self.timers,
            &mut effects,
            moment,
            self.next_append,
            Machine::on_unloaded,
        );
        self.timers.clear();
        assert!(
            effects.appends.is_empty(),
            "a closed coordinator writes nothing"
        );
        self.finish(effects)
    }

    fn complete(
        &mut self,
        moment: Moment,
        waiters: Vec<Waiter<M>>,
        result: Result<(), Failure>,
        effects: &mut Effects<M>,
    ) {
        for waiter in waiters {
            if let Some(completion) = waiter.completion {
                let outcome = with_context(
                    &mut self.machine,
                    &mut self.timers,
                    effects,
                    moment,
                    self.next_append,
                    |machine, context| machine.on_completion(context, completion, result),
                );
                self.perform(moment, None, outcome, effects);
            }
            if let Some((token, answer)) = waiter.reply {
                let answer = match result {
                    Ok(()) => answer,
                    Err(failure) => M::fail(answer, failure),
                };
                effects.answers.push((token, answer));
            }
        }
    }

    fn perform(
        &mut self,
        moment: Moment,
        token: Option<Token>,
        outcome: Outcome<M>,
        effects: &mut Effects<M>,
    ) {
        if self.lifecycle != Lifecycle::Closed {
            self.write(moment, outcome.work, effects);
        }
        let reply = match (outcome.reply, token) {
            (Some(Reply::Now(answer)), Some(token)) => {
                effects.answers.push((token, answer));
                None
            }
            (Some(Reply::AfterWrites(answer)), Some(token)) => Some((token, answer)),
            (None, _) => None,
            (Some(_), None) => unreachable!("only a request is replied to"),
        };
        if reply.is_none() && outcome.completion.is_none() {
            return;
        }
        let waiter = Waiter {
            reply,
            completion: outcome.completion,
            deadline: moment.now + self.config.write_timeout,
        };
        if let Err(waiter) = self.waiting.join_newest(waiter) {
            self.complete(moment, vec![waiter], Ok(()), effects);
        }
    }

    fn write(&mut self, moment: Moment, work: Work<M::Record>, effects: &mut Effects<M>) {
        match work {
            Work::None => {}
            Work::Marker {
                producer,
                coordinator_epoch,
                result,
            } => {
                let position = self.next_position(Some(producer));
                self.machine.replay_marker(position, producer.id, result);
                let body = AppendBody::Marker {
                    producer,
                    coordinator_epoch,
                    result,
                };
                self.emit(moment, body, effects);
            }
            Work::Records {
                records,
                replay,
                atomic,
                producer,
            } => self.write_records(moment, records, replay, atomic, producer, effects),
        }
    }

    fn write_records(
        &mut self,
        moment: Moment,
        records: Vec<M::Record>,
        replay: bool,
        atomic: bool,
        producer: Option<Producer>,
        effects: &mut Effects<M>,
    ) {
        let mut batch: Vec<KeyValue> = Vec::new();
        let mut batch_size_bytes = 0;
        for record in records {
            let encoded = M::encode(&record);
            let size_bytes = encoded.key.len() + encoded.value.as_ref().map_or(0, Vec::len);
            let is_full = batch.len() == BATCH_RECORDS_MAX
                || batch_size_bytes + size_bytes > BATCH_SIZE_BYTES_MAX;
            if !atomic && is_full && !batch.is_empty() {
                let records = std::mem::take(&mut batch);
                self.emit(moment, AppendBody::Records { producer, records }, effects);
                batch_size_bytes = 0;
            }
            if replay {
                let mut position = self.next_position(producer);
                position.offset += offset_delta(batch.len());
                self.machine.replay(position, record);
            }
            batch_size_bytes += size_bytes;
            batch.push(encoded);
        }
        if !batch.is_empty() {
            let records = batch;
            self.emit(moment, AppendBody::Records { producer, records }, effects);
        }
    }

    fn next_position(&self, producer: Option<Producer>) -> Position {
        Position {
            append: self.next_append,
            offset: self.next_offset,
            producer_id: producer.map(|producer| producer.id),
        }
    }

    fn emit(&mut self, moment: Moment, body: AppendBody, effects: &mut Effects<M>) {
        let base_offset = self.next_offset;
        let next_offset = base_offset + offset_delta(body.record_count());
        let id = self.take_append_id();
        self.next_offset = next_offset;
        self.waiting.push(id, base_offset, next_offset);
        effects.appends.push(Append {
            id,
            base_offset,
            timestamp: moment.timestamp,
            body,
        });
    }

    fn take_append_id(&mut self) -> AppendId {
        let id = self.next_append;
        self.next_append = id.next();
        id
    }

    fn finish(&self, mut effects: Effects<M>) -> Effects<M> {
        effects.deadline = [self.waiting.next_deadline(), self.timers.next_deadline()]
            .into_iter()
            .flatten()
            .min();
        effects
    }
}

fn with_context<M: Machine, T>(
    machine: &mut M,
    timers: &mut Timers<M::TimerKey, M::TimerTask>,
    effects: &mut Effects<M>,
    moment: Moment,
    append: AppendId,
    call: impl FnOnce(&mut M, &mut Context<'_, M>) -> T,
) -> T {
    let mut context = Context::new(
        moment,
        append,
        timers,
        &mut effects.answers,
        &mut effects.notices,
    );
    call(machine, &mut context)
}

fn offset_delta(count: usize) -> i64 {
    i64::try_from(count).expect("a batch holds far fewer than 2^63 records")
}
