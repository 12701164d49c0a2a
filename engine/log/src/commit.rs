//! One group commit: what is taken, what goes to segments first, what the journal entry says, and
//! which ends it moves.
//!
//! ```text
//! take      every log's pending units, as far as one entry can describe them
//! prepare   when a large unit's log is new to the journal, or the block that it must rewrite is
//!           not held: one durable entry with states and images (and the small units)
//! write     large units to their segments, all in flight together; await them
//! entry     descriptors of all units, payloads of the small, tail images of the large
//! advance   each log's committed end
//! ```
//! This file decides and assembles, on the shard's core; `pipeline.rs` performs.

use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{HashSet, align_down};
use engine_codec::crc32c;

use crate::commit_record::{Body, CommitRecord, Inline, State, Truncated, Unit};
use crate::log::{Control, LogInner, LogState, Pending};
use crate::part::{Part, Work, missing_image};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

/// An entry's payload being put together: heads are encoded, inline bytes are copied from the
/// tails when the entry is written.
#[derive(Default)]
pub(crate) struct EntryPlan {
    heads: Vec<u8>,
    /// In order: so many bytes of `heads`, then these inline bytes.
    pieces: Vec<PlanPiece>,
    size: usize,
    /// The entry must be durable whatever the logs say.
    pub(crate) must_be_durable: bool,
    /// Logs whose state is in the plan.
    introduced: HashSet<u32>,
}

struct PlanPiece {
    head_size: usize,
    inline: InlineSource,
}

enum InlineSource {
    None,
    /// Bytes `[start, end)` of a segment, from the log's tail.
    Tail {
        log: Rc<LogInner>,
        segment_base: i64,
        start: u64,
        end: u64,
    },
    Bytes(Vec<u8>),
}

impl InlineSource {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Tail { start, end, .. } => (end - start) as usize,
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn copy_to(&self, target: &mut [u8]) {
        match self {
            Self::None => {}
            Self::Tail {
                log,
                segment_base,
                start,
                ..
            } => log
                .state
                .borrow()
                .tail
                .copy(*segment_base, *start, target)
                .expect("bytes are pinned until they are committed and in their segment"),
            Self::Bytes(bytes) => target.copy_from_slice(bytes),
        }
    }
}

