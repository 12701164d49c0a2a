//! Everything that belongs to one core: its tasks, timers, operations and driver.
//!
//! One on each shard's thread, reached through [`crate::context`]; many on the one thread of a
//! simulated world. Interior borrows last for one method; none is held while a task runs.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use engine_base::{Instant, Timestamp};

use crate::driver::Driver;
use crate::executor::Executor;
use crate::handle::RawHandle;
use crate::metrics::RuntimeMetrics;
use crate::op::{Operation, OperationId, OperationTable, Outcome};
use crate::prng::Prng;
use crate::remote::{Post, Remote};
use crate::stall::StallDetector;
use crate::timer::Timers;

/// Something that fills up from other cores and has a waiter on this one.
pub(crate) trait Mailbox {
    fn has_messages(&self) -> bool;
    /// Wakes whoever waits for messages.
    fn wake(&self);
}

pub(crate) struct Core {
    remote: Arc<Remote>,
    executor: Executor,
    timers: Timers,
    operations: RefCell<OperationTable>,
    driver: Driver,
    mailboxes: RefCell<Vec<Rc<dyn Mailbox>>>,
    random: RefCell<Prng>,
    metrics: Arc<RuntimeMetrics>,
    stall: StallDetector,
    /// Values that stay here while another thread works for them.
    kept: RefCell<engine_base::HashMap<u64, Box<dyn Any>>>,
    kept_next: Cell<u64>,
    poll_began: Cell<Option<Instant>>,
}

