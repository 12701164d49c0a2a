//! Files registered with the ring: operations on them skip a reference count on the file.

use std::cell::RefCell;
use std::os::fd::RawFd;

use io_uring::IoUring;

use crate::limits::FIXED_FILES_MAX;

/// The free places of the ring's table; empty when the kernel refused the table.
pub(super) struct FixedFiles {
    free: RefCell<Vec<u32>>,
}

impl FixedFiles {
    /// Registers an empty table. It counts against RLIMIT_NOFILE, so it shrinks when refused.
    pub(super) fn new(ring: &IoUring) -> Self {
        let sizes = [FIXED_FILES_MAX, FIXED_FILES_MAX / 4, FIXED_FILES_MAX / 16];
        let size = sizes
            .into_iter()
            .find(|&size| ring.submitter().register_files_sparse(size).is_ok());
        if size.is_none() {
            tracing::warn!(
                "the kernel refused a table of registered files; files work unregistered, a little \
                 slower (raise LimitNOFILE=)"
            );
        }
        let free = (0..size.unwrap_or(0)).rev().collect();
        Self {
            free: RefCell::new(free),
        }
    }

    /// Puts a file into the table, when there is room.
    pub(super) fn register(&self, ring: &IoUring, fd: RawFd) -> Option<u32> {
        let slot = self.free.borrow_mut().pop()?;
        match ring.submitter().register_files_update(slot, &[fd]) {
            Ok(_) => Some(slot),
            Err(_) => {
                self.free.borrow_mut().push(slot);
                None
            }
        }
    }

    /// Takes a file out again. Operations in flight keep their own count of it.
    pub(super) fn release(&self, ring: &IoUring, slot: u32) {
        match ring.submitter().register_files_update(slot, &[-1]) {
            Ok(_) => self.free.borrow_mut().push(slot),
            // The slot stays taken: a slot in doubt is never given to another file.
            Err(error) => tracing::warn!(slot, %error, "a registered file could not be taken out"),
        }
    }
}