impl EntryPlan {
    /// Bytes of the payload.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size
    }

    /// Whether nothing was put.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Copies the payload to its place in the entry: the only copy of small units besides the one
    /// into the tail.
    pub(crate) fn fill(&self, target: &mut [u8]) {
        let (mut head_at, mut at) = (0, 0);
        for piece in &self.pieces {
            let head = &self.heads[head_at..head_at + piece.head_size];
            target[at..at + head.len()].copy_from_slice(head);
            head_at += head.len();
            at += head.len();
            let inline_size = piece.inline.len();
            piece.inline.copy_to(&mut target[at..at + inline_size]);
            at += inline_size;
        }
        assert_eq!(at, target.len());
    }

    /// The record's inline bytes say how many there are; what they are comes from `source`.
    fn put(&mut self, record: &CommitRecord<'_>, inline_size: usize, source: InlineSource) {
        let before = self.heads.len();
        record.put_head(&mut self.heads, inline_size);
        let head_size = self.heads.len() - before;
        self.size += head_size + inline_size;
        debug_assert_eq!(source.len(), inline_size);
        self.pieces.push(PlanPiece {
            head_size,
            inline: source,
        });
    }

    /// The state of a log that the journal knows already, for a checkpoint.
    pub(crate) fn put_state_of_known(&mut self, log: &LogInner) {
        let state = log.state.borrow();
        if state.is_introduced {
            self.put_state(log, &state);
        }
    }

    /// The state of a log, as of its last commit.
    fn put_state(&mut self, log: &LogInner, state: &LogState) {
        let body = Body::State(committed_state(state));
        self.put(&CommitRecord { log: log.id, body }, 0, InlineSource::None);
    }

    /// Introduces the log when the journal does not know it.
    pub(crate) fn put_introduction(&mut self, log: &LogInner) {
        let state = log.state.borrow();
        if !state.is_introduced && self.introduced.insert(log.key) {
            self.put_state(log, &state);
            self.must_be_durable = true;
        }
    }

    /// Introduces the log, and adds the image of the block at the segment's destaged end, as far
    /// as the journal does not hold them.
    pub(crate) fn put_preparation(&mut self, part: &Part, segment_base: i64) {
        let log = &part.log;
        self.put_introduction(log);
        let state = log.state.borrow();
        if let Some(start) = missing_image(log, &state, segment_base) {
            let segment = state.segment(segment_base).expect("it misses its image");
            let end = segment.destaged_position;
            let inline = Inline {
                position: start,
                bytes: &[],
            };
            let body = Body::Image {
                segment_base,
                inline,
            };
            let source = InlineSource::Tail {
                log: Rc::clone(log),
                segment_base,
                start,
                end,
            };
            self.put(
                &CommitRecord { log: log.id, body },
                (end - start) as usize,
                source,
            );
            self.must_be_durable = true;
            part.image.set(Some((start, end)));
        }
    }

    /// A unit with its inline bytes.
    pub(crate) fn put_unit(&mut self, part: &Part, pending: &Pending, is_large: bool) {
        let log = &part.log;
        let state = log.state.borrow();
        let end = pending.position + pending.size_bytes;
        let inline_start = match is_large {
            false => pending.position,
            true if log.shared.config.guards.tail_image() => align_down(end, BLOCK),
            true => end,
        };
        let segment_base = pending.segment_base;
        let slices = state.tail.slices(segment_base, pending.position..end);
        let slices = slices.expect("bytes are pinned until they are committed");
        let crc = crc32c_of(&slices);
        let unit = Unit {
            generation: state.generation,
            segment_base,
            first_offset: pending.first_offset,
            next_offset: pending.next_offset,
            position: pending.position,
            size: u32::try_from(pending.size_bytes).expect("a segment is below 2 GiB"),
            crc,
            is_flushed: part.is_flushed,
            inline: Inline {
                position: inline_start,
                bytes: &[],
            },
        };
        let source = InlineSource::Tail {
            log: Rc::clone(log),
            segment_base,
            start: inline_start,
            end,
        };
        self.must_be_durable |= unit.is_flushed;
        let record = CommitRecord {
            log: log.id,
            body: Body::Unit(unit),
        };
        self.put(&record, (end - inline_start) as usize, source);
    }

    /// A statement.
    pub(crate) fn put_control(&mut self, log: &LogInner, control: &Control) {
        let state = log.state.borrow();
        match control {
            Control::Trimmed { start_offset } => {
                let body = Body::Trimmed {
                    start_offset: *start_offset,
                };
                self.put(&CommitRecord { log: log.id, body }, 0, InlineSource::None);
                // Before files go, to be written over by other logs: recovery would miss them.
                self.must_be_durable = true;
            }
            Control::Truncated {
                end_offset,
                segment_base,
                position,
                last_block,
            } => {
                let body = Body::Truncated(Truncated {
                    generation: state.generation + 1,
                    end_offset: *end_offset,
                    start_offset: state.start_offset,
                    segment_base: *segment_base,
                    position: *position,
                    inline: Inline {
                        position: position - last_block.len() as u64,
                        bytes: &[],
                    },
                });
                if log.shared.config.guards.generation() {
                    let source = InlineSource::Bytes(last_block.clone());
                    self.put(
                        &CommitRecord { log: log.id, body },
                        last_block.len(),
                        source,
                    );
                }
                self.must_be_durable = true;
            }
        }
    }
}

fn crc32c_of(slices: &[engine_runtime::Slice]) -> u32 {
    match slices {
        [one] => crc32c(one),
        several => {
            let mut crc = engine_codec::Crc32c::new();
            several.iter().for_each(|slice| crc.update(slice));
            crc.value()
        }
    }
}

/// A log as its last commit left it.
pub(crate) fn committed_state(state: &LogState) -> State {
    let listed = || state.segments.range(committed_segments(state));
    State {
        generation: state.generation,
        start_offset: state.start_offset,
        end_offset: state.committed_end_offset,
        synced_position: listed().next().map_or(0, |segment| segment.synced_position),
        segments: listed()
            .map(|segment| (segment.base_offset, segment.committed_position))
            .collect(),
    }
}

