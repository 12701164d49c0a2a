//! The last appended bytes of one log: what hot fetches are served from and what direct writes
//! are staged from, after the one copy out of the frame.
//!
//! ```text
//! segment 0, positions    4096        20480                    86016
//!                          | chunk 16 K | chunk 64 K             | chunk 256 K ...
//!                                 ^ first cached byte                     ^ end: appends go here
//! ```
//! Chunks begin at block boundaries of the *file*: whole blocks of a chunk are whole blocks of
//! the segment, and go to disk without another copy. A batch may lie across two chunks. Appended
//! bytes are frozen; the partial last block is copied when it is written, because a block under
//! DMA is never changed.
//!
//! Lives on its log's core. It knows positions, not offsets, and never waits.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{align_down, align_up};
use engine_runtime::{AppendBuf, BlockBuf, Slice};

use crate::budget::{ChunkKey, ChunkPool, LARGEST};
use crate::limits::CHUNK_SIZES_BYTES;

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

#[derive(Debug)]
struct Chunk {
    key: u64,
    size_index: usize,
    segment_base: i64,
    /// Where the chunk's first byte lies in the segment; a multiple of the block size.
    position: u64,
    buffer: AppendBuf,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.position + self.buffer.len() as u64
    }
}

/// What became of a chunk that should be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Its memory is back in the pool.
    Done,
    /// It holds bytes that are not in the segment yet.
    Pinned,
    /// It was gone already.
    Gone,
}

/// One log's cached tail.
#[derive(Debug)]
pub struct Tail {
    pool: Rc<ChunkPool>,
    log: u32,
    chunks: VecDeque<Chunk>,
    next_key: u64,
}

impl Tail {
    /// An empty tail of the log with this index on the shard.
    #[must_use]
    pub fn new(pool: Rc<ChunkPool>, log: u32) -> Self {
        Self {
            pool,
            log,
            chunks: VecDeque::new(),
            next_key: 0,
        }
    }

    /// Whether nothing is cached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Where the cached bytes of a segment begin; `None` when none are cached.
    #[must_use]
    pub fn first_position(&self, segment_base: i64) -> Option<u64> {
        self.of_segment(segment_base)
            .next()
            .map(|chunk| chunk.position)
    }

    /// Where the cached bytes of a segment end.
    #[must_use]
    pub fn end_position(&self, segment_base: i64) -> Option<u64> {
        self.chunks
            .iter()
            .rev()
            .find(|chunk| chunk.segment_base == segment_base)
            .map(Chunk::end)
    }

    /// Begins the cached part of a segment at `position` with the bytes of the partial block
    /// before it, so that the block can be written whole. Without this, appends may begin only
    /// at a block boundary.
    ///
    /// # Panics
    /// When the segment is cached already or `head` is not that partial block.
    pub fn begin_within_block(&mut self, segment_base: i64, position: u64, head: &[u8]) {
        assert!(self.end_position(segment_base).is_none());
        let start = align_down(position, BLOCK);
        assert_eq!(position - start, head.len() as u64);
        self.append(segment_base, start, head);
    }

    /// Appends `bytes` at `position` of a segment: right behind what is cached of it, or at a
    /// block boundary when nothing is.
    ///
    /// # Panics
    /// When `position` is neither.
    pub fn append(&mut self, segment_base: i64, position: u64, bytes: &[u8]) {
        let mut position = position;
        let mut rest = bytes;
        while !rest.is_empty() {
            let chunk = self.chunk_for(segment_base, position, rest.len());
            let count = rest.len().min(chunk.buffer.remaining());
            let (part, after) = rest.split_at(count);
            chunk.buffer.append(part);
            position += count as u64;
            rest = after;
        }
    }

