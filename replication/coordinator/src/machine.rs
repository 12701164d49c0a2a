//! What a coordinator must be able to do to be driven by a [`crate::CoordinatorShard`].

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use engine_base::{Instant, Timestamp};

use crate::append::{AppendError, AppendId, KeyValue, Producer, TransactionResult};
use crate::effects::Token;
use crate::timers::Timers;

/// A state machine over the records of one partition.
///
/// Two kinds of state live in a machine. *Hard* state is what its records say: it changes in
/// [`Machine::replay`] (and [`Machine::replay_marker`]) only, under the id of the append that
/// carries the record, and must follow [`Machine::commit`] and [`Machine::revert`]. *Soft* state
/// (who waits for what, timers) may change anywhere and dies with the shard.
pub trait Machine: Sized {
    /// What clients and the broker ask.
    type Request;
    /// What they are told.
    type Answer;
    /// A record of the log, decoded.
    type Record;
    /// What to do when an outcome's records are committed or lost.
    type Completion;
    /// Names a timer.
    type TimerKey: Ord + Hash + Clone + Debug;
    /// What a timer does.
    type TimerTask;
    /// Something an operator should read.
    type Notice;
    /// Why bytes of the log are no record.
    type DecodeError;

    /// Answers what needs no state: requests that are wrong in themselves. Asked before anything
    /// else, also while loading.
    fn screen(&self, request: &Self::Request) -> Option<Self::Answer>;

    /// Handles a request. An outcome without a reply means that the machine has kept the token
    /// and answers through [`Context::answer`], now or later.
    fn handle(
        &mut self,
        context: &mut Context<'_, Self>,
        token: Token,
        request: Self::Request,
    ) -> Outcome<Self>;

    /// A timer is due. Its key is no longer scheduled.
    fn on_timer(
        &mut self,
        context: &mut Context<'_, Self>,
        key: Self::TimerKey,
        task: Self::TimerTask,
    ) -> Outcome<Self>;

    /// The records of the outcome that carried `completion` are committed, or are not (then the
    /// hard state has been reverted already, except after a write timeout).
    fn on_completion(
        &mut self,
        context: &mut Context<'_, Self>,
        completion: Self::Completion,
        result: Result<(), Failure>,
    ) -> Outcome<Self>;

    /// Applies a record, speculatively or from the log.
    fn replay(&mut self, position: Position, record: Self::Record);

    /// Applies an end-transaction marker.
    fn replay_marker(&mut self, position: Position, producer_id: i64, result: TransactionResult);

    /// Everything up to and with this append is committed.
    fn commit(&mut self, up_to: AppendId);

