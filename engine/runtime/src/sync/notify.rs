//! Wakes tasks that wait for a condition on the same core.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A place to wait. It carries no value: whoever is woken looks at the condition again.
///
/// No wake-up is lost: a [`Notified`] counts from the call of [`Notify::wait`], not from its first
/// poll, so a notification between the two completes it. Because a core runs one task at a time,
/// "check the condition; call `wait`; await" has no gap as long as no `.await` stands between the
/// check and the call.
///
/// ```ignore
/// while !condition() {
///     notify.wait().await;
/// }
/// ```
#[derive(Default)]
pub struct Notify {
    waiters: RefCell<VecDeque<Rc<Waiter>>>,
    has_permit: Cell<bool>,
}

#[derive(Default)]
struct Waiter {
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    /// By `notify_all`, which is for everybody.
    NotifiedWithAll,
    /// By `notify_one`, which must reach somebody.
    NotifiedAlone,
    Done,
}

impl Notify {
    /// With nobody waiting and nothing notified.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes everybody who has called [`Notify::wait`]; remembers nothing for those who come
    /// later.
    pub fn notify_all(&self) {
        let waiters = std::mem::take(&mut *self.waiters.borrow_mut());
        for waiter in waiters {
            notify(&waiter, State::NotifiedWithAll);
        }
    }

    /// Wakes whoever has waited longest. When nobody waits, the next call of [`Notify::wait`]
    /// completes at once (one such permit is kept, not several). When the one woken is dropped
    /// before it runs, the next one is woken.
    pub fn notify_one(&self) {
        let waiter = self.waiters.borrow_mut().pop_front();
        match waiter {
            Some(waiter) => notify(&waiter, State::NotifiedAlone),
            None => self.has_permit.set(true),
        }
    }

    /// Waits for a notification that comes after this call (or takes the permit).
    pub fn wait(&self) -> Notified<'_> {
        let waiter = Rc::new(Waiter::default());
        if self.has_permit.take() {
            waiter.state.set(State::NotifiedAlone);
        } else {
            self.waiters.borrow_mut().push_back(Rc::clone(&waiter));
        }
        Notified {
            notify: self,
            waiter,
        }
    }
}

fn notify(waiter: &Waiter, state: State) {
    waiter.state.set(state);
    let waker = waiter.waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notify({} waiting)", self.waiters.borrow().len())
    }
}

/// See [`Notify::wait`].
#[must_use = "waiting does nothing unless it is awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    waiter: Rc<Waiter>,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.waiter.state.get() == State::Waiting {
            *self.waiter.waker.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.waiter.state.set(State::Done);
        Poll::Ready(())
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        match self.waiter.state.get() {
            State::Waiting => {
                let mut waiters = self.notify.waiters.borrow_mut();
                waiters.retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
            }
            State::NotifiedAlone => self.notify.notify_one(),
            State::NotifiedWithAll | State::Done => {}
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notified")
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn is_ready(notified: Pin<&mut Notified<'_>>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        notified.poll(&mut context).is_ready()
    }

    #[test]
    fn counts_from_the_call_not_from_the_first_poll() {
        let notify = Notify::new();
        let mut early = pin!(notify.wait());
        notify.notify_all();
        let mut late = pin!(notify.wait());
        assert!(is_ready(early.as_mut()));
        assert!(!is_ready(late.as_mut()));
    }

    #[test]
    fn one_permit_is_kept_when_nobody_waits() {
        let notify = Notify::new();
        notify.notify_one();
        notify.notify_one();
        assert!(is_ready(pin!(notify.wait())));
        assert!(!is_ready(pin!(notify.wait())));
    }

    #[test]
    fn a_dropped_waiter_passes_its_notification_on() {
        let notify = Notify::new();
        let first = notify.wait();
        let mut second = pin!(notify.wait());
        notify.notify_one();
        assert!(!is_ready(second.as_mut()));
        drop(first);
        assert!(is_ready(second.as_mut()));
    }
}
