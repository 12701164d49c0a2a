//! Ask the owner's core, await its answer.
//!
//! Order is kept: jobs from one shard start on the owner in the order they were asked, and each
//! runs up to its first await before the next starts. A pipelined producer whose partition lives
//! on another core is therefore never reordered.
//!
//! A job is a part of its caller, wherever it runs: when it panics, the caller panics, and what
//! that means the caller's task decides (a connection closes, a coordinator stops the process).
//! An order has no caller; its panic is one of the task that serves the mailbox.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use engine_base::{HashMap, ShardId};
use engine_runtime::{Mesh, OneshotReceiver, OneshotSender, contained, oneshot};

use crate::limits::{BACKLOG_RETRY, CALLS_WAITING_MAX};

type Value = Box<dyn Any + Send>;
type LocalFuture = Pin<Box<dyn Future<Output = Value>>>;
type Job<S> = Box<dyn FnOnce(Rc<S>) -> LocalFuture + Send>;

/// What travels between shards: a job for the owner, or the value it produced.
pub struct Message<S: 'static>(Content<S>);

enum Content<S: 'static> {
    Job { call: u64, job: Job<S> },
    Order(Box<dyn FnOnce(Rc<S>) + Send>),
    Reply { call: u64, outcome: Outcome },
}

/// What became of a job.
enum Outcome {
    Value(Value),
    /// It panicked with this message.
    Panicked(String),
    /// It was dropped: its shard is stopping.
    Gone,
}

/// The owner dropped the job: it is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// One shard's end of the conversation. `S` is the state that jobs run on.
pub struct Shards<S: 'static> {
    mesh: Mesh<Message<S>>,
    state: RefCell<Weak<S>>,
    /// Calls that wait for a reply, by number.
    waiting: RefCell<HashMap<u64, OneshotSender<Outcome>>>,
    call_next: Cell<u64>,
    /// Messages that found their mailbox full, in order, one queue for each peer.
    backlog: RefCell<Vec<VecDeque<Message<S>>>>,
}

