//! A bounded queue between tasks of one core.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use super::notify::Notify;

/// A queue of at most `capacity` items. Clones share it.
///
/// # Panics
/// When `capacity` is zero.
#[must_use]
pub fn queue<T>(capacity: usize) -> Queue<T> {
    assert!(capacity > 0);
    Queue {
        shared: Rc::new(Shared {
            items: RefCell::default(),
            capacity,
            is_closed: Cell::new(false),
            filled: Notify::new(),
            freed: Notify::new(),
        }),
    }
}

struct Shared<T> {
    items: RefCell<VecDeque<T>>,
    capacity: usize,
    is_closed: Cell<bool>,
    filled: Notify,
    freed: Notify,
}

/// See [`queue`].
pub struct Queue<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

/// The queue is full or closed; the item comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueFull<T>(pub T);

impl<T> Queue<T> {
    /// Adds an item when there is room.
    ///
    /// # Errors
    /// The item back when the queue is full or closed.
    pub fn try_push(&self, item: T) -> Result<(), QueueFull<T>> {
        let mut items = self.shared.items.borrow_mut();
        if self.shared.is_closed.get() || items.len() == self.shared.capacity {
            return Err(QueueFull(item));
        }
        items.push_back(item);
        drop(items);
        self.shared.filled.notify_one();
        Ok(())
    }

    /// Adds an item, waiting for room.
    ///
    /// # Errors
    /// The item back when the queue is closed.
    pub async fn push(&self, item: T) -> Result<(), QueueFull<T>> {
        let mut item = item;
        loop {
            match self.try_push(item) {
                Ok(()) => return Ok(()),
                Err(QueueFull(back)) if self.shared.is_closed.get() => return Err(QueueFull(back)),
                Err(QueueFull(back)) => item = back,
            }
            self.shared.freed.wait().await;
        }
    }

    /// Takes the oldest item when there is one.
    #[must_use]
    pub fn try_pop(&self) -> Option<T> {
        let item = self.shared.items.borrow_mut().pop_front();
        if item.is_some() {
            self.shared.freed.notify_one();
        }
        item
    }

    /// Takes the oldest item, waiting for one. `None` when the queue is closed and empty.
    pub async fn pop(&self) -> Option<T> {
        loop {
            if let Some(item) = self.try_pop() {
                return Some(item);
            }
            if self.shared.is_closed.get() {
                return None;
            }
            self.shared.filled.wait().await;
        }
    }

    /// Refuses items from now on; what is queued can still be taken.
    pub fn close(&self) {
        self.shared.is_closed.set(true);
        self.shared.filled.notify_all();
        self.shared.freed.notify_all();
    }

    /// Items queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.items.borrow().len()
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({} of {})", self.len(), self.shared.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_in_order() {
        let queue = queue(2);
        assert_eq!(queue.try_push(1), Ok(()));
        assert_eq!(queue.try_push(2), Ok(()));
        assert_eq!(queue.try_push(3), Err(QueueFull(3)));
        assert_eq!(
            (queue.try_pop(), queue.try_pop(), queue.try_pop()),
            (Some(1), Some(2), None)
        );
        queue.close();
        assert_eq!(queue.try_push(4), Err(QueueFull(4)));
    }
}
