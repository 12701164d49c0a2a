//! Tasks: futures that stay on the core they were spawned on, and the handles that await them.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::context;
use crate::remote::Remote;

/// What a panic in a task means, and when the task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// A panic ends the task and is told to whoever joins it.
    Ordinary,
    /// A panic stops the process: the state it guards may be half changed.
    Critical,
    /// Ordinary, but runs when nothing else is ready, or by a small share.
    Background,
    /// The future given to `block_on`: a panic goes to the caller.
    Root,
}

/// How log lines name a task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TaskName {
    Given(&'static str),
    SpawnedAt(&'static Location<'static>),
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(name) => f.write_str(name),
            Self::SpawnedAt(location) => location.fmt(f),
        }
    }
}

/// Names a task; a place in the executor's table and how often the place was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// What a task's waker holds. Wakers may travel to other cores; the task does not.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    pub(crate) id: TaskId,
    /// Set from the wake to the next poll, so that a task stands in the ready queue once.
    pub(crate) is_queued: AtomicBool,
    pub(crate) remote: Arc<Remote>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: what the waker's core wrote before waking is seen by the poll that follows.
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        match context::maybe_current() {
            Some(core) if core.id() == self.remote.core_id() => core.executor().make_ready(self.id),
            _ => self.remote.wake_task(self.id),
        }
    }
}

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinError {
    /// [`JoinHandle::cancel`], or the runtime ended first.
    Cancelled,
    /// It panicked with this message.
    Panicked(String),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::Panicked(message) => write!(f, "the task panicked: {message}"),
        }
    }
}

impl std::error::Error for JoinError {}

/// The text of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without text".to_owned()
    }
}

/// The result of a task on its way to whoever joins it.
pub(crate) struct JoinCell<T> {
    state: RefCell<JoinState<T>>,
}

struct JoinState<T> {
    result: Option<Result<T, JoinError>>,
    is_finished: bool,
    waiter: Option<Waker>,
}

impl<T> JoinCell<T> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(JoinState {
                result: None,
                is_finished: false,
                waiter: None,
            }),
        })
    }

    pub(crate) fn finish(&self, result: Result<T, JoinError>) {
        let mut state = self.state.borrow_mut();
        if state.is_finished {
            return;
        }
        state.is_finished = true;
        state.result = Some(result);
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    pub(crate) fn take(&self) -> Option<Result<T, JoinError>> {
        self.state.borrow_mut().result.take()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state.borrow().is_finished
    }
}

/// The executor's view of a [`JoinCell`]: how a task ends without a value.
pub(crate) trait JoinSink {
    fn fail(&self, error: JoinError);
}

impl<T> JoinSink for JoinCell<T> {
    fn fail(&self, error: JoinError) {
        self.finish(Err(error));
    }
}

/// Awaits a task's result. Dropping it detaches the task, which goes on.
#[must_use = "dropping the handle detaches the task; say `.detach()` when that is meant"]
pub struct JoinHandle<T> {
    id: TaskId,
    core_id: u64,
    cell: Rc<JoinCell<T>>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(id: TaskId, core_id: u64, cell: Rc<JoinCell<T>>) -> Self {
        Self { id, core_id, cell }
    }

    /// Lets the task go on by itself.
    pub fn detach(self) {}

    /// Drops the task's future now (or, from within the task, after its current poll); its result
    /// becomes [`JoinError::Cancelled`] unless it was there already. Operations in flight are
    /// cancelled as by any drop.
    pub fn cancel(&self) {
        let core = context::current();
        assert!(core.id() == self.core_id);
        core.executor().cancel(self.id);
    }

    pub(crate) fn try_take(&mut self) -> Option<Result<T, JoinError>> {
        self.cell.take()
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cell.is_finished()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.cell.state.borrow_mut();
        match state.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                assert!(!state.is_finished, "a task is joined once");
                state.waiter = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinHandle({})", self.id.index)
    }
}
