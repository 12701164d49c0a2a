//! The connections of one shard: how many, since when idle, and how to end them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use engine_base::Instant;
use engine_runtime::{Notify, now, spawn};

use crate::limits::{FRAME_TIME_MAX, RECEIVE_RATE_BYTES_MIN};
use crate::transport::Transport;

/// Names a connection within its shard.
pub type ConnectionId = u64;

/// What the sweep sees of a connection.
pub struct ConnectionHandle {
    /// This connection's name.
    pub id: ConnectionId,
    pub(crate) transport: Transport,
    pub(crate) phase: Cell<Phase>,
    pub(crate) is_closing: Cell<bool>,
}

/// What the connection waits for, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// For a request.
    Idle(Instant),
    /// For the rest of a frame whose first byte came then; so many bytes have arrived.
    Receiving(Instant, usize),
    /// For its own answer: the broker's time, not the client's.
    Working,
}

impl ConnectionHandle {
    /// Ends the connection: its receive returns, its tasks finish.
    pub fn close(self: &Rc<Self>) {
        self.is_closing.set(true);
        let connection = self.clone();
        spawn(async move { connection.transport.shutdown().await }).detach();
    }
}

/// All connections of this shard.
pub struct Registry {
    connections: RefCell<BTreeMap<ConnectionId, Rc<ConnectionHandle>>>,
    id_next: Cell<ConnectionId>,
    idle_max: Duration,
    emptied: Notify,
}

impl Registry {
    /// An empty registry; connections idle for `idle_max` are closed
    /// (`connections.max.idle.ms`).
    #[must_use]
    pub fn new(idle_max: Duration) -> Rc<Self> {
        Rc::new(Self {
            connections: RefCell::default(),
            id_next: Cell::new(0),
            idle_max,
            emptied: Notify::new(),
        })
    }

    /// How many connections there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.connections.borrow().len()
    }

    pub(crate) fn add(&self, transport: Transport) -> Rc<ConnectionHandle> {
        let id = self.id_next.get();
        self.id_next.set(id + 1);
        let phase = Cell::new(Phase::Idle(now()));
        let is_closing = Cell::new(false);
        let handle = Rc::new(ConnectionHandle {
            id,
            transport,
            phase,
            is_closing,
        });
        self.connections.borrow_mut().insert(id, handle.clone());
        handle
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        let mut connections = self.connections.borrow_mut();
        connections.remove(&id);
        if connections.is_empty() {
            self.emptied.notify_all();
        }
    }

    /// Closes connections that have been idle, or slow inside a frame, for too long. Called every
    /// [`crate::limits::SWEEP_INTERVAL`].
    pub fn sweep(&self) {
        let now = now();
        for connection in self.connections.borrow().values() {
            let is_over = match connection.phase.get() {
                Phase::Idle(since) => now.since(since) > self.idle_max,
                Phase::Receiving(since, arrived_bytes) => {
                    let seconds = (arrived_bytes / RECEIVE_RATE_BYTES_MIN) as u64;
                    now.since(since) > FRAME_TIME_MAX + Duration::from_secs(seconds)
                }
                Phase::Working => false,
            };
            if is_over && !connection.is_closing.get() {
                connection.close();
            }
        }
    }

    /// Closes all connections that wait for a request; the others finish theirs first.
    pub fn close_idle(&self) {
        for connection in self.connections.borrow().values() {
            if matches!(connection.phase.get(), Phase::Working) {
                connection.is_closing.set(true);
            } else {
                connection.close();
            }
        }
    }

    /// Closes all connections at once.
    pub fn close_all(&self) {
        for connection in self.connections.borrow().values() {
            connection.close();
        }
    }

    /// Waits until no connection is left.
    pub async fn emptied(&self) {
        while self.count() > 0 {
            self.emptied.wait().await;
        }
    }
}
