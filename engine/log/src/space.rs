//! The free space of a log directory, and what it allows.
//!
//! ```text
//! free bytes   0 ............... 8 MiB ................... 64 MiB ...............
//! appends      none              logs that use the reserve  all
//! files grow   for what must be  for what was accepted      in large steps ahead
//! ```
//! The reserve is for the log that a deletion needs: without it a full disk could not be relieved
//! through the broker. Others leave it alone: they grow in the smallest steps there, and not at all
//! below it. A store that closes uses all there is. What the file system refuses all the same waits
//! until there is space.
//!
//! On the shard's core; asks the file system when a file grows.

use engine_base::{GIB, MIB};
use engine_runtime::fs;

use crate::error::StoreError;
use crate::limits::{EXTEND_SIZE_BYTES_MIN, RESERVE_PARTS};
use crate::log::{Log, LogInner};
use crate::shared::{Condition, Shared};
use crate::store::LogStore;

impl LogStore {
    /// Looks at the free space: when it runs low the pool of recycled files gives back what it holds
    /// of it, and below `free_space_bytes_min` appends are refused but those of logs with a
    /// reserve, while reads, deletes and retention go on. To be called once in a while; a file that
    /// is to grow does the same at once.
    ///
    /// # Errors
    /// The file system does not answer.
    pub fn check_space(&self) -> Result<(), StoreError> {
        let config = &self.shared.config;
        let space = fs::disk_space(&config.directory);
        let space = space.map_err(StoreError::io("asking for the space of", &config.directory))?;
        let shared = self.shared.clone();
        engine_runtime::spawn_maintenance(async move { shared.shrink_pool().await }).detach();
        if self.shared.is_low(space.available_bytes) {
            self.shared.enter_disk_full();
        }
        Ok(())
    }

    /// Whether appends are refused for want of space.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.shared.condition.get() == Condition::DiskFull
    }
}

impl Log {
    /// From here on the log takes appends also while others are refused for want of space, until
    /// the reserve is used up. For small logs that others need to make room.
    pub fn use_reserve(&self) {
        self.inner.uses_reserve.set(true);
    }
}

impl Shared {
    /// `None` when the file system does not say; then writes find out.
    fn free_bytes(&self) -> Option<u64> {
        let space = fs::disk_space(&self.config.directory);
        space.ok().map(|space| space.available_bytes)
    }

    /// Whether so little is free, with what the pool could give back, that appends are refused.
    fn is_low(&self, free_bytes: u64) -> bool {
        free_bytes + self.pool.borrow().size_bytes() < self.config.free_space_bytes_min
    }

    /// Whether the reserve holds so many bytes.
    pub(crate) fn has_reserve(&self, size_bytes: u64) -> bool {
        let least = self.config.free_space_bytes_min / RESERVE_PARTS;
        self.free_bytes()
            .is_none_or(|free_bytes| free_bytes >= size_bytes + least)
    }

    /// There is no space, or little: appends are refused until it is back.
    pub(crate) fn enter_disk_full(&self) {
        if self.condition.get() == Condition::Open {
            self.condition.set(Condition::DiskFull);
            let free_bytes = self.free_bytes().unwrap_or(0);
            tracing::error!(
                shard = self.config.shard.0,
                "{}: the disk is full: {} are free, and appends are refused below {}; nothing that \
                 was acknowledged is lost. Delete topics, lower retention, or add space: appends go \
                 on by themselves",
                self.config.directory.display(),
                size_text(free_bytes),
                size_text(self.config.free_space_bytes_min),
            );
            // The commit loop looks for its return.
            self.commit_wake.notify_one();
        }
        self.progress.notify_all();
    }
}

impl LogInner {
    /// How far a file may grow ahead that would like to grow by `wanted` bytes.
    pub(crate) fn step_within_space(&self, wanted: u64) -> u64 {
        let shared = &self.shared;
        let kept_free = shared.config.free_space_bytes_min;
        match shared.free_bytes() {
            Some(free_bytes) if free_bytes < wanted + kept_free => {
                if shared.is_low(free_bytes) {
                    shared.enter_disk_full();
                }
                wanted.min(EXTEND_SIZE_BYTES_MIN)
            }
            _ => wanted,
        }
    }

    /// Whether a file may grow by so many bytes now, although space may be scarce.
    pub(crate) fn may_grow(&self, size_bytes: u64) -> bool {
        let is_closing = self.shared.condition.get() == Condition::Closing;
        is_closing || self.uses_reserve.get() || self.shared.has_reserve(size_bytes)
    }

    /// What room is made with on a full disk: it goes before everything else.
    pub(crate) fn is_urgent(&self) -> bool {
        self.uses_reserve.get() || !self.state.borrow().controls.is_empty()
    }
}

/// Rounded down, in a unit that leaves some digits.
fn size_text(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes / 1024),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes / MIB as u64),
        _ => format!("{} GiB", bytes / GIB as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_a_unit_that_fits() {
        let said = [0, 5000, 64 << 20, (64 << 20) - 1, 3 << 30].map(size_text);
        assert_eq!(said, ["0 KiB", "4 KiB", "64 MiB", "63 MiB", "3 GiB"]);
    }
}
