//! What a written entry moves: committed ends, what the journal holds, who is asked to go on.
//!
//! Called by the commit loop when an entry is kept, on the log's core; also the lock that makes one
//! writer for each segment. Never waits but for that lock.

use std::rc::Rc;

use crate::log::{Control, LogInner, LogState, Pending};
use crate::part::{Part, Work};
use crate::shared::Shared;

/// The entry that carries a part's image is written.
pub(crate) fn hold_image(state: &mut LogState, segment_base: i64, part: &Part, file: u64) {
    if let (Some((start, end)), Some(segment)) =
        (part.image.take(), state.segment_mut(segment_base))
    {
        segment.held.hold(file, start, end, end);
    }
}

/// Moves the ends of one part. Returns the bytes that are kept now.
pub(crate) fn advance_part(shared: &Shared, part: &Part, file: u64) -> u64 {
    let guards = shared.config.guards;
    let state = &mut *part.log.state.borrow_mut();
    state.is_introduced = true;
    match &part.work {
        Work::Small(pending) => {
            let end = pending.position + pending.size_bytes;
            hold_image(state, pending.segment_base, part, file);
            if let Some(segment) = state.segment_mut(pending.segment_base) {
                assert_eq!(segment.committed_position, pending.position);
                let destaged = segment.destaged_position;
                segment.held.hold(file, pending.position, end, destaged);
                segment.committed_position = end;
                segment.pinned_file.get_or_insert(file);
            }
            finish_unit(shared, state, pending)
        }
        Work::Large(pending) => {
            let end = pending.position + pending.size_bytes;
            let mut start = end;
            if let Some(segment) = state.segment_mut(pending.segment_base) {
                assert_eq!(segment.committed_position, pending.position);
                start = segment.destaged_position;
                segment.committed_position = end;
                segment.destaged_position = end;
                segment.pinned_file = None;
                segment.needs_flush = true;
                segment.is_writing = false;
                if guards.tail_image() {
                    let start = end - end % engine_base::limits::BLOCK_SIZE_BYTES as u64;
                    segment.held.hold(file, start, end, end);
                }
            }
            // What is flushed was synced with its commit.
            if !part.is_flushed {
                state.on_written(pending.segment_base, start, shared.syncs_each_file);
            }
            finish_unit(shared, state, pending)
        }
        Work::Control(control) => {
            state.controls_committed += 1;
            if let Control::Truncated {
                end_offset,
                segment_base,
                position,
                last_block,
            } = control
            {
                let image = position - last_block.len() as u64;
                state.cut(*end_offset, *segment_base, *position);
                state
                    .active_mut()
                    .held
                    .hold(file, image, *position, *position);
            }
            0
        }
        Work::Image { segment_base } => {
            hold_image(state, *segment_base, part, file);
            if state.wants_image == Some(*segment_base) {
                state.wants_image = None;
            }
            0
        }
    }
}

fn finish_unit(shared: &Shared, state: &mut LogState, pending: &Pending) -> u64 {
    assert_eq!(state.committed_end_offset, pending.first_offset);
    state.committed_end_offset = pending.next_offset;
    let bytes = &shared.pending_bytes;
    bytes.set(bytes.get() - pending.size_bytes as usize);
    pending.size_bytes
}

/// The disk has no space for a large unit: it waits at the head of its log's queue.
pub(crate) fn put_back(log: &LogInner, work: Work) {
    let Work::Large(pending) = work else {
        unreachable!("only large units need space")
    };
    let mut state = log.state.borrow_mut();
    state.is_in_commit = false;
    match state.pending.front_mut() {
        // What arrived meanwhile: one unit again.
        Some(next) if next.segment_base == pending.segment_base => {
            next.position = pending.position;
            next.first_offset = pending.first_offset;
            next.size_bytes += pending.size_bytes;
        }
        _ => state.pending.push_front(pending),
    }
}

impl LogInner {
    /// Ends the log's part in a commit, and asks for what should follow.
    pub(crate) fn after_commit(&self) {
        let pinned: u64 = {
            let mut state = self.state.borrow_mut();
            state.is_in_commit = false;
            let segments = state.segments.iter();
            segments.map(crate::segment::Segment::pinned_bytes).sum()
        };
        if pinned >= self.shared.config.sizes.destage_size_bytes {
            self.shared.mark_for_destage(self);
        }
        self.maybe_extend_ahead();
        let chunks = &self.shared.chunks;
        if chunks.is_over_budget() {
            self.shared.background_wake.notify_one();
        }
        if chunks.wants_spares() {
            let chunks = Rc::clone(chunks);
            engine_runtime::spawn(async move { chunks.make_spares().await }).detach();
        }
    }

    /// Waits until nobody writes to the segment, and begins.
    pub(crate) async fn lock_segment(&self, segment_base: i64) {
        loop {
            {
                let mut state = self.state.borrow_mut();
                match state.segment_mut(segment_base) {
                    Some(segment) if segment.is_writing => {}
                    Some(segment) => {
                        segment.is_writing = true;
                        return;
                    }
                    None => return,
                }
            }
            self.shared.progress.wait().await;
        }
    }

    /// Nobody writes to the segment any more.
    pub(crate) fn unlock_segment(&self, segment_base: i64) {
        if let Some(segment) = self.state.borrow_mut().segment_mut(segment_base) {
            segment.is_writing = false;
        }
        self.shared.progress.notify_all();
    }
}
