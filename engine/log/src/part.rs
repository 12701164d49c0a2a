//! One log's part of a commit: what it brings, and how much of an entry it takes.
//!
//! Taken out of the log's queues by the commit loop, on the shard's core. It never waits.

use std::cell::Cell;
use std::rc::Rc;

use engine_base::align_down;
use engine_base::limits::BLOCK_SIZE_BYTES;

use crate::commit::committed_segments;
use crate::config::Durability;
use crate::log::{Control, LogInner, LogState, Pending};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

/// More than any record's head takes.
const RECORD_HEAD_SIZE_BYTES_MAX: usize = 128;

/// One log's part of a commit.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) log: Rc<LogInner>,
    pub(crate) work: Work,
    /// What the log's durability asked for when the part was taken.
    pub(crate) is_flushed: bool,
    /// The image that the entry carries for the part: so many bytes of the segment, `[start, end)`.
    pub(crate) image: Cell<Option<(u64, u64)>>,
}

/// What is to be committed.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// New bytes that travel in the journal.
    Small(Pending),
    /// New bytes that go to the segment first.
    Large(Pending),
    /// A statement.
    Control(Control),
    /// Nothing new: the image of a block that the destager must rewrite.
    Image { segment_base: i64 },
}

impl Part {
    pub(crate) fn new(log: &Rc<LogInner>, work: Work) -> Self {
        Self {
            log: Rc::clone(log),
            work,
            is_flushed: log.state.borrow().config.durability == Durability::Flush,
            image: Cell::new(None),
        }
    }

    /// Bytes that the part takes in an entry that is planned now, at most.
    pub(crate) fn entry_size_bytes(&self) -> usize {
        let inline = match &self.work {
            Work::Small(pending) => pending.size_bytes as usize,
            Work::Large(_) => return BLOCK_SIZE_BYTES + RECORD_HEAD_SIZE_BYTES_MAX,
            Work::Control(Control::Truncated { last_block, .. }) => last_block.len(),
            Work::Control(Control::Trimmed { .. }) | Work::Image { .. } => 0,
        };
        inline + RECORD_HEAD_SIZE_BYTES_MAX + self.preparation_size_bytes()
    }

    /// Bytes that introducing the log and holding its last block takes, when either is needed.
    pub(crate) fn preparation_size_bytes(&self) -> usize {
        let state = self.log.state.borrow();
        let introduction = match state.is_introduced {
            true => 0,
            false => committed_segments(&state).len() * 16 + RECORD_HEAD_SIZE_BYTES_MAX,
        };
        let segment_base = match &self.work {
            Work::Small(pending) | Work::Large(pending) => Some(pending.segment_base),
            Work::Image { segment_base } => Some(*segment_base),
            Work::Control(_) => None,
        };
        let image = segment_base.and_then(|base| missing_image(&self.log, &state, base));
        let image_size = image.map_or(0, |_| BLOCK_SIZE_BYTES + RECORD_HEAD_SIZE_BYTES_MAX);
        introduction + image_size
    }
}

/// Where the image begins that must be in the journal before the block at the segment's destaged
/// end may be rewritten; `None` when it may.
pub(crate) fn missing_image(log: &LogInner, state: &LogState, segment_base: i64) -> Option<u64> {
    let segment = state.segment(segment_base)?;
    // What the background loop is about to set free may be gone with the next entry.
    let tail = log.shared.image_tail.get();
    let is_held = segment.held.allows_rewrite(segment.destaged_position, tail);
    let is_guarded = log.shared.config.guards.tail_image();
    (is_guarded && !is_held).then(|| align_down(segment.destaged_position, BLOCK))
}
