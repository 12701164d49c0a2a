//! Appends of one partition happen in the order they were asked for, also when the log is busy.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use engine_base::Timestamp;
use engine_log::{AppendError, Appended};
use engine_record::BatchInfo;
use engine_runtime::Notify;

use crate::partition::Partition;

/// Who waits to append, first come first served.
#[derive(Default)]
pub(crate) struct Turns {
    queue: RefCell<VecDeque<u64>>,
    next: Cell<u64>,
    moved: Notify,
}

impl Turns {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    fn take(&self) -> u64 {
        let ticket = self.next.get();
        self.next.set(ticket + 1);
        self.queue.borrow_mut().push_back(ticket);
        ticket
    }

    fn leave(&self, ticket: u64) {
        self.queue.borrow_mut().retain(|&other| other != ticket);
        self.moved.notify_all();
    }
}

/// What became of an append that was begun.
pub enum Begun {
    /// It is done, or refused.
    Done(Result<Appended, AppendError>),
    /// The log is busy, or others wait already: the place in the queue.
    Queued(Turn),
}

/// A place in the queue. Dropping it leaves the queue.
pub struct Turn {
    partition: Rc<Partition>,
    ticket: u64,
}

impl Turn {
    pub(crate) fn take(partition: Rc<Partition>) -> Self {
        let ticket = partition.turns().take();
        Self { partition, ticket }
    }

    /// Waits for the turn, and for the log, then appends.
    ///
    /// # Errors
    /// As [`Partition::begin_append`], never `Busy`.
    pub async fn append(
        self,
        batch: &[u8],
        info: &BatchInfo,
        now_ms: Timestamp,
    ) -> Result<Appended, AppendError> {
        loop {
            let turns = self.partition.turns();
            while turns.queue.borrow().front() != Some(&self.ticket) {
                turns.moved.wait().await;
            }
            match self.partition.try_append(batch, info, now_ms) {
                Err(AppendError::Busy) => {
                    // A store that failed says so at the next try.
                    let _ = self.partition.log().ready_to_append().await;
                }
                done => return done,
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.partition.turns().leave(self.ticket);
    }
}
