//! A shard's memory for frames that are arriving or waiting for their answers.

use std::cell::Cell;
use std::rc::Rc;

use engine_runtime::Notify;

/// Bytes that may be held at a time, and who waits for them. Lives on one shard.
pub struct Budget {
    size_bytes_max: usize,
    used_bytes: Cell<usize>,
    freed: Notify,
}

impl Budget {
    /// A budget of `size_bytes_max`.
    #[must_use]
    pub fn new(size_bytes_max: usize) -> Rc<Self> {
        Rc::new(Self {
            size_bytes_max,
            used_bytes: Cell::new(0),
            freed: Notify::new(),
        })
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
            self.budget.freed.wait().await;
        }
    }

    /// Gives everything back and keeps the reservation for the next frame.
    pub fn clear(&mut self) {
        if self.size_bytes > 0 {
            let used = self.budget.used_bytes.get();
            assert!(used >= self.size_bytes);
            self.budget.used_bytes.set(used - self.size_bytes);
            self.size_bytes = 0;
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
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}
