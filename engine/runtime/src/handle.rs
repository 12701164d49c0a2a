//! An open file or socket of either world.
//!
//! Shared by count on one core: every operation in flight holds a count, so a descriptor number
//! is never closed, and thus never re-used for something else, under an operation.

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::context;
use crate::driver::sim::SimHandle;

#[derive(Debug)]
pub(crate) struct Handle {
    /// Before `raw`, so that a file leaves the ring's table before its descriptor is closed.
    fixed_slot: FixedSlot,
    raw: RawHandle,
}

/// The file's index in the ring's table of registered files.
#[derive(Debug)]
struct FixedSlot(Cell<Option<u32>>);

impl Drop for FixedSlot {
    fn drop(&mut self) {
        // Without a current core the ring is gone, and its table with it.
        if let (Some(slot), Some(core)) = (self.0.take(), context::maybe_current()) {
            core.release_fixed_slot(slot);
        }
    }
}

/// What is behind a handle; may change cores.
#[derive(Debug)]
pub(crate) enum RawHandle {
    Fd(OwnedFd),
    Sim(SimHandle),
}

impl Handle {
    pub(crate) fn new(raw: RawHandle) -> Self {
        Self {
            raw,
            fixed_slot: FixedSlot(Cell::new(None)),
        }
    }

    /// The descriptor.
    ///
    /// # Panics
    /// In the simulated world, which has none.
    pub(crate) fn fd(&self) -> RawFd {
        match &self.raw {
            RawHandle::Fd(fd) => fd.as_raw_fd(),
            RawHandle::Sim(_) => unreachable!("a simulated handle never reaches a real ring"),
        }
    }

    /// The handle's identity in the simulated world.
    ///
    /// # Panics
    /// In the real one.
    pub(crate) fn sim(&self) -> &SimHandle {
        match &self.raw {
            RawHandle::Sim(sim) => sim,
            RawHandle::Fd(_) => unreachable!("a descriptor never reaches the simulated world"),
        }
    }

    pub(crate) fn raw(&self) -> &RawHandle {
        &self.raw
    }

    pub(crate) fn fixed_slot(&self) -> Option<u32> {
        self.fixed_slot.0.get()
    }

    pub(crate) fn set_fixed_slot(&self, slot: Option<u32>) {
        self.fixed_slot.0.set(slot);
    }

    /// Leaves this core's table; the descriptor itself goes on.
    pub(crate) fn into_raw(self) -> RawHandle {
        self.raw
    }
}
