//! Serving records: whole batches from an offset on, from the tail when they are there, else from
//! pages of the segment read by direct I/O.
//!
//! One plan serves both: it walks batch headers over the bytes at hand and either is done or names
//! what is missing. The cached path runs it once; the cold path loads and runs it again.

use std::ops::Range;
use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{align_down, align_up};
use engine_cache::PageKey;
use engine_cache::limits::PAGE_SIZE_BYTES;
use engine_record::{BATCH_HEADER_SIZE_BYTES, BatchHeader};
use engine_runtime::{BlockBuf, Slice};

use crate::error::{ReadError, StoreError};
use crate::log::{Log, LogInner, LogState};
use crate::offset_index::OffsetIndex;

const PAGE: u64 = PAGE_SIZE_BYTES as u64;

/// Whole batches, as they lie in the segment.
#[derive(Clone, Debug, Default)]
pub struct ReadData {
    /// The bytes, in order; cut at batch bounds.
    pub slices: Vec<Slice>,
    /// Their sum.
    pub size_bytes: usize,
    /// Base offset of the first batch: at or below the offset that was asked for. Equal to it
    /// when nothing was read.
    pub first_offset: i64,
    /// The offset after the last batch: where the next read begins.
    pub next_offset: i64,
    /// No record that a reader with this much room could get is at or above it: the offset of the
    /// first index entry behind, or of the next segment (Kafka's bound for the search for aborted
    /// transactions). `None` when there is nothing to read at the offset.
    pub index_bound_offset: Option<i64>,
}

/// What a reader wants.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// The first offset.
    pub from_offset: i64,
    /// Bytes at most ...
    pub size_bytes_max: usize,
    /// ... but one batch in any case, so that a reader with a small buffer goes on (KIP-74).
    pub min_one_batch: bool,
    /// Batches that reach this offset are not served: high watermark, last stable offset or log
    /// end.
    pub upper_bound_offset: i64,
}

/// What a plan needs before it can go on.
enum Missing {
    /// A page of the segment with this base offset.
    Page { segment_base: i64, position: u64 },
    /// The offset index of the segment with this base offset.
    Index { segment_base: i64 },
}

enum Plan {
    Done(ReadData),
    Missing(Missing),
    Corrupt { segment_base: i64, position: u64 },
}

/// What the cold path has loaded so far.
#[derive(Default)]
struct Loaded {
    pages: Vec<(PageKey, Slice)>,
    index: Option<(i64, Rc<OffsetIndex>)>,
}

impl Log {
    /// Reads from memory; `None` when the disk would be needed.
    #[must_use]
    pub fn try_read_cached(&self, request: &ReadRequest) -> Option<Result<ReadData, ReadError>> {
        let state = self.inner.state.borrow();
        match plan(&self.inner, &state, &Loaded::default(), request) {
            Err(error) => Some(Err(error)),
            Ok(Plan::Done(data)) => Some(Ok(data)),
            Ok(Plan::Missing(_) | Plan::Corrupt { .. }) => None,
        }
    }

    /// Reads whole batches from an offset on, from one segment at most.
    ///
    /// # Errors
    /// The offset is not in the log, or the disk does not give back what was written.
    pub async fn read(&self, request: ReadRequest) -> Result<ReadData, ReadError> {
        let mut loaded = Loaded::default();
        loop {
            let outcome = plan(&self.inner, &self.inner.state.borrow(), &loaded, &request)?;
            match outcome {
                Plan::Done(data) => {
                    self.inner.maybe_read_ahead(&loaded);
                    return Ok(data);
                }
                Plan::Corrupt {
                    segment_base,
                    position,
                } => {
                    return Err(ReadError::Corrupt {
                        segment_base,
                        position,
                    });
                }
                Plan::Missing(Missing::Index { segment_base }) => {
                    let index = self.inner.sealed_index(segment_base).await?;
                    loaded.index = Some((segment_base, index));
                }
                Plan::Missing(Missing::Page {
                    segment_base,
                    position,
                }) => {
                    let key = self.inner.page_key(segment_base, position);
                    let Some(page) = self.inner.page(key).await? else {
                        loaded = Loaded::default(); // cut meanwhile: look again
                        continue;
                    };
                    let within = (position - key.position) as usize;
                    if within >= page.len() {
                        return Err(ReadError::Corrupt {
                            segment_base,
                            position,
                        });
                    }
                    // A page may have grown since it was loaded: its new self replaces it.
                    loaded.pages.retain(|(found, _)| *found != key);
                    loaded.pages.push((key, page));
                }
            }
        }
    }
}

