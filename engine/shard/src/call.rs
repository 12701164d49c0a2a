//! Ask the owner's core, await its answer.
//!
//! Order is kept: jobs from one shard start on the owner in the order they were asked, and each
//! runs up to its first await before the next starts. A pipelined producer whose partition lives
//! on another core is therefore never reordered.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};

use engine_base::{HashMap, ShardId};
use engine_runtime::{Mesh, OneshotReceiver, OneshotSender, oneshot};

use crate::limits::{BACKLOG_RETRY, CALLS_WAITING_MAX};

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;
type Job<S> = Box<dyn FnOnce(Rc<S>, ReplyTo<S>) -> LocalFuture + Send>;

/// What travels between shards: a job for the owner, or the value it produced.
pub struct Message<S: 'static>(Content<S>);

enum Content<S: 'static> {
    Job {
        call: u64,
        job: Job<S>,
    },
    Order(Box<dyn FnOnce(Rc<S>) + Send>),
    /// `None` when the job ended without a value: it panicked, or its shard is stopping.
    Reply {
        call: u64,
        value: Option<Box<dyn Any + Send>>,
    },
}

/// The owner dropped the job: it is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// One shard's end of the conversation. `S` is the state that jobs run on.
pub struct Shards<S: 'static> {
    mesh: Mesh<Message<S>>,
    state: RefCell<Weak<S>>,
    /// Calls that wait for a reply, by number.
    waiting: RefCell<HashMap<u64, OneshotSender<Box<dyn Any + Send>>>>,
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
        let reply = self.start(owner, job);
        let value = reply.await.map_err(|_| Gone)?;
        Ok(*value
            .downcast::<R>()
            .expect("a call's reply has the type its job returns"))
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

    fn start<R, F, Fut>(
        self: &Rc<Self>,
        owner: ShardId,
        job: F,
    ) -> OneshotReceiver<Box<dyn Any + Send>>
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
        let job: Job<S> = Box::new(move |state, reply_to| {
            let answer = job(state);
            Box::pin(async move { reply_to.send(Box::new(answer.await)) })
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
                    value: None,
                };
                start_now(job(state.clone(), reply_to));
            }
            Content::Order(order) => order(state.clone()),
            Content::Reply { call, value } => {
                let waiting = self.waiting.borrow_mut().remove(&call);
                // The caller may have gone away (its connection closed): the value is dropped.
                if let (Some(waiting), Some(value)) = (waiting, value) {
                    let _ = waiting.send(value);
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

/// Where a job's value goes. Dropping it sends the reply, with a value or without: a caller
/// never waits for a job that is no more.
struct ReplyTo<S: 'static> {
    shards: Weak<Shards<S>>,
    caller: ShardId,
    call: u64,
    value: Option<Box<dyn Any + Send>>,
}

impl<S> ReplyTo<S> {
    fn send(mut self, value: Box<dyn Any + Send>) {
        self.value = Some(value);
    }
}

impl<S> Drop for ReplyTo<S> {
    fn drop(&mut self) {
        if let Some(shards) = self.shards.upgrade() {
            let (call, value) = (self.call, self.value.take());
            shards.send(self.caller, Message(Content::Reply { call, value }));
        }
    }
}

/// Runs a future up to its first await at once, and the rest as a task: that is what keeps jobs
/// in order.
fn start_now(mut future: LocalFuture) {
    let mut context = Context::from_waker(Waker::noop());
    if future.as_mut().poll(&mut context).is_pending() {
        engine_runtime::spawn(future).detach();
    }
}
