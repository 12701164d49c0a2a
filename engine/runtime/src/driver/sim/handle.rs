//! Files and sockets of the simulated world.

use std::sync::{Arc, Mutex, PoisonError};

/// Names what is behind a handle; never used twice in a world.
pub(super) type ResourceId = u64;

/// Handles whose last clone is gone, for the world to close. Shared with handles, which may be
/// `Send` (a connection on its way to another core), hence the lock; there is one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Closed(Arc<Mutex<Vec<ResourceId>>>);

impl Closed {
    fn push(&self, id: ResourceId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(id);
    }

    pub(super) fn take(&self) -> Vec<ResourceId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts the users of a resource; the world closes it after the last.
#[derive(Clone, Debug)]
pub(crate) struct SimHandle(Arc<Resource>);

#[derive(Debug)]
struct Resource {
    id: ResourceId,
    closed: Closed,
}

impl SimHandle {
    pub(super) fn new(id: ResourceId, closed: Closed) -> Self {
        Self(Arc::new(Resource { id, closed }))
    }

    pub(super) fn id(&self) -> ResourceId {
        self.0.id
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.closed.push(self.id);
    }
}