    /// The last chunk when it continues at `position` and has room, else a new one.
    fn chunk_for(&mut self, segment_base: i64, position: u64, wanted: usize) -> &mut Chunk {
        let last = self
            .chunks
            .back()
            .filter(|chunk| chunk.segment_base == segment_base);
        let is_full = last.is_none_or(|chunk| {
            assert_eq!(chunk.end(), position);
            chunk.buffer.remaining() == 0
        });
        if is_full {
            assert_eq!(position % BLOCK, 0);
            let grown = last.map_or(0, |chunk| chunk.size_index + 1);
            if self.chunks.is_empty() {
                self.pool.on_tail_filled();
            }
            let grown = grown.min(self.pool.growth_index_max());
            // A huge page is for logs that fill it, not for one large batch.
            let fitting = CHUNK_SIZES_BYTES.partition_point(|&size| size < wanted);
            let size_index = grown.max(fitting.min(LARGEST - 1)).min(LARGEST);
            let key = self.next_key;
            self.next_key += 1;
            let buffer = self.pool.take(
                size_index,
                ChunkKey {
                    log: self.log,
                    chunk: key,
                },
            );
            self.chunks.push_back(Chunk {
                key,
                size_index,
                segment_base,
                position,
                buffer,
            });
        }
        self.chunks.back_mut().expect("a chunk was found or made")
    }

    /// The bytes of `range` of a segment without a copy; `None` when not all of them are cached.
    #[must_use]
    pub fn slices(&self, segment_base: i64, range: Range<u64>) -> Option<Vec<Slice>> {
        let mut slices = Vec::new();
        self.visit(segment_base, range, |chunk, part| {
            slices.push(chunk.buffer.frozen(part))
        })?;
        Some(slices)
    }

    /// Copies bytes of a segment; `None` when not all of them are cached.
    pub fn copy(&self, segment_base: i64, position: u64, target: &mut [u8]) -> Option<()> {
        let range = position..position + target.len() as u64;
        let mut done = 0;
        self.visit(segment_base, range, |chunk, part| {
            let part = chunk.buffer.frozen(part);
            target[done..done + part.len()].copy_from_slice(&part);
            done += part.len();
        })
    }

    /// Calls `visit` for each chunk's part of `range`, in order.
    fn visit(
        &self,
        segment_base: i64,
        range: Range<u64>,
        mut visit: impl FnMut(&Chunk, Range<usize>),
    ) -> Option<()> {
        if range.is_empty() {
            return Some(());
        }
        let from = (segment_base, range.start);
        let after = self
            .chunks
            .partition_point(|c| (c.segment_base, c.position) <= from);
        let mut at = range.start;
        for chunk in self.chunks.range(after.checked_sub(1)?..) {
            if chunk.segment_base != segment_base || chunk.end() <= at || chunk.position > at {
                return None;
            }
            let until = chunk.end().min(range.end);
            visit(
                chunk,
                (at - chunk.position) as usize..(until - chunk.position) as usize,
            );
            at = until;
            if at == range.end {
                return Some(());
            }
        }
        None
    }

    /// What to write so that the segment holds `range`: from the block boundary at or below its
    /// start to the one at or above its end. Whole blocks are the cache's own memory; the last
    /// partial block is a zero-padded copy.
    ///
    /// # Panics
    /// When the bytes are not cached: they are pinned until they were written.
    #[must_use]
    pub fn blocks(&self, segment_base: i64, range: Range<u64>) -> (u64, Vec<Slice>) {
        let start = align_down(range.start, BLOCK);
        let whole_end = align_down(range.end, BLOCK);
        let mut slices = self
            .slices(segment_base, start..whole_end)
            .expect("bytes are pinned until they are in the segment");
        let partial = (range.end - whole_end) as usize;
        if partial > 0 {
            let mut block = BlockBuf::new(BLOCK_SIZE_BYTES);
            self.copy(segment_base, whole_end, &mut block[..partial])
                .expect("bytes are pinned until they are in the segment");
            slices.push(block.freeze());
        }
        debug_assert_eq!(
            slices.iter().map(|slice| slice.len() as u64).sum::<u64>(),
            align_up(range.end, BLOCK) - start
        );
        (start, slices)
    }

