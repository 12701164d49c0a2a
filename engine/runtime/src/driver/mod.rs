//! The seam between a core and its world.
//!
//! Everything above it is the same code in both worlds; no type parameter climbs out of it. A
//! driver starts operations, reports completions to the core's table, tells the time and wakes
//! peers. It never polls a task.

pub(crate) mod address;
pub(crate) mod sim;
pub(crate) mod system;
pub(crate) mod uring;

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

use engine_base::{Instant, Timestamp};

use crate::clock;
use crate::handle::{Handle, RawHandle};
use crate::op::{Operation, OperationId};
use crate::remote::Remote;
use crate::staging::StagingPiece;

pub(crate) enum Driver {
    Uring(Box<uring::UringDriver>),
    Sim(Box<sim::SimDriver>),
}

impl Driver {
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Uring(_) => clock::monotonic(),
            Self::Sim(sim) => sim.now(),
        }
    }

    pub(crate) fn wall_clock(&self) -> Timestamp {
        match self {
            Self::Uring(_) => clock::wall(),
            Self::Sim(sim) => sim.wall_clock(),
        }
    }

    /// Starts an operation that the core's table holds until [`crate::core::Core::complete`];
    /// says whether it uses registered memory.
    pub(crate) fn start(&self, id: OperationId, operation: &mut Operation) -> bool {
        match self {
            Self::Uring(ring) => ring.start(id, operation),
            Self::Sim(sim) => {
                sim.start(id, operation);
                false
            }
        }
    }

    /// Asks for an early end of an operation; its completion still comes.
    pub(crate) fn cancel(&self, id: OperationId) {
        match self {
            Self::Uring(ring) => ring.cancel(id),
            Self::Sim(sim) => sim.cancel(id),
        }
    }

    /// The owner of what an operation made.
    pub(crate) fn adopt(&self, result: i64) -> RawHandle {
        match self {
            Self::Uring(_) => {
                let fd = i32::try_from(result).expect("descriptors are small numbers");
                // SAFETY: the kernel made this descriptor for the operation whose result it is,
                // and this is the one place that takes it over.
                RawHandle::Fd(unsafe { OwnedFd::from_raw_fd(fd) })
            }
            Self::Sim(sim) => RawHandle::Sim(sim.adopt(result)),
        }
    }

    /// Registers a file for cheaper operations, when there is room.
    pub(crate) fn register(&self, handle: &Handle) {
        if let Self::Uring(ring) = self {
            handle.set_fixed_slot(ring.register_file(handle.fd()));
        }
    }

    /// A piece of registered memory, when one is free.
    pub(crate) fn take_staging(&self) -> Option<StagingPiece> {
        match self {
            Self::Uring(ring) => ring.take_staging(),
            Self::Sim(_) => None,
        }
    }

    pub(crate) fn release_fixed_slot(&self, slot: u32) {
        if let Self::Uring(ring) = self {
            ring.release_file(slot);
        }
    }

    /// Wakes the core behind `peer`; the caller has claimed the wake.
    pub(crate) fn wake_peer(&self, peer: &Arc<Remote>) {
        match self {
            Self::Uring(ring) => ring.wake_peer(peer),
            Self::Sim(sim) => sim.wake_peer(peer),
        }
    }
}
