//! The tasks of one core and the order in which they run.
//!
//! Owns the futures. Called by the turn of a real core ([`crate::reactor`]) and by the simulated
//! world, which chooses the next task by its seed. Holds no borrow while a future is polled or
//! dropped, because both may spawn, wake and cancel.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use crate::context;
use crate::driver::Driver;
use crate::remote::Remote;
use crate::task::{
    JoinCell, JoinError, JoinHandle, JoinSink, TaskId, TaskKind, TaskName, TaskWaker, panic_message,
};

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// `None` while it is being polled.
    future: Option<TaskFuture>,
    kind: TaskKind,
    name: TaskName,
    waker: Waker,
    state: Arc<TaskWaker>,
    join: Rc<dyn JoinSink>,
    is_cancelled: bool,
}

#[derive(Default)]
struct Tasks {
    places: Vec<(u32, Option<Task>)>,
    free: Vec<u32>,
    count: usize,
    ready: VecDeque<TaskId>,
    ready_background: VecDeque<TaskId>,
}

impl Tasks {
    fn task(&mut self, id: TaskId) -> Option<&mut Task> {
        match self.places.get_mut(id.index as usize) {
            Some((generation, Some(task))) if *generation == id.generation => Some(task),
            _ => None,
        }
    }

    fn remove(&mut self, id: TaskId) -> Option<Task> {
        self.task(id)?;
        let (generation, place) = &mut self.places[id.index as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(id.index);
        self.count -= 1;
        place.take()
    }
}

pub(crate) struct Executor {
    remote: Arc<Remote>,
    tasks: RefCell<Tasks>,
}

impl Executor {
    pub(crate) fn new(remote: Arc<Remote>) -> Self {
        Self {
            remote,
            tasks: RefCell::default(),
        }
    }

    /// Adds a task and makes it ready.
    pub(crate) fn spawn<T: 'static>(
        &self,
        kind: TaskKind,
        name: TaskName,
        future: impl Future<Output = T> + 'static,
    ) -> JoinHandle<T> {
        let cell = JoinCell::new();
        let result = Rc::clone(&cell);
        let future: TaskFuture = Box::pin(async move { result.finish(Ok(future.await)) });
        let mut tasks = self.tasks.borrow_mut();
        let index = tasks.free.pop().unwrap_or_else(|| {
            tasks.places.push((0, None));
            u32::try_from(tasks.places.len() - 1).expect("memory ends before four billion tasks")
        });
        let id = TaskId {
            index,
            generation: tasks.places[index as usize].0,
        };
        let state = Arc::new(TaskWaker {
            id,
            is_queued: AtomicBool::new(true),
            remote: Arc::clone(&self.remote),
        });
        tasks.places[index as usize].1 = Some(Task {
            future: Some(future),
            kind,
            name,
            waker: Waker::from(Arc::clone(&state)),
            state,
            join: Rc::clone(&cell) as Rc<dyn JoinSink>,
            is_cancelled: false,
        });
        tasks.count += 1;
        drop(tasks);
        self.make_ready(id);
        JoinHandle::new(id, self.remote.core_id(), cell)
    }

    /// Queues a task whose `is_queued` flag was just set. Stale ids are dropped here.
    pub(crate) fn make_ready(&self, id: TaskId) {
        let mut tasks = self.tasks.borrow_mut();
        match tasks.task(id).map(|task| task.kind) {
            Some(TaskKind::Background) => tasks.ready_background.push_back(id),
            Some(_) => tasks.ready.push_back(id),
            None => {}
        }
    }

    /// Tasks that are ready, background ones not counted.
    pub(crate) fn ready_count(&self) -> usize {
        self.tasks.borrow().ready.len()
    }

    pub(crate) fn ready_background_count(&self) -> usize {
        self.tasks.borrow().ready_background.len()
    }

    /// Tasks that have not ended.
    pub(crate) fn task_count(&self) -> usize {
        self.tasks.borrow().count
    }

    /// The task that has been ready longest.
    pub(crate) fn next_ready(&self) -> Option<TaskId> {
        self.tasks.borrow_mut().ready.pop_front()
    }