fn plan(
    log: &LogInner,
    state: &LogState,
    loaded: &Loaded,
    request: &ReadRequest,
) -> Result<Plan, ReadError> {
    if state.is_deleted {
        return Err(ReadError::Deleted);
    }
    let from = request.from_offset;
    if from < state.start_offset || from > state.end_offset {
        return Err(ReadError::OutOfRange {
            log_start_offset: state.start_offset,
            log_end_offset: state.end_offset,
        });
    }
    let upper_bound = request.upper_bound_offset.min(state.end_offset);
    let nothing = ReadData {
        first_offset: from,
        next_offset: from,
        ..ReadData::default()
    };
    let mut segment_index = state.segment_index_for(from);
    loop {
        let segment = &state.segments[segment_index];
        if from >= upper_bound {
            return Ok(Plan::Done(nothing));
        }
        let walk = Walk {
            log,
            state,
            loaded,
            segment_base: segment.base_offset,
        };
        let index = match (&segment.index, &loaded.index) {
            (Some(index), _) => &index.offsets,
            (None, Some((base, index))) if *base == segment.base_offset => &**index,
            (None, _) => {
                let segment_base = segment.base_offset;
                return Ok(Plan::Missing(Missing::Index { segment_base }));
            }
        };
        match walk.batches(index, segment.end_position, request, upper_bound) {
            Err(Stop::Missing(position)) => {
                let segment_base = segment.base_offset;
                return Ok(Plan::Missing(Missing::Page {
                    segment_base,
                    position,
                }));
            }
            Err(Stop::Corrupt(position)) => {
                let segment_base = segment.base_offset;
                return Ok(Plan::Corrupt {
                    segment_base,
                    position,
                });
            }
            // The offset lies behind the last batch of this segment (compaction left a gap):
            // the next one has it.
            Ok(None) if segment_index + 1 < state.segments.len() => segment_index += 1,
            Ok(None) => return Ok(Plan::Done(nothing)),
            Ok(Some((mut data, fetch_end))) => {
                let behind = index.offset_at_or_behind(fetch_end);
                let next_base = || Some(state.segments.get(segment_index + 1)?.base_offset);
                let bound = behind.or_else(next_base).unwrap_or(state.end_offset);
                data.index_bound_offset = Some(bound);
                return Ok(Plan::Done(data));
            }
        }
    }
}

/// Why a walk cannot go on.
enum Stop {
    /// The bytes at this position are not in memory.
    Missing(u64),
    /// The bytes at this position are not a batch.
    Corrupt(u64),
}

/// A walk over the batches of one segment.
struct Walk<'a> {
    log: &'a LogInner,
    state: &'a LogState,
    loaded: &'a Loaded,
    segment_base: i64,
}

impl Walk<'_> {
    /// The batches that answer `request`, and where Kafka's answer would end, which is not cut at
    /// batch bounds; `None` when the segment ends before its first offset.
    fn batches(
        &self,
        index: &OffsetIndex,
        end_position: u64,
        request: &ReadRequest,
        upper_bound: i64,
    ) -> Result<Option<(ReadData, u64)>, Stop> {
        let mut position = index.position_for(request.from_offset);
        // Skip to the batch that holds the first offset.
        let first = loop {
            if position >= end_position {
                return Ok(None);
            }
            let header = self.header(position)?;
            if header.last_offset() >= request.from_offset {
                break header;
            }
            position += batch_size(&header, position, end_position)?;
        };
        let start = position;
        let limit = start + request.size_bytes_max as u64;
        let mut end = start;
        let mut next_offset = first.base_offset;
        let mut header = first;
        let fetch_end = loop {
            let size = batch_size(&header, position, end_position)?;
            let is_forced = request.min_one_batch && position == start;
            if header.next_offset() > upper_bound {
                break position;
            }
            if position + size > limit && !is_forced {
                break limit;
            }
            position += size;
            end = position;
            next_offset = header.next_offset();
            // Everything before an index entry's batch is below that batch: jump.
            if let Some(jump) = index.last_position_before(limit, upper_bound)
                && jump > position
            {
                position = jump;
                end = jump;
            }
            if position >= end_position || position >= limit {
                break position;
            }
            header = self.header(position)?;
            if end == position {
                next_offset = next_offset.max(header.base_offset);
            }
        };
        let slices = self.slices(start..end)?;
        let data = ReadData {
            size_bytes: (end - start) as usize,
            slices,
            first_offset: if end == start {
                request.from_offset
            } else {
                first.base_offset
            },
            next_offset: if end == start {
                request.from_offset
            } else {
                next_offset
            },
            index_bound_offset: None,
        };
        Ok(Some((data, fetch_end)))
    }

    fn header(&self, position: u64) -> Result<BatchHeader, Stop> {
        let mut bytes = [0; BATCH_HEADER_SIZE_BYTES];
        if self
            .state
            .tail
            .copy(self.segment_base, position, &mut bytes)
            .is_some()
        {
            return Ok(BatchHeader::read(&bytes));
        }
        let mut done = 0;
        for slice in self.slices(position..position + bytes.len() as u64)? {
            bytes[done..done + slice.len()].copy_from_slice(&slice);
            done += slice.len();
        }
        Ok(BatchHeader::read(&bytes))
    }

    /// The bytes of a range: from loaded pages up to where the tail begins, from the tail there.
    fn slices(&self, range: Range<u64>) -> Result<Vec<Slice>, Stop> {
        let tail = &self.state.tail;
        let tail_start = tail.first_position(self.segment_base).unwrap_or(u64::MAX);
        let mut slices = Vec::new();
        let mut at = range.start;
        while at < range.end.min(tail_start) {
            let key = self.log.page_key(self.segment_base, at);
            let mut pages = self.loaded.pages.iter();
            let found = pages
                .find(|(found, _)| *found == key)
                .ok_or(Stop::Missing(at))?;
            let within = (at - key.position) as usize;
            let until = range
                .end
                .min(tail_start)
                .min(key.position + found.1.len() as u64);
            if until <= at {
                return Err(Stop::Missing(at));
            }
            slices.push(found.1.slice(within..(until - key.position) as usize));
            at = until;
        }
        if at < range.end {
            slices.extend(
                tail.slices(self.segment_base, at..range.end)
                    .ok_or(Stop::Missing(at))?,
            );
        }
        Ok(slices)
    }
}

