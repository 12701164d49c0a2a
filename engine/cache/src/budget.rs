//! One shard's memory for tails: chunks of a few sizes, recycled, counted against a budget.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use engine_runtime::AppendBuf;

use crate::limits::{CHUNK_SIZES_BYTES, FREE_BUDGET_PART, GROWTH_BUDGET_PART, SPARE_CHUNKS_MAX};

/// Index of the largest size.
pub(crate) const LARGEST: usize = CHUNK_SIZES_BYTES.len() - 1;

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
/// Memory is never registered with the ring, and only that of a busy broker is touched ahead
/// ([`ChunkPool::make_spares`]): an idle one is small. What was touched once is kept for the next
/// log, within the budget: new memory costs several times what filling it does, most of all on a
/// virtual machine, whose host backs every page anew.
#[derive(Debug)]
pub struct ChunkPool {
    budget_bytes: usize,
    used_bytes: Cell<usize>,
    /// Tails that hold a chunk.
    tails: Cell<usize>,
    /// Empty chunks of each size; with those in use they stay within the budget.
    free: RefCell<[Vec<AppendBuf>; CHUNK_SIZES_BYTES.len()]>,
    free_bytes: Cell<usize>,
    /// Chunks of the largest size that tails hold.
    largest_in_use: Cell<usize>,
    is_making_spares: Cell<bool>,
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
            free_bytes: Cell::new(0),
            largest_in_use: Cell::new(0),
            is_making_spares: Cell::new(false),
            order: RefCell::default(),
        }
    }

    /// Bytes of chunks that tails hold.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// What the chunks in use should stay within.
    #[must_use]
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes
    }

    /// Whether chunks should be evicted. That begins a little below the budget: the chunk evicted
    /// for the one just taken has room among the free ones, and is the next one taken.
    #[must_use]
    pub fn is_over_budget(&self) -> bool {
        let for_free_bytes = self.budget_bytes / FREE_BUDGET_PART;
        self.used_bytes.get() > self.budget_bytes - for_free_bytes
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
        self.used_bytes.set(self.used_bytes.get() + size_bytes);
        self.order.borrow_mut().push_back(key);
        if size_index == LARGEST {
            self.largest_in_use.set(self.largest_in_use.get() + 1);
        }
        let buffer = self.take_free(size_index).unwrap_or_else(|| {
            self.shed_free();
            AppendBuf::new(size_bytes, 0)
        });
        assert!(buffer.is_empty());
        buffer
    }

    /// Takes a chunk back. While a send still refers to it, its memory goes with the last slice.
    pub(crate) fn give_back(&self, size_index: usize, mut buffer: AppendBuf) {
        let size_bytes = CHUNK_SIZES_BYTES[size_index];
        assert!(self.used_bytes.get() >= size_bytes);
        self.used_bytes.set(self.used_bytes.get() - size_bytes);
        if size_index == LARGEST {
            self.largest_in_use.set(self.largest_in_use.get() - 1);
        }
        let kept_bytes = self.used_bytes.get() + self.free_bytes.get() + size_bytes;
        if kept_bytes <= self.budget_bytes && buffer.try_reset(0) {
            self.free_bytes.set(self.free_bytes.get() + size_bytes);
            self.free.borrow_mut()[size_index].push(buffer);
        }
    }

    /// Whether [`ChunkPool::make_spares`] has something to do that nobody does yet.
    #[must_use]
    pub fn wants_spares(&self) -> bool {
        !self.is_making_spares.get() && self.is_short_of_spares()
    }

    /// Makes chunks of the largest size ahead, their memory committed beside the core: a tail that
    /// takes one does not wait for 2 MiB to be zeroed. One after the other, within the budget.
    pub async fn make_spares(&self) {
        if self.is_making_spares.replace(true) {
            return;
        }
        while self.is_short_of_spares() {
            // Counted from now on: others must not take its place in the budget meanwhile.
            let size_bytes = CHUNK_SIZES_BYTES[LARGEST];
            self.free_bytes.set(self.free_bytes.get() + size_bytes);
            let spare = AppendBuf::new(size_bytes, 0).populate().await;
            self.free.borrow_mut()[LARGEST].push(spare);
        }
        self.is_making_spares.set(false);
    }

    fn is_short_of_spares(&self) -> bool {
        let wanted = self.largest_in_use.get().min(SPARE_CHUNKS_MAX);
        let kept_bytes = self.used_bytes.get() + self.free_bytes.get();
        let has_room = kept_bytes + CHUNK_SIZES_BYTES[LARGEST] <= self.budget_bytes;
        has_room && self.free.borrow()[LARGEST].len() < wanted
    }

    fn take_free(&self, size_index: usize) -> Option<AppendBuf> {
        let buffer = self.free.borrow_mut()[size_index].pop()?;
        let size_bytes = CHUNK_SIZES_BYTES[size_index];
        self.free_bytes.set(self.free_bytes.get() - size_bytes);
        Some(buffer)
    }

    /// Gives free chunks back to the system, the largest first, until a new one fits the budget.
    fn shed_free(&self) {
        for size_index in (0..CHUNK_SIZES_BYTES.len()).rev() {
            while self.used_bytes.get() + self.free_bytes.get() > self.budget_bytes
                && self.take_free(size_index).is_some()
            {}
        }
    }
}