    /// Gives the chunk back unless it holds bytes from `pinned_from` (segment base, position) on.
    pub fn evict(&mut self, key: ChunkKey, pinned_from: (i64, u64)) -> Eviction {
        assert_eq!(key.log, self.log);
        match self.chunks.front() {
            Some(chunk) if chunk.key == key.chunk => {
                if (chunk.segment_base, chunk.end()) > pinned_from {
                    return Eviction::Pinned;
                }
                let chunk = self.chunks.pop_front().expect("it was just seen");
                self.pool.give_back(chunk.size_index, chunk.buffer);
                if self.chunks.is_empty() {
                    self.pool.on_tail_emptied();
                }
                Eviction::Done
            }
            // Chunks leave from the front only: one that is not at the front but still here
            // waits for those before it.
            Some(chunk) if chunk.key < key.chunk => Eviction::Pinned,
            _ => Eviction::Gone,
        }
    }

    /// Forgets everything: after a truncation the next append begins anew.
    pub fn clear(&mut self) {
        if !self.chunks.is_empty() {
            self.pool.on_tail_emptied();
        }
        for chunk in self.chunks.drain(..) {
            self.pool.give_back(chunk.size_index, chunk.buffer);
        }
    }

    fn of_segment(&self, segment_base: i64) -> impl Iterator<Item = &Chunk> {
        self.chunks
            .iter()
            .filter(move |chunk| chunk.segment_base == segment_base)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        Tail::new(Rc::new(ChunkPool::new(1 << 20)), 3)
    }

    fn pattern(position: u64, size: usize) -> Vec<u8> {
        (position..position + size as u64)
            .map(|at| (at % 251) as u8)
            .collect()
    }