/// The segments that a state lists: from the first that is not synced to the one that holds the
/// committed end, without a gap (a large segment may be sealed before a small one in front of it).
/// Segments begun behind the committed end are not the journal's business yet.
pub(crate) fn committed_segments(state: &LogState) -> std::ops::Range<usize> {
    let committed = state
        .segments
        .partition_point(|segment| segment.base_offset <= state.committed_end_offset);
    let unsynced = state
        .segments
        .iter()
        .take(committed)
        .position(|segment| !segment.is_synced);
    unsynced.unwrap_or_else(|| committed.saturating_sub(1))..committed
}

/// Why a log still has something for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// Its next part does not fit the entry.
    NoRoom,
    /// Its next part must follow a large unit, which is described last, or a cut.
    Order,
}

/// The commit's parts of one log, in order, taken out of its queues. `room` is what an entry can
/// still take.
pub(crate) fn take_parts(log: &Rc<LogInner>, room: &mut usize, parts: &mut Vec<Part>) -> Left {
    let mut has_large = false;
    loop {
        let Some(work) = next_work(log) else {
            return Left::Nothing;
        };
        if has_large {
            return Left::Order;
        }
        let part = Part::new(log, work);
        has_large = matches!(part.work, Work::Large(_));
        let mut size = part.entry_size_bytes();
        if has_large {
            size += part.preparation_size_bytes();
        }
        if size > *room {
            return Left::NoRoom;
        }
        *room -= size;
        let mut state = log.state.borrow_mut();
        match &part.work {
            Work::Control(_) => drop(state.controls.pop_front()),
            Work::Small(_) | Work::Large(_) => drop(state.pending.pop_front()),
            // Wanted until it is written.
            Work::Image { .. } => {}
        }
        state.is_in_commit = true;
        drop(state);
        let has_image = matches!(part.work, Work::Image { .. });
        let is_cut = matches!(part.work, Work::Control(Control::Truncated { .. }));
        parts.push(part);
        if has_image {
            return Left::Nothing;
        }
        if is_cut {
            // The cut is done when its entry is written. An image behind it in that entry would
            // put back what was cut off, over what is written there later.
            return match next_work(log) {
                Some(_) => Left::Order,
                None => Left::Nothing,
            };
        }
    }
}

fn next_work(log: &LogInner) -> Option<Work> {
    let sizes = &log.shared.config.sizes;
    let state = log.state.borrow();
    if state.is_deleted {
        return None;
    }
    if let Some(control) = state.controls.front() {
        return Some(Work::Control(control.clone()));
    }
    if let Some(pending) = state.pending.front() {
        let is_small = pending.size_bytes < sizes.small_unit_size_bytes_max as u64;
        return Some(if is_small {
            Work::Small(*pending)
        } else {
            Work::Large(*pending)
        });
    }
    state
        .wants_image
        .map(|segment_base| Work::Image { segment_base })
}

#[cfg(test)]
mod tests {
    use engine_base::{ShardId, Uuid};
    use engine_runtime::{SimOptions, SimWorld, fs};

    use super::*;
    use crate::{LogConfig, LogStore, PartitionDir, StoreConfig};

    /// The image would be of the block as it was before the cut, and recovery would put it over
    /// what a large unit wrote behind the cut: acknowledged, and lost.
    #[test]
    fn nothing_of_a_log_follows_a_cut_in_its_commit() {
        let world = SimWorld::new(1, SimOptions::default());
        let runtime = world.runtime(world.add_process("broker"));
        let taken = runtime.block_on(async {
            fs::create_dir_all("/logs").await.unwrap();
            let config = StoreConfig::new("/logs", ShardId(0));
            let (store, _) = LogStore::open(config, Vec::new(), |_| {}).await.unwrap();
            let partition = PartitionDir {
                topic: "t".to_owned(),
                partition: 0,
                topic_id: Uuid([5; 16]),
                config: LogConfig::default(),
            };
            let log = store.create_log(partition).await.unwrap().inner;
            {
                let mut state = log.state.borrow_mut();
                state.wants_image = Some(0);
                state.controls.push_back(Control::Truncated {
                    end_offset: 0,
                    segment_base: 0,
                    position: 0,
                    last_block: Vec::new(),
                });
            }
            let mut parts = Vec::new();
            let mut take = || take_parts(&log, &mut 1_000_000, &mut parts);
            let left = [take(), take()];
            let is_cut = |part: &Part| matches!(part.work, Work::Control(_));
            (left, parts.iter().map(is_cut).collect::<Vec<_>>())
        });
        assert_eq!(taken, ([Left::Order, Left::Nothing], vec![true, false]));
    }
}