    /// This append and all later ones never happened. Tokens kept by state that goes with them
    /// are answered with `failure`.
    fn revert(&mut self, context: &mut Context<'_, Self>, from: AppendId, failure: Failure);

    /// The log is replayed: sessions begin now.
    fn on_loaded(&mut self, context: &mut Context<'_, Self>) -> Outcome<Self>;

    /// The partition is led elsewhere: every token still kept must be answered through the
    /// context.
    fn on_unloaded(&mut self, context: &mut Context<'_, Self>);

    /// The answer to a request that was not handled.
    fn refuse(request: Self::Request, failure: Failure) -> Self::Answer;

    /// Turns a prepared answer into the one that says that its records were lost.
    fn fail(answer: Self::Answer, failure: Failure) -> Self::Answer;

    /// The bytes of a record.
    fn encode(record: &Self::Record) -> KeyValue;

    /// The record of the bytes.
    ///
    /// # Errors
    /// When the bytes are no record of a known type; loading stops there.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Decoded<Self>, Self::DecodeError>;
}

/// Both clocks at the time of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Moment {
    /// For timeouts.
    pub now: Instant,
    /// For records and retention.
    pub timestamp: Timestamp,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The append that carries it; [`AppendId::LOADED`] when it was committed before the load.
    pub append: AppendId,
    /// Its offset, expected or read.
    pub offset: i64,
    /// The transaction it belongs to.
    pub producer_id: Option<i64>,
}

/// Why an answer is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The log is being replayed.
    LoadInProgress,
    /// The partition is led elsewhere, or was unloaded while the request waited.
    NotCoordinator,
    /// A bound of `limits.rs` is reached; the request was not looked at.
    Overloaded,
    /// The records were not kept.
    Append(AppendError),
}

/// What bytes of the log turned out to be.
pub enum Decoded<M: Machine> {
    /// A record to replay.
    Record(M::Record),
    /// Nothing for this machine, and what to say about it.
    Ignored(Option<M::Notice>),
}

/// What a machine's call leads to.
pub struct Outcome<M: Machine> {
    /// What to write.
    pub work: Work<M::Record>,
    /// What to answer to the request at hand; none when the machine keeps the token.
    pub reply: Option<Reply<M::Answer>>,
    /// What to call when the records are committed or lost.
    pub completion: Option<M::Completion>,
}

/// When an answer may leave.
pub enum Reply<A> {
    /// At once: it tells nothing that could still be lost.
    Now(A),
    /// After the outcome's records are committed or, without records, after everything that was
    /// written before.
    AfterWrites(A),
}

/// What an outcome writes.
pub enum Work<R> {
    /// Nothing.
    None,
    /// Ordinary records.
    Records {
        /// The records, in order.
        records: Vec<R>,
        /// Whether the runtime shall replay them. False when the machine has applied them
        /// itself, as soft state that the completion finishes or takes back.
        replay: bool,
        /// Whether they must be in one batch.
        atomic: bool,
        /// The transaction they belong to.
        producer: Option<Producer>,
    },
    /// An end-transaction marker.
    Marker {
        /// Whose transaction ends.
        producer: Producer,
        /// Epoch of the deciding transaction coordinator.
        coordinator_epoch: i32,
        /// Its decision.
        result: TransactionResult,
    },
}

impl<M: Machine> Outcome<M> {
    /// Nothing to write, nothing to say: the token, if there is one, is kept or answered.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            work: Work::None,
            reply: None,
            completion: None,
        }
    }

    /// An answer that needs no record.
    #[must_use]
    pub const fn now(answer: M::Answer) -> Self {
        Self {
            work: Work::None,
            reply: Some(Reply::Now(answer)),
            completion: None,
        }
    }

    /// An answer that waits for what has been written before it.
    #[must_use]
    pub const fn after_writes(answer: M::Answer) -> Self {
        Self {
            work: Work::None,
            reply: Some(Reply::AfterWrites(answer)),
            completion: None,
        }
    }

    /// Records to replay, in one batch.
    #[must_use]
    pub const fn records(records: Vec<M::Record>) -> Self {
        Self {
            work: Work::Records {
                records,
                replay: true,
                atomic: true,
                producer: None,
            },
            reply: None,
            completion: None,
        }
    }

    /// Records of something that the machine has already done to its soft state: they are
    /// written, not replayed.
    #[must_use]
    pub const fn applied(records: Vec<M::Record>) -> Self {
        Self {
            work: Work::Records {
                records,
                replay: false,
                atomic: true,
                producer: None,
            },
            reply: None,
            completion: None,
        }
    }

    /// The same outcome, whose records may be cut into several batches: some may be kept when
    /// others are lost.
    #[must_use]
    pub fn in_any_batches(mut self) -> Self {
        if let Work::Records { atomic, .. } = &mut self.work {
            *atomic = false;
        }
        self
    }

    /// Whether there is anything to write.
    #[must_use]
    pub const fn writes(&self) -> bool {
        !matches!(self.work, Work::None)
    }

    /// The same outcome with an answer for after its records.
    #[must_use]
    pub fn replying(mut self, answer: M::Answer) -> Self {
        assert!(self.reply.is_none(), "one answer for each request");
        self.reply = Some(Reply::AfterWrites(answer));
        self
    }
}

/// What a machine may touch of the world during one call.
pub struct Context<'a, M: Machine> {
    /// Both clocks.
    pub moment: Moment,
    /// The id that the outcome's (first) append will get.
    pub append: AppendId,
    pub(crate) timers: &'a mut Timers<M::TimerKey, M::TimerTask>,
    pub(crate) answers: &'a mut Vec<(Token, M::Answer)>,
    pub(crate) notices: &'a mut Vec<M::Notice>,
}

impl<'a, M: Machine> Context<'a, M> {
    /// A context of one's own: for tests of a machine without its runtime.
    pub const fn new(
        moment: Moment,
        append: AppendId,
        timers: &'a mut Timers<M::TimerKey, M::TimerTask>,
        answers: &'a mut Vec<(Token, M::Answer)>,
        notices: &'a mut Vec<M::Notice>,
    ) -> Self {
        Self {
            moment,
            append,
            timers,
            answers,
            notices,
        }
    }

    /// Answers a token that the machine has kept.
    pub fn answer(&mut self, token: Token, answer: M::Answer) {
        self.answers.push((token, answer));
    }

    /// Tells the operator.
    pub fn notice(&mut self, notice: M::Notice) {
        self.notices.push(notice);
    }

    /// Runs `task` after `delay`, instead of what `key` stood for. Never in this same instant: a
    /// client that asks for a timeout of zero must not spin the core.
    pub fn schedule(&mut self, key: M::TimerKey, delay: Duration, task: M::TimerTask) {
        let delay = delay.max(Duration::from_millis(1));
        self.timers.schedule(key, self.moment.now + delay, task);
    }

    /// Forgets a timer.
    pub fn cancel(&mut self, key: &M::TimerKey) {
        self.timers.cancel(key);
    }
}
