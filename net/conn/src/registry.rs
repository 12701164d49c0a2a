//! The connections of one shard: how many, since when idle, and how to end them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use engine_base::Instant;
use engine_runtime::{Notify, now, spawn};

use crate::limits::{FRAME_TIME_MAX, RECEIVE_RATE_BYTES_MIN, SEND_STALL_MAX};
use crate::transport::Transport;

/// Names a connection within its shard.
pub type ConnectionId = u64;

/// What the sweep sees of a connection.
pub struct ConnectionHandle {
    /// This connection's name.
    pub id: ConnectionId,
    pub(crate) transport: Transport,
    pub(crate) phase: Cell<Phase>,
    /// Since when the answers in hand are being sent.
    pub(crate) sending_since: Cell<Option<Instant>>,
    pub(crate) is_closing: Cell<bool>,
}

/// What the connection waits for, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// For a request.
    Idle(Instant),
    /// For the rest of a frame whose first byte came then; so many bytes have arrived.
    Receiving(Instant, usize),
    /// For its own answer, or for memory: the broker's time, not the client's.
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

/// Why a peer has kept us waiting for too long, when it has.
fn overdue(
    phase: Phase,
    sending_since: Option<Instant>,
    now: Instant,
    idle_max: Duration,
) -> Option<&'static str> {
    let is_overdue = |since: Instant, max: Duration| now.since(since) > max;
    if sending_since.is_some_and(|since| is_overdue(since, SEND_STALL_MAX)) {
        return Some("the peer takes no answers");
    }
    match phase {
        Phase::Idle(since) if is_overdue(since, idle_max) => Some("idle for too long"),
        Phase::Receiving(since, arrived_bytes) => {
            let seconds = (arrived_bytes / RECEIVE_RATE_BYTES_MIN) as u64;
            let max = FRAME_TIME_MAX + Duration::from_secs(seconds);
            is_overdue(since, max).then_some("a frame arrives too slowly")
        }
        _ => None,
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
            sending_since: Cell::new(None),
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

    /// Closes connections that have been idle for too long, are slow inside a frame, or take no
    /// answers. Called every [`crate::limits::SWEEP_INTERVAL`].
    pub fn sweep(&self) {
        let now = now();
        for connection in self.connections.borrow().values() {
            if connection.is_closing.get() {
                continue;
            }
            let sending_since = connection.sending_since.get();
            if let Some(why) = overdue(connection.phase.get(), sending_since, now, self.idle_max) {
                tracing::debug!(connection = connection.id, "closing a connection: {why}");
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

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_MAX: Duration = Duration::from_secs(600);

    fn is_overdue(phase: Phase, sending_since: Option<Instant>, waited: Duration) -> bool {
        overdue(phase, sending_since, Instant(1) + waited, IDLE_MAX).is_some()
    }

    #[test]
    fn a_peer_that_takes_no_answers_is_overdue_however_much_it_asks() {
        let late = SEND_STALL_MAX + Duration::from_nanos(1);
        for phase in [Phase::Working, Phase::Idle(Instant(1) + late)] {
            assert!(!is_overdue(phase, Some(Instant(1)), SEND_STALL_MAX));
            assert!(is_overdue(phase, Some(Instant(1)), late));
        }
    }

    #[test]
    fn our_own_time_does_not_count() {
        assert!(!is_overdue(Phase::Working, None, 10 * IDLE_MAX));
    }

    #[test]
    fn a_frame_gets_a_second_for_each_kib_that_arrived() {
        let phase = Phase::Receiving(Instant(1), 5 * RECEIVE_RATE_BYTES_MIN);
        let max = FRAME_TIME_MAX + Duration::from_secs(5);
        assert!(!is_overdue(phase, None, max));
        assert!(is_overdue(phase, None, max + Duration::from_nanos(1)));
    }
}
