//! What will happen, in the order of simulated time.

use std::cmp::Ordering;
use std::path::PathBuf;

use super::disk::OpId;
use super::image::Inode;
use super::network::End;
use super::world_state::Owner;
use crate::op::OperationId;

/// An operation of a core that waits for its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) owner: Owner,
    pub(super) id: OperationId,
}

/// What happens when an event's time has come.
#[derive(Debug)]
pub(super) enum Action {
    /// An operation whose effect has happened already completes.
    Finish { waiting: Waiting, result: i64 },
    /// A read sees the disk as it is now.
    FinishRead { waiting: Waiting, inode: Inode },
    /// The device reports a write.
    FinishWrite {
        waiting: Waiting,
        op: OpId,
        size_bytes: usize,
        is_durable: bool,
    },
    /// A flush ends; it covers what had completed when it began.
    FinishSync {
        waiting: Waiting,
        inode: Inode,
        completed: Vec<OpId>,
    },
    /// The sync of a directory ends.
    FinishSyncDirectory { waiting: Waiting, path: PathBuf },
    /// A connection request reaches the other process.
    Connect {
        waiting: Waiting,
        socket: u64,
        target: std::net::SocketAddr,
    },
    /// The next segment on the wire to this end reaches it.
    Arrive { to: End },
    /// A core looks into its mailboxes.
    Wake { core_id: u64 },
}

/// An action and its time; ties are decided by a draw, then by order of scheduling.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) time: u64,
    pub(super) draw: u32,
    pub(super) sequence: u64,
    pub(super) action: Action,
}

impl Event {
    fn key(&self) -> (u64, u32, u64) {
        (self.time, self.draw, self.sequence)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    /// Reversed: the heap's greatest is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}