#[cfg(test)]
mod tests {
    use engine_runtime::{SimOptions, SimWorld};

    use super::*;

    const KEY: ChunkKey = ChunkKey { log: 0, chunk: 0 };

    #[test]
    fn busy_tails_write_the_same_memory_again_and_again() {
        let size_index = LARGEST;
        let pool = ChunkPool::new(FREE_BUDGET_PART * CHUNK_SIZES_BYTES[size_index]);
        let mut held = VecDeque::new();
        let mut take = || {
            held.push_back(pool.take(size_index, KEY));
            let is_recycled = pool.free_bytes.get() == 0;
            while pool.is_over_budget() {
                pool.give_back(size_index, held.pop_front().unwrap());
            }
            is_recycled
        };
        for _ in 0..FREE_BUDGET_PART {
            take();
        }
        for _ in 0..FREE_BUDGET_PART {
            assert!(take(), "the free chunk was taken");
            assert_eq!(pool.free_bytes.get(), CHUNK_SIZES_BYTES[size_index]);
        }
    }

    #[test]
    fn busy_tails_find_their_next_chunks_ready_within_the_budget() {
        let world = SimWorld::new(1, SimOptions::default());
        let process = world.add_process("broker");
        world.runtime(process).block_on(async {
            let pool = ChunkPool::new(5 * CHUNK_SIZES_BYTES[LARGEST]);
            let small = pool.take(0, KEY);
            assert!(!pool.wants_spares(), "an idle broker is small");
            pool.give_back(0, small);
            let held: Vec<_> = (0..2).map(|_| pool.take(LARGEST, KEY)).collect();
            assert!(pool.wants_spares());
            pool.make_spares().await;
            assert_eq!(pool.free.borrow()[LARGEST].len(), 2);
            assert!(!pool.wants_spares());

            // With the small free one, a fifth large one would be too much.
            let third = pool.take(LARGEST, KEY);
            pool.make_spares().await;
            let kept_bytes = pool.used_bytes() + pool.free_bytes.get();
            assert!(kept_bytes <= pool.budget_bytes(), "{kept_bytes}");
            assert_eq!(pool.free.borrow()[LARGEST].len(), 1);
            for buffer in held.into_iter().chain([third]) {
                pool.give_back(LARGEST, buffer);
            }
            assert!(!pool.wants_spares());
        });
    }

    #[test]
    fn touched_memory_is_kept_within_the_budget_and_makes_room_for_other_sizes() {
        let pool = ChunkPool::new(CHUNK_SIZES_BYTES[3]);
        let first = pool.take(2, KEY);
        let second = pool.take(2, KEY);
        pool.give_back(2, first);
        assert_eq!(pool.free_bytes.get(), CHUNK_SIZES_BYTES[2]);
        pool.give_back(2, second);
        assert_eq!(pool.free_bytes.get(), 2 * CHUNK_SIZES_BYTES[2]);

        let again = pool.take(2, KEY);
        assert_eq!(pool.free_bytes.get(), CHUNK_SIZES_BYTES[2]);
        let other = pool.take(3, KEY);
        assert_eq!(pool.free_bytes.get(), 0);
        pool.give_back(2, again); // the other one takes the whole budget
        assert_eq!(pool.free_bytes.get(), 0);
        pool.give_back(3, other);
        assert_eq!(pool.free_bytes.get(), CHUNK_SIZES_BYTES[3]);
        assert_eq!(pool.used_bytes(), 0);
    }
}
