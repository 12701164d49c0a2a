//! What a store takes of memory and disk, in numbers of this moment.

use crate::store::LogStore;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreUsage {
    /// Logs that are open.
    pub logs: usize,
    /// Journal files that a recovery would need.
    pub journal_files_in_use: usize,
    /// All journal files, those that are free included.
    pub journal_size_bytes: u64,
    /// Data that the files in use describe: what a recovery would have to verify.
    pub described_bytes: u64,
    /// Segment files that wait to be written again.
    pub pool_files: usize,
    /// Their size.
    pub pool_size_bytes: u64,
    /// Memory that the tails of the logs hold.
    pub tails_bytes: usize,
    /// What they should stay within.
    pub tails_bytes_max: usize,
}

impl LogStore {
    /// What the store takes now. Looks at each log's place and at nothing behind it.
    #[must_use]
    pub fn usage(&self) -> StoreUsage {
        let shared = &self.shared;
        let pool = shared.pool.borrow();
        StoreUsage {
            logs: shared.logs.borrow().iter().flatten().count(),
            journal_files_in_use: shared.journal_files.borrow().len(),
            journal_size_bytes: shared.journal_size_bytes.get(),
            described_bytes: shared.described_bytes.get(),
            pool_files: pool.file_count(),
            pool_size_bytes: pool.size_bytes(),
            tails_bytes: shared.chunks.used_bytes(),
            tails_bytes_max: shared.chunks.budget_bytes(),
        }
    }
}
