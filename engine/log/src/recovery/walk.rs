//! The walk over the batches of one segment: what they say is gathered for the segment's indexes,
//! for the log's epochs, and for its producers.

use engine_record::BatchHeader;

use super::producer_replay::ProducerReplay;
use crate::leader_epochs::LeaderEpochs;
use crate::scan::can_follow;
use crate::segment::{Segment, SegmentIndex};
use crate::txn_index::AbortedTxn;

/// Kafka's default; a log with another interval gets a denser or sparser index, both are right.
const INDEX_INTERVAL_BYTES: u64 = 4096;

/// Where a walk begins, and what of the segment's indexes was good up to there.
pub(super) struct WalkStart {
    pub(super) position: u64,
    pub(super) first_offset: i64,
    pub(super) index: SegmentIndex,
}

/// See the module.
pub(super) struct Walk<'a> {
    epochs: &'a mut LeaderEpochs,
    producers: &'a mut ProducerReplay,
    /// Where the log's last bytes begin.
    tail_from: u64,
    /// The batch that comes next has its index entry: it is the last one that was kept.
    is_indexed: bool,
    walked: Walked,
}

/// What was gathered.
pub(super) struct Walked {
    /// The segment with its indexes, up to the last good batch.
    pub(super) segment: Segment,
    /// The offset after the last good batch.
    pub(super) next_offset: i64,
    /// The transactions that markers of the walk aborted.
    pub(super) aborted: Vec<AbortedTxn>,
    /// There were markers that the producer snapshot has seen.
    pub(super) has_seen_markers: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn begin(
        base_offset: i64,
        start: WalkStart,
        tail_from: u64,
        epochs: &'a mut LeaderEpochs,
        producers: &'a mut ProducerReplay,
    ) -> Self {
        let mut segment = Segment::new(base_offset, 0);
        segment.max_timestamp = start.index.times.last().unwrap_or((-1, -1));
        segment.index = Some(start.index);
        segment.end_position = start.position;
        Self {
            epochs,
            producers,
            tail_from,
            is_indexed: start.position > 0,
            walked: Walked {
                segment,
                next_offset: start.first_offset,
                aborted: Vec::new(),
                has_seen_markers: false,
            },
        }
    }

    /// The next batch, with a good checksum; whether it belongs to the segment.
    pub(super) fn on_batch(&mut self, position: u64, header: &BatchHeader, bytes: &[u8]) -> bool {
        let walked = &mut self.walked;
        if !can_follow(header, walked.segment.base_offset, walked.next_offset) {
            return false; // of an earlier life of the file
        }
        walked.next_offset = header.next_offset();
        self.index(header);
        if header.leader_epoch >= 0 {
            self.epochs.assign(header.leader_epoch, header.base_offset);
        }
        let walked = &mut self.walked;
        if header.base_offset >= self.producers.known_below() {
            let is_in_tail = position >= self.tail_from;
            let aborted = self.producers.on_batch(header, bytes, is_in_tail);
            walked.aborted.extend(aborted);
        } else {
            walked.has_seen_markers |= header.attributes.is_control() && header.has_producer_id();
        }
        true
    }

    fn index(&mut self, header: &BatchHeader) {
        let segment = &mut self.walked.segment;
        let size_bytes = header.size_bytes().unwrap_or_default() as u64;
        let (last_offset, max_timestamp) = (header.last_offset(), header.max_timestamp);
        if !std::mem::take(&mut self.is_indexed) {
            segment.on_batch(last_offset, max_timestamp, size_bytes, INDEX_INTERVAL_BYTES);
            return;
        }
        if max_timestamp > segment.max_timestamp.0 {
            segment.max_timestamp = (max_timestamp, last_offset);
        }
        segment.end_position += size_bytes;
        let (timestamp, offset) = segment.max_timestamp;
        if let Some(index) = &mut segment.index {
            index.bytes_since_entry = size_bytes;
            index.times.maybe_push(timestamp, offset);
        }
    }

    pub(super) fn end(self) -> Walked {
        self.walked
    }
}
