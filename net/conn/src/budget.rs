//! A shard's memory for frames that are arriving or waiting for their answers.
//!
//! Frames that have arrived in part hold bytes while they wait for more: when all of the budget is
//! theirs, none would ever be complete. So one of them may exceed it, and when that one is done
//! the next: the budget is exceeded by one frame at most.

use std::cell::Cell;
use std::rc::Rc;

use engine_runtime::Notify;

/// Bytes that may be held at a time, and who waits for them. Lives on one shard.
pub struct Budget {
    size_bytes_max: usize,
    used_bytes: Cell<usize>,
    /// A reservation exceeds the budget.
    is_overdrawn: Cell<bool>,
    freed: Notify,
}

impl Budget {
    /// A budget of `size_bytes_max`.
    #[must_use]
    pub fn new(size_bytes_max: usize) -> Rc<Self> {
        Rc::new(Self {
            size_bytes_max,
            used_bytes: Cell::new(0),
            is_overdrawn: Cell::new(false),
            freed: Notify::new(),
        })
    }

    /// What may be held at a time.
    #[must_use]
    pub fn size_bytes_max(&self) -> usize {
        self.size_bytes_max
    }

    /// Bytes held now.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// An empty reservation, to grow as bytes arrive.
    #[must_use]
    pub fn reservation(self: &Rc<Self>) -> Reservation {
        Reservation {
            budget: self.clone(),
            size_bytes: 0,
            overdraws: false,
        }
    }

    fn try_take(&self, size_bytes: usize) -> bool {
        let used = self.used_bytes.get() + size_bytes;
        if used > self.size_bytes_max {
            return false;
        }
        self.used_bytes.set(used);
        true
    }
}

/// Bytes of the budget that a connection holds; given back when dropped.
pub struct Reservation {
    budget: Rc<Budget>,
    size_bytes: usize,
    /// It is the one that may exceed the budget.
    overdraws: bool,
}

impl Reservation {
    /// Grows the reservation to `size_bytes`, waiting for others to give back what is missing.
    /// Meanwhile the connection does not read: the peer feels it as a full window.
    pub async fn grow_to(&mut self, size_bytes: usize) {
        while self.size_bytes < size_bytes {
            let missing = size_bytes - self.size_bytes;
            if self.budget.try_take(missing) {
                self.size_bytes = size_bytes;
                return;
            }
            if self.may_overdraw() {
                let used = self.budget.used_bytes.get();
                self.budget.used_bytes.set(used + missing);
                self.size_bytes = size_bytes;
                return;
            }
            self.budget.freed.wait().await;
        }
    }

    /// Only who holds bytes can keep others from ever getting theirs.
    fn may_overdraw(&mut self) -> bool {
        if !self.overdraws && self.size_bytes > 0 && !self.budget.is_overdrawn.replace(true) {
            self.overdraws = true;
        }
        self.overdraws
    }

    /// Gives everything back and keeps the reservation for the next frame.
    pub fn clear(&mut self) {
        if self.size_bytes > 0 {
            let used = self.budget.used_bytes.get();
            assert!(used >= self.size_bytes);
            self.budget.used_bytes.set(used - self.size_bytes);
            self.size_bytes = 0;
            if std::mem::take(&mut self.overdraws) {
                self.budget.is_overdrawn.set(false);
            }
            self.budget.freed.notify_all();
        }
    }

    /// Hands the bytes over to a reservation of their own, for a frame that is complete.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let size_bytes = std::mem::take(&mut self.size_bytes);
        Self {
            budget: self.budget.clone(),
            size_bytes,
            overdraws: std::mem::take(&mut self.overdraws),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}