    fn bytes(slices: &[Slice]) -> Vec<u8> {
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_come_back_across_chunks_from_any_position() {
        let mut tail = tail();
        let mut position = 0;
        for size in [100, 4000, 5000, 1, 70_000, 300_000] {
            tail.append(0, position, &pattern(position, size));
            position += size as u64;
        }
        for range in [
            0..position,
            99..4101,
            4095..4097,
            8000..60_000,
            position - 1..position,
        ] {
            let found = tail.slices(0, range.clone()).unwrap();
            assert_eq!(
                bytes(&found),
                pattern(range.start, (range.end - range.start) as usize)
            );
        }
        assert!(tail.slices(0, position..position + 1).is_none());
        assert!(tail.slices(7, 0..1).is_none());
        assert_eq!(tail.slices(0, 5..5), Some(Vec::new()));
    }

    #[test]
    fn written_blocks_are_whole_and_the_last_is_a_padded_copy() {
        let mut tail = tail();
        tail.append(0, 0, &pattern(0, 10_000));
        let (start, slices) = tail.blocks(0, 5000..10_000);
        assert_eq!(start, 4096);
        let mut expected = pattern(4096, 10_000 - 4096);
        expected.resize(8192, 0);
        assert_eq!(bytes(&slices), expected);
        // A later append does not change the block that may be under DMA.
        tail.append(0, 10_000, &[9; 10]);
        assert_eq!(bytes(&slices), expected);
    }

    #[test]
    fn tail_that_begins_within_a_block_holds_the_bytes_before_it() {
        let mut tail = tail();
        tail.begin_within_block(50, 5000, &pattern(4096, 904));
        tail.append(50, 5000, &pattern(5000, 10));
        assert_eq!(tail.first_position(50), Some(4096));
        assert_eq!(tail.end_position(50), Some(5010));
        assert_eq!(
            bytes(&tail.slices(50, 4096..5010).unwrap()),
            pattern(4096, 914)
        );
    }

    #[test]
    fn segments_follow_each_other_in_one_tail() {
        let mut tail = tail();
        tail.append(0, 0, &[1; 5000]);
        tail.append(40, 0, &[2; 100]);
        assert_eq!(bytes(&tail.slices(0, 4990..5000).unwrap()), [1; 10]);
        assert_eq!(bytes(&tail.slices(40, 0..100).unwrap()), [2; 100]);
        assert!(tail.slices(0, 4990..5001).is_none());
    }

    #[test]
    fn pinned_chunks_stay_and_others_go_oldest_first() {
        let pool = Rc::new(ChunkPool::new(4096));
        let mut tail = Tail::new(Rc::clone(&pool), 1);
        tail.append(0, 0, &[1; 4096 + 16_384]);
        assert_eq!(pool.used_bytes(), 65_536); // one chunk that fits all
        tail.append(0, 20_480, &[2; 60_000]);
        assert!(pool.is_over_budget());
        let first = pool.oldest().unwrap();
        assert_eq!(tail.evict(first, (0, 65_535)), Eviction::Pinned);
        let second = pool.oldest().unwrap();
        assert_eq!(tail.evict(second, (0, 80_480)), Eviction::Pinned);
        assert_eq!(tail.evict(first, (0, 65_536)), Eviction::Done);
        assert_eq!(tail.evict(first, (0, 65_536)), Eviction::Gone);
        assert_eq!(tail.first_position(0), Some(65_536));
        assert_eq!(tail.evict(second, (0, 80_480)), Eviction::Done);
        assert_eq!(pool.used_bytes(), 0);
    }

    #[test]
    fn a_lone_busy_log_grows_to_huge_pages() {
        let pool = Rc::new(ChunkPool::new(16 << 20));
        let mut tail = Tail::new(Rc::clone(&pool), 1);
        (0..344).for_each(|at| tail.append(0, at * 1024, &[1; 1024]));
        // 4 + 16 + 64 + 256 KiB are full.
        assert_eq!(pool.used_bytes(), (340 << 10) + (2 << 20));
    }

    #[test]
    fn one_large_batch_takes_no_huge_page() {
        let pool = Rc::new(ChunkPool::new(16 << 20));
        let mut tail = Tail::new(Rc::clone(&pool), 1);
        tail.append(0, 0, &[1; 200 << 10]);
        assert_eq!(pool.used_bytes(), 256 << 10);
        let mut tail = Tail::new(Rc::clone(&pool), 2);
        tail.append(0, 0, &[1; 256 << 10]);
        assert_eq!(pool.used_bytes(), 512 << 10);
    }

    #[test]
    fn many_busy_logs_do_not_press_each_other_out() {
        let budget = 4 << 20;
        let pool = Rc::new(ChunkPool::new(budget));
        let mut tails: Vec<_> = (0..50)
            .map(|log| Tail::new(Rc::clone(&pool), log))
            .collect();
        let step = 1024;
        for at in 0..400 {
            for tail in &mut tails {
                tail.append(0, at * step as u64, &vec![1; step]);
            }
            // Nothing is pinned: as the background loop evicts.
            while pool.is_over_budget() {
                let oldest = pool.oldest().unwrap();
                let tail = &mut tails[oldest.log as usize];
                assert_ne!(tail.evict(oldest, (1, 0)), Eviction::Pinned);
            }
            // Each log can append without its last block from disk.
            let end = (at + 1) * step as u64;
            for tail in &tails {
                assert_eq!(tail.end_position(0), Some(end));
            }
        }
    }

    #[test]
    fn a_tail_counts_while_it_holds_a_chunk() {
        let pool = Rc::new(ChunkPool::new(2 * 4 * 16 * 1024));
        let mut first = Tail::new(Rc::clone(&pool), 1);
        let mut others: Vec<_> = (2..6).map(|log| Tail::new(Rc::clone(&pool), log)).collect();
        others.iter_mut().for_each(|tail| tail.append(0, 0, &[1]));
        others[0].clear();
        first.append(0, 0, &[1; 4096]);
        first.append(0, 4096, &[1]);
        assert_eq!(pool.used_bytes(), 3 * 4096 + 4096 + 16_384);
        drop(others);
        first.append(0, 4097, &[1; 16_384]);
        // The others are gone: the next chunk is larger again.
        assert_eq!(pool.used_bytes(), 4096 + 16_384 + 65_536);
    }

    #[test]
    fn memory_under_a_send_is_not_recycled() {
        let pool = Rc::new(ChunkPool::new(0));
        let mut tail = Tail::new(Rc::clone(&pool), 1);
        tail.append(0, 0, &[7; 100]);
        let sent = tail.slices(0, 0..100).unwrap();
        tail.clear();
        let mut other = Tail::new(pool, 2);
        other.append(0, 0, &[8; 100]);
        assert_eq!(bytes(&sent), [7; 100]);
    }
}
