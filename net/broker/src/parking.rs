//! Fetches of other shards' connections that wait here for data.
//!
//! A connection has one fetch at a time, so one place for each connection is enough: a new wait
//! of the same connection replaces one that its shard has stopped waiting for. No message is
//! spent on cancelling.

use std::cell::RefCell;
use std::rc::Rc;

use engine_base::{HashMap, ShardId};
use net_conn::ConnectionId;
use replication_partition::Watcher;

/// A connection anywhere in this process.
pub(crate) type Waiter = (ShardId, ConnectionId);

/// Who waits on this shard.
#[derive(Default)]
pub(crate) struct Parking {
    places: RefCell<HashMap<Waiter, Rc<Watcher>>>,
}

impl Parking {
    /// Takes the connection's place, ending the wait that stood there.
    pub(crate) fn park(&self, waiter: Waiter) -> Rc<Watcher> {
        let watcher = Watcher::new();
        let replaced = self.places.borrow_mut().insert(waiter, watcher.clone());
        if let Some(replaced) = replaced {
            replaced.wake();
        }
        watcher
    }

    /// Gives the place back, if it is still this watcher's.
    pub(crate) fn leave(&self, waiter: Waiter, watcher: &Rc<Watcher>) {
        let mut places = self.places.borrow_mut();
        if places
            .get(&waiter)
            .is_some_and(|place| Rc::ptr_eq(place, watcher))
        {
            places.remove(&waiter);
        }
    }

    /// Wakes everybody: the shard is stopping.
    pub(crate) fn wake_all(&self) {
        for watcher in self.places.borrow().values() {
            watcher.wake();
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.places.borrow().len()
    }
}
