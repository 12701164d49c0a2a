//! One shard's memory for tails: chunks of a few sizes, recycled, counted against a budget.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use engine_runtime::AppendBuf;

use crate::limits::{CHUNK_SIZES_BYTES, FREE_CHUNKS_MAX, GROWTH_BUDGET_PART};

/// Names a chunk of a tail: which log's, and which of its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkKey {
    /// The log's index on its shard.
    pub log: u32,
    /// Counts from zero over the life of the log's tail.
    pub chunk: u64,
}

/// The chunks of one shard. Lives on its core, shared by the tails of the core's logs.
///
/// Memory is never registered with the ring and never pre-touched: an idle broker is small.
#[derive(Debug)]
pub struct ChunkPool {
    budget_bytes: usize,
    used_bytes: Cell<usize>,
    /// Tails that hold a chunk.
    tails: Cell<usize>,
    free: RefCell<[Vec<AppendBuf>; CHUNK_SIZES_BYTES.len()]>,
    /// Chunks in the order they were taken: the order in which they are evicted.
    order: RefCell<VecDeque<ChunkKey>>,
}

impl ChunkPool {
    /// A pool whose chunks in use should stay within `budget_bytes`.
    #[must_use]
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            used_bytes: Cell::new(0),
            tails: Cell::new(0),
            free: RefCell::default(),
            order: RefCell::default(),
        }
    }

    /// Bytes of chunks that tails hold.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// Whether chunks should be evicted.
    #[must_use]
    pub fn is_over_budget(&self) -> bool {
        self.used_bytes.get() > self.budget_bytes
    }

    /// The chunk taken longest ago, out of the order. The caller evicts it, or puts it back with
    /// [`ChunkPool::keep`] when it is pinned.
    pub fn oldest(&self) -> Option<ChunkKey> {
        self.order.borrow_mut().pop_front()
    }

    /// Puts a pinned chunk at the end of the order.
    pub fn keep(&self, key: ChunkKey) {
        self.order.borrow_mut().push_back(key);
    }

    /// Chunks in the order: the bound of one eviction pass.
    #[must_use]
    pub fn count(&self) -> usize {
        self.order.borrow().len()
    }

    /// The largest size that chunks may grow to now, when each tail has one.
    pub(crate) fn growth_index_max(&self) -> usize {
        let share_bytes = self.budget_bytes / GROWTH_BUDGET_PART / self.tails.get().max(1);
        let fitting = CHUNK_SIZES_BYTES.partition_point(|&size| size <= share_bytes);
        fitting.saturating_sub(1)
    }

    /// A tail took its first chunk.
    pub(crate) fn on_tail_filled(&self) {
        self.tails.set(self.tails.get() + 1);
    }

    /// A tail gave its last chunk back.
    pub(crate) fn on_tail_emptied(&self) {
        assert!(self.tails.get() > 0);
        self.tails.set(self.tails.get() - 1);
    }

    pub(crate) fn take(&self, size_index: usize, key: ChunkKey) -> AppendBuf {
        let size_bytes = CHUNK_SIZES_BYTES[size_index];
        let recycled = self.free.borrow_mut()[size_index].pop();
        let buffer = recycled.unwrap_or_else(|| AppendBuf::new(size_bytes, 0));
        assert!(buffer.is_empty());
        self.used_bytes.set(self.used_bytes.get() + size_bytes);
        self.order.borrow_mut().push_back(key);
        buffer
    }

    /// Takes a chunk back. While a send still refers to it, its memory goes with the last slice.
    pub(crate) fn give_back(&self, size_index: usize, mut buffer: AppendBuf) {
        let size_bytes = CHUNK_SIZES_BYTES[size_index];
        assert!(self.used_bytes.get() >= size_bytes);
        self.used_bytes.set(self.used_bytes.get() - size_bytes);
        let free = &mut self.free.borrow_mut()[size_index];
        if free.len() < FREE_CHUNKS_MAX[size_index] && buffer.try_reset(0) {
            free.push(buffer);
        }
    }
}
