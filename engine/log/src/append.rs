//! Accepting a batch: duplicate check, offsets, one copy into the tail, and a place in the next
//! commit. Synchronous; on the log's core.

use engine_base::Timestamp;
use engine_record::header::{stamp_base_offset, stamp_leader_epoch};
use engine_record::{
    BATCH_HEADER_SIZE_BYTES, BatchHeader, BatchInfo, BatchView, EndTxnMarker, TimestampType,
};

use crate::error::AppendError;
use crate::limits::{PENDING_SIZE_BYTES_MAX, TXN_INDEX_ENTRIES_MAX, UNSYNCED_SEGMENTS_MAX};
use crate::log::{Log, LogInner, LogState, Pending};
use crate::roll::{RollInput, should_roll};
use crate::segment::Segment;
use crate::shared::Condition;
use crate::txn_index::AbortedTxn;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// The append time when the topic stamps it, else -1.
    pub log_append_time: Timestamp,
    /// The log's first offset.
    pub log_start_offset: i64,
    /// The batch was in the log already; these are its offsets there. It is kept when
    /// `durable_end_offset` has passed it, as for any other.
    pub is_duplicate: bool,
}

impl Log {
    /// Appends one validated batch. It is kept once [`Log::durable_end_offset`] has passed its
    /// last offset; until then a crash may take it.
    ///
    /// # Errors
    /// [`AppendError::Busy`]: nothing happened, await [`Log::ready_to_append`] and try again.
    /// The others: nothing happened, and trying again at once does not help.
    ///
    /// # Panics
    /// When `batch` is not the batch that `info` was made of.
    pub fn append(
        &self,
        batch: &[u8],
        info: &BatchInfo,
        leader_epoch: i32,
        now_ms: Timestamp,
    ) -> Result<Appended, AppendError> {
        assert_eq!(batch.len(), info.size_bytes);
        let log = &*self.inner;
        let marker = marker_of(batch, info);
        let state = &mut *log.state.borrow_mut();
        if let Some(duplicate) = log.check_append(state, info, marker)? {
            return Ok(duplicate);
        }
        let base_offset = state.end_offset;
        let next_offset = base_offset + i64::from(info.last_offset_delta) + 1;
        log.maybe_roll(state, info, next_offset - 1, now_ms)?;

        let pending = Pending {
            segment_base: state.active().base_offset,
            position: state.active().end_position,
            size_bytes: info.size_bytes as u64,
            first_offset: base_offset,
            next_offset,
        };
        copy_into_tail(state, &pending, batch, info, leader_epoch);
        let interval_bytes = state.config.index_interval_bytes;
        state
            .active_mut()
            .on_append(base_offset, info, interval_bytes);
        state.active_mut().modified_ms = now_ms;
        if leader_epoch >= 0 && state.epochs.assign(leader_epoch, base_offset) {
            state.epochs_written = false;
        }
        match marker {
            Some(marker) => end_transaction(state, info, marker, base_offset),
            None if info.is_control => {}
            None => state.producers.update(info, base_offset),
        }
        state.end_offset = next_offset;
        push_pending(state, pending);
        let shared = &log.shared;
        shared
            .pending_bytes
            .set(shared.pending_bytes.get() + info.size_bytes);
        shared
            .bytes_since_sync
            .set(shared.bytes_since_sync.get() + info.size_bytes as u64);
        shared.mark_dirty(log);
        Ok(appended(state, info, base_offset, false))
    }
}

impl LogInner {
    /// Whether the batch may be appended now (`None`) or is in the log already.
    fn check_append(
        &self,
        state: &LogState,
        info: &BatchInfo,
        marker: Option<EndTxnMarker>,
    ) -> Result<Option<Appended>, AppendError> {
        match self.shared.condition.get() {
            Condition::Open => {}
            Condition::DiskFull if self.uses_reserve.get() && self.shared.has_reserve(0) => {}
            Condition::DiskFull => return Err(AppendError::DiskFull),
            Condition::Closing | Condition::Failed => return Err(AppendError::Failed),
        }
        if state.is_deleted {
            return Err(AppendError::Deleted);
        }
        let producers = &state.producers;
        let found = match marker {
            // Whoever writes markers has checked by the transaction's version; this is the rule of
            // every version.
            Some(marker) => producers
                .check_marker(info.producer_id, info.producer_epoch, marker, 0)
                .map(|()| None),
            None => producers.check(info),
        };
        if let Some(found) = found.map_err(AppendError::Producer)? {
            return Ok(Some(appended(state, info, found.base_offset, true)));
        }
        let pending = self.shared.pending_bytes.get();
        let is_full = pending > 0 && pending + info.size_bytes > PENDING_SIZE_BYTES_MAX;
        // What others accepted may wait for the room that this append makes.
        let is_full = is_full && !self.uses_reserve.get();
        if is_full || state.is_frozen || !state.is_tail_ready() {
            return Err(AppendError::Busy);
        }
        Ok(None)
    }

