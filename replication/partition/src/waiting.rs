//! Who waits for a partition to move, without a poll and without a timer for each.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use engine_runtime::Notify;

/// One fetch that waits, possibly at many partitions of its core.
#[derive(Default)]
pub struct Watcher {
    woken: Notify,
    is_woken: Cell<bool>,
}

impl Watcher {
    /// A watcher that nobody has woken.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// Wakes it, now or when it comes to wait.
    pub fn wake(&self) {
        self.is_woken.set(true);
        self.woken.notify_all();
    }

    /// Waits until something that it watches has moved, and is ready to wait again.
    pub async fn woken(&self) {
        while !self.is_woken.replace(false) {
            self.woken.wait().await;
        }
    }
}

/// The watchers of one partition. A watcher that is gone leaves no trace but an empty reference,
/// which the next move sweeps out.
#[derive(Default)]
pub(crate) struct Watchers {
    list: RefCell<Vec<Weak<Watcher>>>,
}

impl Watchers {
    pub(crate) fn add(&self, watcher: &Rc<Watcher>) {
        let mut list = self.list.borrow_mut();
        // A partition without traffic is watched again and again by fetches that time out: when
        // the list would grow, the dead ones go first.
        if list.len() == list.capacity() {
            list.retain(|watcher| watcher.strong_count() > 0);
        }
        list.push(Rc::downgrade(watcher));
    }

    /// Wakes everybody and forgets them: who still waits comes back.
    pub(crate) fn wake(&self) {
        for watcher in self.list.take() {
            if let Some(watcher) = watcher.upgrade() {
                watcher.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_watchers_do_not_pile_up() {
        let watchers = Watchers::default();
        let alive = Watcher::new();
        watchers.add(&alive);
        for _ in 0..10_000 {
            watchers.add(&Watcher::new());
        }
        assert!(watchers.list.borrow().len() < 100);
        watchers.wake();
        assert!(alive.is_woken.get());
        assert!(watchers.list.borrow().is_empty());
    }
}