/// The size of the batch at `position`, which must end within the segment.
fn batch_size(header: &BatchHeader, position: u64, end_position: u64) -> Result<u64, Stop> {
    let size = header.size_bytes().ok_or(Stop::Corrupt(position))? as u64;
    if position + size > end_position {
        Err(Stop::Corrupt(position))
    } else {
        Ok(size)
    }
}

impl LogInner {
    fn page_key(&self, segment_base: i64, position: u64) -> PageKey {
        PageKey {
            log: self.key,
            segment_base,
            position: align_down(position, PAGE),
        }
    }

    /// A page from the cache or the disk; `None` when the segment was cut or removed meanwhile.
    async fn page(&self, key: PageKey) -> Result<Option<Slice>, ReadError> {
        let shared = &self.shared;
        loop {
            let wanted = {
                let state = self.state.borrow();
                let Some(segment) = state.segment(key.segment_base) else {
                    return Ok(None);
                };
                segment
                    .destaged_position
                    .saturating_sub(key.position)
                    .min(PAGE) as usize
            };
            if let Some(page) = shared.pages.borrow_mut().find(key)
                && page.len() >= wanted
            {
                return Ok(Some(page));
            }
            if !shared.pages_loading.borrow().contains(&key) {
                break;
            }
            shared.progress.wait().await;
        }
        shared.pages_loading.borrow_mut().push(key);
        let loaded = self.load_page(key).await;
        shared
            .pages_loading
            .borrow_mut()
            .retain(|loading| *loading != key);
        shared.progress.notify_all();
        loaded.map_err(ReadError::Store)
    }

    async fn load_page(&self, key: PageKey) -> Result<Option<Slice>, StoreError> {
        let (generation, end) = {
            let state = self.state.borrow();
            let Some(segment) = state.segment(key.segment_base) else {
                return Ok(None);
            };
            (state.generation, segment.destaged_position)
        };
        let size = end.saturating_sub(key.position).min(PAGE);
        if size == 0 {
            return Ok(Some(Slice::empty()));
        }
        let file = match self.segment_file(key.segment_base).await {
            Ok(file) => file,
            // Removed between the look and the opening.
            Err(_) if self.state.borrow().segment(key.segment_base).is_none() => return Ok(None),
            Err(error) => return Err(error),
        };
        let aligned = align_up(size, BLOCK_SIZE_BYTES as u64) as usize;
        let (count, buffer) = file
            .read_at(key.position, BlockBuf::new(aligned), aligned)
            .await;
        let count = count.map_err(StoreError::io("reading", file.path()))?;
        let page = buffer.freeze().slice(0..count.min(size as usize));
        let is_cut = self.state.borrow().generation != generation;
        if !is_cut {
            self.shared.pages.borrow_mut().insert(key, page.clone());
        }
        Ok((!is_cut).then_some(page))
    }

    /// A reader that went through a page soon wants the next one.
    fn maybe_read_ahead(self: &Rc<Self>, loaded: &Loaded) {
        let Some((last, page)) = loaded.pages.last() else {
            return;
        };
        if (page.len() as u64) < PAGE {
            return;
        }
        let next = PageKey {
            position: last.position + PAGE,
            ..*last
        };
        let shared = &self.shared;
        let is_known =
            shared.pages.borrow().contains(next) || shared.pages_loading.borrow().contains(&next);
        let is_in_file = self
            .state
            .borrow()
            .segment(next.segment_base)
            .is_some_and(|segment| segment.destaged_position > next.position);
        if !is_known && is_in_file {
            let log = Rc::clone(self);
            // A failed read ahead is repeated, and reported, by whoever needs the page.
            engine_runtime::spawn(async move { drop(log.page(next).await) }).detach();
        }
    }
}