impl<S: 'static> Shards<S> {
    /// The end of this shard. Call [`Shards::serve`] with the state before asking anything.
    #[must_use]
    pub fn new(mesh: Mesh<Message<S>>) -> Rc<Self> {
        let count = mesh.count();
        Rc::new(Self {
            mesh,
            state: RefCell::new(Weak::new()),
            waiting: RefCell::new(HashMap::default()),
            call_next: Cell::new(0),
            backlog: RefCell::new((0..count).map(|_| VecDeque::new()).collect()),
        })
    }

    /// This shard.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.mesh.id()
    }

    /// How many shards there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.mesh.count()).expect("SHARDS_MAX fits in 16 bits")
    }

    /// Receives for ever: starts jobs on `state`, hands replies to their callers.
    pub async fn serve(self: Rc<Self>, state: &Rc<S>) {
        *self.state.borrow_mut() = Rc::downgrade(state);
        loop {
            let (sender, message) = self.mesh.recv().await;
            self.receive(sender, message, state);
        }
    }

    /// Runs `job` on `owner` with its state and returns what it produced. On this very shard the
    /// job runs without a message.
    ///
    /// # Errors
    /// [`Gone`] when the owner stops before it answers.
    ///
    /// # Panics
    /// When the job does.
    pub async fn ask<R, F, Fut>(self: &Rc<Self>, owner: ShardId, job: F) -> Result<R, Gone>
    where
        R: Send + 'static,
        F: FnOnce(Rc<S>) -> Fut + Send + 'static,
        Fut: Future<Output = R> + 'static,
    {
        if owner == self.id() {
            let state = self.state.borrow().upgrade().ok_or(Gone)?;
            return Ok(job(state).await);
        }
        match self.start(owner, job).await {
            Ok(Outcome::Value(value)) => Ok(*value
                .downcast::<R>()
                .expect("a call's reply has the type its job returns")),
            Ok(Outcome::Panicked(message)) => panic!("on shard {}: {message}", owner.0),
            Ok(Outcome::Gone) | Err(_) => Err(Gone),
        }
    }

    /// Runs `job` on `owner` and forgets it.
    pub fn tell<F>(self: &Rc<Self>, owner: ShardId, job: F)
    where
        F: FnOnce(Rc<S>) + Send + 'static,
    {
        if owner == self.id() {
            if let Some(state) = self.state.borrow().upgrade() {
                job(state);
            }
            return;
        }
        self.send(owner, Message(Content::Order(Box::new(job))));
    }

    fn start<R, F, Fut>(self: &Rc<Self>, owner: ShardId, job: F) -> OneshotReceiver<Outcome>
    where
        R: Send + 'static,
        F: FnOnce(Rc<S>) -> Fut + Send + 'static,
        Fut: Future<Output = R> + 'static,
    {
        let call = self.number();
        let (sender, receiver) = oneshot();
        let mut waiting = self.waiting.borrow_mut();
        assert!(waiting.len() < CALLS_WAITING_MAX);
        waiting.insert(call, sender);
        drop(waiting);
        let job: Job<S> = Box::new(move |state| {
            let answer = job(state);
            Box::pin(async move { Box::new(answer.await) as Value })
        });
        self.send(owner, Message(Content::Job { call, job }));
        receiver
    }

    fn number(&self) -> u64 {
        let call = self.call_next.get();
        self.call_next.set(call + 1);
        call
    }

    fn receive(self: &Rc<Self>, sender: ShardId, message: Message<S>, state: &Rc<S>) {
        match message.0 {
            Content::Job { call, job } => {
                let reply_to = ReplyTo {
                    shards: Rc::downgrade(self),
                    caller: sender,
                    call,
                    outcome: Outcome::Gone,
                };
                match contained(|| job(state.clone())) {
                    Ok(future) => start_now(Running { future, reply_to }),
                    Err(message) => reply_to.send(Outcome::Panicked(message)),
                }
            }
            Content::Order(order) => order(state.clone()),
            Content::Reply { call, outcome } => {
                let waiting = self.waiting.borrow_mut().remove(&call);
                // The caller may have gone away (its connection closed): the value is dropped.
                if let Some(waiting) = waiting {
                    let _ = waiting.send(outcome);
                }
            }
        }
    }

    fn send(self: &Rc<Self>, to: ShardId, message: Message<S>) {
        let mut backlog = self.backlog.borrow_mut();
        let queue = &mut backlog[to.index()];
        if !queue.is_empty() {
            queue.push_back(message);
        } else if let Err(full) = self.mesh.send(to, message) {
            queue.push_back(full.0);
            engine_runtime::spawn(self.clone().send_backlog(to)).detach();
        }
    }

    /// Sends what waited for room, in order, until nothing waits. One such task runs for a peer
    /// while its backlog is not empty.
    async fn send_backlog(self: Rc<Self>, to: ShardId) {
        loop {
            engine_runtime::sleep(BACKLOG_RETRY).await;
            let mut backlog = self.backlog.borrow_mut();
            let queue = &mut backlog[to.index()];
            while let Some(message) = queue.pop_front() {
                if let Err(full) = self.mesh.send(to, message) {
                    queue.push_front(full.0);
                    break;
                }
            }
            if queue.is_empty() {
                return;
            }
        }
    }
}

/// Where a job's outcome goes. Dropping it sends the reply, whatever it is by then: a caller
/// never waits for a job that is no more.
struct ReplyTo<S: 'static> {
    shards: Weak<Shards<S>>,
    caller: ShardId,
    call: u64,
    outcome: Outcome,
}

impl<S> ReplyTo<S> {
    fn send(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl<S> Drop for ReplyTo<S> {
    fn drop(&mut self) {
        if let Some(shards) = self.shards.upgrade() {
            let outcome = std::mem::replace(&mut self.outcome, Outcome::Gone);
            let call = self.call;
            shards.send(self.caller, Message(Content::Reply { call, outcome }));
        }
    }
}

/// A job under way.
struct Running<S: 'static> {
    future: LocalFuture,
    reply_to: ReplyTo<S>,
}

impl<S> Future for Running<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.reply_to.outcome = match contained(|| self.future.as_mut().poll(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Outcome::Value(value),
            Err(message) => Outcome::Panicked(message),
        };
        Poll::Ready(())
    }
}

/// Runs a job up to its first await at once, and the rest as a task: that is what keeps jobs in
/// order.
fn start_now<S: 'static>(mut job: Running<S>) {
    let mut context = Context::from_waker(Waker::noop());
    if Pin::new(&mut job).poll(&mut context).is_pending() {
        engine_runtime::spawn(job).detach();
    }
}
