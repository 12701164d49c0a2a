//! The timers of one core, in the order of their deadlines.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use engine_base::Instant;

use crate::context;
use crate::core::Core;

/// Deadlines in order; ties fire in the order they were set.
#[derive(Default)]
pub(crate) struct Timers {
    entries: RefCell<BTreeMap<(Instant, u64), Waker>>,
    sequence: Cell<u64>,
}

impl Timers {
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let entries = self.entries.borrow();
        entries
            .first_key_value()
            .map(|((deadline, _), _)| *deadline)
    }

    /// Wakes whoever waits for `now` or earlier.
    pub(crate) fn fire(&self, now: Instant) -> bool {
        let mut fired = false;
        while let Some(waker) = self.pop_due(now) {
            waker.wake();
            fired = true;
        }
        fired
    }

    fn pop_due(&self, now: Instant) -> Option<Waker> {
        let mut entries = self.entries.borrow_mut();
        let first = entries.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn set(&self, deadline: Instant, waker: Waker) -> u64 {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        self.entries
            .borrow_mut()
            .insert((deadline, sequence), waker);
        sequence
    }

    fn remove(&self, deadline: Instant, sequence: u64) {
        let removed = self.entries.borrow_mut().remove(&(deadline, sequence));
        drop(removed);
    }
}

/// Completes at its deadline, never before; how long after depends on what else the core does.
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    core: Rc<Core>,
    deadline: Instant,
    sequence: Option<u64>,
}

/// Waits for `duration` from now on.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(crate::now() + duration)
}

/// Waits until `deadline`.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        core: context::current(),
        deadline,
        sequence: None,
    }
}

impl Sleep {
    /// When it completes.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(sequence) = self.sequence.take() {
            self.core.timers().remove(self.deadline, sequence);
        }
        if self.core.now() >= self.deadline {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        let sequence = self.core.timers().set(self.deadline, waker);
        self.sequence = Some(sequence);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(sequence) = self.sequence.take() {
            self.core.timers().remove(self.deadline, sequence);
        }
    }
}

/// The time was over first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the time was over first")
    }
}

impl std::error::Error for Elapsed {}

/// Awaits `future` for at most `duration`; then drops it. A future that is ready wins over a
/// deadline that has passed.
///
/// # Errors
/// [`Elapsed`] when the time was over first.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    match crate::sync::race(future, sleep(duration)).await {
        crate::sync::Either::Left(value) => Ok(value),
        crate::sync::Either::Right(()) => Err(Elapsed),
    }
}