    /// Begins a new segment when the active one is full. Its file is made when it is written.
    fn maybe_roll(
        &self,
        state: &mut LogState,
        info: &BatchInfo,
        last_offset: i64,
        now_ms: Timestamp,
    ) -> Result<(), AppendError> {
        let active = state.active();
        let index = active
            .index
            .as_ref()
            .expect("the active segment's index is in memory");
        let input = RollInput {
            size_bytes: active.end_position,
            base_offset: active.base_offset,
            created_ms: active.created_ms,
            first_timestamp: active.first_timestamp,
            jitter_ms: active.roll_jitter_ms,
            offset_entries: index.offsets.len(),
            time_entries: index.times.len(),
            append_size_bytes: info.size_bytes as u64,
            append_timestamp: info.max_timestamp,
            append_last_offset: last_offset,
        };
        let is_index_full = index.txns.len() >= TXN_INDEX_ENTRIES_MAX;
        if is_index_full || should_roll(&input, &state.config, now_ms) {
            let unsynced = state
                .segments
                .iter()
                .filter(|segment| !segment.is_synced)
                .count();
            if unsynced >= UNSYNCED_SEGMENTS_MAX {
                self.shared.mark_for_destage(self);
                return Err(AppendError::Busy);
            }
            self.roll(state, now_ms);
        }
        Ok(())
    }

    /// The active segment takes nothing more; the next one begins at the log's end.
    pub(crate) fn roll(&self, state: &mut LogState, now_ms: Timestamp) {
        let end_offset = state.end_offset;
        let active = state.active_mut();
        assert!(active.end_position > 0);
        let (timestamp, offset) = active.max_timestamp;
        if let Some(index) = &mut active.index {
            // Sealing adds the largest timestamp, so that a look-up never scans a sealed segment
            // for a time that it does not reach.
            index.times.maybe_push(timestamp, offset);
        }
        state.take_snapshot();
        let mut next = Segment::new(end_offset, now_ms);
        next.roll_jitter_ms = roll_jitter_ms(state.config.segment_jitter_ms);
        state.segments.push_back(next);
        self.shared.mark_for_destage(self);
    }
}

/// The marker in a control batch of a producer; the quorum's own control batches have none.
fn marker_of(batch: &[u8], info: &BatchInfo) -> Option<EndTxnMarker> {
    if !info.is_control || !info.has_producer_id() {
        return None;
    }
    let batch = BatchView::read(batch).expect("the batch that was validated");
    EndTxnMarker::of(&batch).unwrap_or_else(|error| {
        tracing::warn!("a control batch is malformed, and ends no transaction: {error}");
        None
    })
}

/// The marker was appended to the active segment, whose index gets what it aborted.
fn end_transaction(state: &mut LogState, info: &BatchInfo, marker: EndTxnMarker, base_offset: i64) {
    let ended = state.producers.update_marker(
        info.producer_id,
        info.producer_epoch,
        marker,
        base_offset,
        info.max_timestamp,
    );
    if let Some(aborted) = ended.and_then(AbortedTxn::of) {
        let index = state.active_mut().index.as_mut();
        let index = index.expect("the active segment's index is in memory");
        index.txns.push(aborted);
    }
}

fn roll_jitter_ms(jitter_ms_max: i64) -> i64 {
    let bound = u64::try_from(jitter_ms_max).unwrap_or(0);
    if bound == 0 {
        0
    } else {
        (engine_runtime::random_u64() % bound).cast_signed()
    }
}

/// The one copy of a batch: frame to tail, with offset and epoch stamped on the way.
fn copy_into_tail(
    state: &mut LogState,
    pending: &Pending,
    batch: &[u8],
    info: &BatchInfo,
    leader_epoch: i32,
) {
    let (segment_base, position) = (pending.segment_base, pending.position);
    let (head, rest) = batch.split_at(BATCH_HEADER_SIZE_BYTES);
    let mut head: [u8; BATCH_HEADER_SIZE_BYTES] =
        head.try_into().expect("split at the header's size");
    let header = BatchHeader::read(&head);
    let keeps_timestamp = header.attributes.timestamp_type() == info.timestamp_type
        && header.max_timestamp == info.max_timestamp;
    if keeps_timestamp {
        stamp_base_offset(&mut head, pending.first_offset);
        stamp_leader_epoch(&mut head, leader_epoch);
        state.tail.append(segment_base, position, &head);
        state
            .tail
            .append(segment_base, position + head.len() as u64, rest);
    } else {
        // Log-append time changes bytes under the checksum: the whole batch is stamped aside.
        let mut stamped = batch.to_vec();
        info.stamp(&mut stamped, pending.first_offset, leader_epoch);
        state.tail.append(segment_base, position, &stamped);
    }
}

fn push_pending(state: &mut LogState, new: Pending) {
    match state.pending.back_mut() {
        Some(last) if last.segment_base == new.segment_base => {
            assert_eq!(last.position + last.size_bytes, new.position);
            assert_eq!(last.next_offset, new.first_offset);
            last.size_bytes += new.size_bytes;
            last.next_offset = new.next_offset;
        }
        _ => state.pending.push_back(new),
    }
}

fn appended(state: &LogState, info: &BatchInfo, base_offset: i64, is_duplicate: bool) -> Appended {
    let log_append_time = match info.timestamp_type {
        TimestampType::LogAppendTime => info.max_timestamp,
        TimestampType::CreateTime => -1,
    };
    Appended {
        base_offset,
        last_offset: base_offset + i64::from(info.last_offset_delta),
        log_append_time,
        log_start_offset: state.start_offset,
        is_duplicate,
    }
}