    pub(crate) fn next_background(&self) -> Option<TaskId> {
        self.tasks.borrow_mut().ready_background.pop_front()
    }

    /// The ready task with this index, for a world that chooses.
    pub(crate) fn take_ready(&self, index: usize) -> Option<TaskId> {
        let mut tasks = self.tasks.borrow_mut();
        let ready_count = tasks.ready.len();
        if index < ready_count {
            tasks.ready.remove(index)
        } else {
            tasks.ready_background.remove(index - ready_count)
        }
    }

    /// Polls one task. Returns its name when there was something to poll.
    pub(crate) fn poll(&self, id: TaskId) -> Option<TaskName> {
        let (mut future, waker, kind, name) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = tasks.task(id)?;
            // Cleared before the poll: a wake during it queues the task again.
            task.state.is_queued.store(false, Ordering::Release);
            let future = task.future.take()?;
            (future, task.waker.clone(), task.kind, task.name)
        };
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        match polled {
            Ok(poll) => self.put_back(id, future, poll.is_ready()),
            Err(payload) if kind == TaskKind::Root => {
                self.put_back(id, future, true);
                resume_unwind(payload);
            }
            Err(payload) if payload.is::<CriticalPanic>() => {
                // From `critical` in whatever task, in a simulated world.
                self.put_back(id, future, true);
                resume_unwind(payload);
            }
            Err(payload) => {
                let message = panic_message(&*payload);
                if kind == TaskKind::Critical && is_simulated() {
                    // The world stops the simulated process, or the test.
                    self.put_back(id, future, true);
                    resume_unwind(Box::new(CriticalPanic(message)));
                }
                if kind == TaskKind::Critical {
                    tracing::error!(task = %name, %message, "a task that guards state panicked; stopping the process");
                    std::process::abort();
                }
                tracing::error!(task = %name, %message, "a task panicked");
                let join = self.tasks.borrow_mut().task(id).map(|t| Rc::clone(&t.join));
                // Before the place is given up, which would say "cancelled".
                if let Some(join) = join {
                    join.fail(JoinError::Panicked(message));
                }
                self.put_back(id, future, true);
            }
        }
        Some(name)
    }

    fn put_back(&self, id: TaskId, future: TaskFuture, is_over: bool) {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.task(id).expect("a task being polled keeps its place");
        if !is_over && !task.is_cancelled {
            task.future = Some(future);
            return;
        }
        let task = tasks.remove(id);
        drop(tasks);
        drop_quietly(future);
        if let Some(task) = task {
            // Without effect when the task has finished.
            task.join.fail(JoinError::Cancelled);
        }
    }

    /// Drops a task's future: now, or after the poll in progress.
    pub(crate) fn cancel(&self, id: TaskId) {
        let mut tasks = self.tasks.borrow_mut();
        match tasks.task(id) {
            None => {}
            Some(task) if task.future.is_none() => task.is_cancelled = true,
            Some(_) => {
                let task = tasks.remove(id);
                drop(tasks);
                if let Some(mut task) = task {
                    if let Some(future) = task.future.take() {
                        drop_quietly(future);
                    }
                    task.join.fail(JoinError::Cancelled);
                }
            }
        }
    }

    /// Drops every task, and those that the drops spawn.
    pub(crate) fn cancel_all(&self) {
        loop {
            let id = {
                let tasks = self.tasks.borrow();
                let found = tasks
                    .places
                    .iter()
                    .position(|(_, task)| task.as_ref().is_some_and(|task| task.future.is_some()));
                found.map(|index| TaskId {
                    index: index as u32,
                    generation: tasks.places[index].0,
                })
            };
            match id {
                Some(id) => self.cancel(id),
                None => return,
            }
        }
    }
}

/// How a simulated world learns that a critical task panicked.
pub(crate) struct CriticalPanic(pub(crate) String);

pub(crate) fn is_simulated() -> bool {
    context::maybe_current().is_some_and(|core| matches!(core.driver(), Driver::Sim(_)))
}

/// A panic in a destructor ends with the task it belongs to.
fn drop_quietly(future: TaskFuture) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        let message = panic_message(&*payload);
        tracing::error!(%message, "a task panicked while it was dropped");
    }
}