impl Core {
    pub(crate) fn new(
        remote: Arc<Remote>,
        driver: Driver,
        random: Prng,
        stall_threshold: Duration,
    ) -> Rc<Self> {
        Rc::new(Self {
            executor: Executor::new(Arc::clone(&remote)),
            remote,
            timers: Timers::default(),
            operations: RefCell::default(),
            driver,
            mailboxes: RefCell::default(),
            random: RefCell::new(random),
            metrics: Arc::default(),
            stall: StallDetector::new(stall_threshold),
            kept: RefCell::default(),
            kept_next: Cell::new(0),
            poll_began: Cell::new(None),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.remote.core_id()
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(crate) fn metrics(&self) -> &Arc<RuntimeMetrics> {
        &self.metrics
    }

    /// When the poll in progress began; the clock itself between polls.
    pub(crate) fn now(&self) -> Instant {
        self.poll_began.get().unwrap_or_else(|| self.driver.now())
    }

    pub(crate) fn wall_clock(&self) -> Timestamp {
        self.driver.wall_clock()
    }

    pub(crate) fn random(&self) -> std::cell::RefMut<'_, Prng> {
        self.random.borrow_mut()
    }

    /// Hands an operation to the world.
    pub(crate) fn start(&self, operation: Operation) -> OperationId {
        self.metrics.operations.add(1);
        let mut operations = self.operations.borrow_mut();
        let id = operations.insert(operation);
        let operation = operations.running(id).expect("just inserted");
        if self.driver.start(id, operation) {
            self.metrics.fixed_buffer_operations.add(1);
        }
        id
    }

    pub(crate) fn poll_operation(
        &self,
        id: OperationId,
        waker: &Waker,
    ) -> Option<(Operation, i64)> {
        self.operations.borrow_mut().poll(id, waker)
    }

    /// The waiting future is gone.
    pub(crate) fn abandon(&self, id: OperationId) {
        let abandoned = self.operations.borrow_mut().abandon(id);
        match abandoned {
            Ok((operation, result)) => self.dispose(operation, result),
            Err(()) => self.driver.cancel(id),
        }
    }

    /// The world reports a result.
    pub(crate) fn complete(&self, id: OperationId, result: i64, has_more: bool) {
        let outcome = self.operations.borrow_mut().complete(id, result, has_more);
        match outcome {
            Outcome::Nothing => {}
            Outcome::Wake(waker) => waker.wake(),
            Outcome::Orphan(operation, result) => self.dispose(operation, result),
        }
    }

    /// Lets the simulated world change an operation it is carrying out.
    pub(crate) fn with_operation<T>(
        &self,
        id: OperationId,
        work: impl FnOnce(&mut Operation) -> T,
    ) -> Option<T> {
        self.operations.borrow_mut().running(id).map(work)
    }

    /// A result nobody waits for may be a descriptor.
    fn dispose(&self, operation: Operation, result: i64) {
        let makes_handle = matches!(operation, Operation::Open { .. } | Operation::Accept { .. });
        if makes_handle && result >= 0 {
            drop(self.adopt(result));
        }
        drop(operation);
    }

    /// Takes over what an operation made.
    pub(crate) fn adopt(&self, result: i64) -> RawHandle {
        self.driver.adopt(result)
    }

    pub(crate) fn operations_running(&self) -> usize {
        self.operations.borrow().running_count()
    }

    pub(crate) fn leak_operations(&self) {
        self.operations.borrow_mut().leak();
    }

    pub(crate) fn release_fixed_slot(&self, slot: u32) {
        self.driver.release_fixed_slot(slot);
    }

    pub(crate) fn add_mailbox(&self, mailbox: Rc<dyn Mailbox>) {
        self.mailboxes.borrow_mut().push(mailbox);
    }

    /// Wakes the readers of mailboxes with messages; whether there were any.
    pub(crate) fn look_into_mailboxes(&self) -> bool {
        let mut found = false;
        for mailbox in self.mailboxes.borrow().iter() {
            if mailbox.has_messages() {
                mailbox.wake();
                found = true;
            }
        }
        found
    }

    pub(crate) fn has_messages(&self) -> bool {
        let mailboxes = self.mailboxes.borrow();
        mailboxes.iter().any(|mailbox| mailbox.has_messages())
    }

    /// Does what other threads asked for.
    pub(crate) fn run_posts(&self) {
        if !self.remote.has_posts() {
            return;
        }
        let posts: VecDeque<Post> = self.remote.take_posts();
        for post in posts {
            match post {
                Post::Wake(id) => self.executor.make_ready(id),
                Post::Run(work) => work(),
            }
        }
    }

    /// Polls one task and watches how long it takes; returns the time after it.
    pub(crate) fn poll_task(&self, id: crate::task::TaskId, began: Instant) -> Instant {
        self.poll_began.set(Some(began));
        let polled = self.executor.poll(id);
        self.poll_began.set(None);
        let Some(name) = polled else {
            return began;
        };
        self.metrics.polls.add(1);
        let now = self.driver.now();
        self.stall.on_polled(name, began, now, &self.metrics);
        now
    }

    /// Keeps a value that must not leave this core, for a ticket that may.
    pub(crate) fn keep(&self, value: Box<dyn Any>) -> u64 {
        let ticket = self.kept_next.get();
        self.kept_next.set(ticket + 1);
        self.kept.borrow_mut().insert(ticket, value);
        ticket
    }

    /// A copy (of a count, say) of what is kept for a ticket.
    pub(crate) fn kept<T: Clone + 'static>(&self, ticket: u64) -> Option<T> {
        self.kept
            .borrow()
            .get(&ticket)?
            .downcast_ref::<T>()
            .cloned()
    }

    /// Lets go of everything kept: the core ends.
    pub(crate) fn forget_kept(&self) {
        let kept = std::mem::take(&mut *self.kept.borrow_mut());
        drop(kept);
    }

    pub(crate) fn take_kept(&self, ticket: u64) -> Option<Box<dyn Any>> {
        self.kept.borrow_mut().remove(&ticket)
    }

    /// Wakes a peer that may sleep, after a message was pushed for it.
    pub(crate) fn wake_peer(&self, peer: &Arc<Remote>) {
        if peer.sleep_flag().claim_wake() {
            self.metrics.wakes_sent.add(1);
            self.driver.wake_peer(peer);
        }
    }
}
