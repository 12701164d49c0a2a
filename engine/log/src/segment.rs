//! One segment: how far it was appended, committed, written and synced, and where its batches
//! are.
//!
//! ```text
//! positions:   0 ......... destaged ......... committed ......... end ....... file size
//!              | in the .log | only in the     | accepted, in the   | pre-written
//!              |  file       |  journal        |  tail cache only   |  or recycled
//! ```
//! Lives in its log, on the log's core. Bookkeeping only: the commit pipeline and the destager
//! move the marks when their writes are done.

use std::rc::Rc;

use engine_base::Timestamp;
use engine_record::BatchInfo;
use engine_runtime::File;

use crate::hold::Held;
use crate::limits::EXTEND_SIZE_BYTES_MIN;
use crate::offset_index::OffsetIndex;
use crate::time_index::TimeIndex;
use crate::txn_index::TxnIndex;

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    /// Accepted bytes end here.
    pub(crate) end_position: u64,
    /// Committed bytes end here.
    pub(crate) committed_position: u64,
    /// Bytes up to here are in the file; those from here to the committed end are pinned in the
    /// tail and held by the journal.
    pub(crate) destaged_position: u64,
    /// Length of the file: pre-written space follows the data.
    pub(crate) file_size_bytes: u64,
    /// The next step of pre-writing.
    pub(crate) extend_size_bytes: u64,
    /// Whether the file exists under its name.
    pub(crate) is_created: bool,
    /// This process made the file: each of its blocks was written and synced, but for those
    /// allocated behind the data.
    pub(crate) is_prewritten: bool,
    /// Up to here space may be allocated only, or changed from that by writes that no sync of the
    /// file covers: see [`crate::log::LogState::on_written`].
    pub(crate) allocated_until: u64,
    /// Writes that only a sync of the file makes durable.
    pub(crate) own_writes: OwnWrites,
    /// Up to here the file may hold bytes of an earlier life behind the data; beyond, zeroes.
    pub(crate) recycled_until: u64,
    /// Open when it was needed.
    pub(crate) file: Option<Rc<File>>,
    /// Writes to the data are in flight: one writer for each segment.
    pub(crate) is_writing: bool,
    /// Pre-writing is in flight, behind all data.
    pub(crate) is_extending: bool,
    /// Being given, or has, its exact length: the file grows no more.
    pub(crate) is_sealed: bool,
    /// Data was written that no flush has covered.
    pub(crate) needs_flush: bool,
    /// The guard of the last block.
    pub(crate) held: Held,
    /// First sequence of the journal file that holds the oldest unit not in the file yet.
    pub(crate) pinned_file: Option<u64>,
    /// Offsets, times and aborted transactions; `None` for a sealed segment whose indexes are on
    /// disk only.
    pub(crate) index: Option<SegmentIndex>,
    /// A `.txnindex` file is there. Most segments have none, and nobody looks for it.
    pub(crate) has_txn_file: bool,
    /// Indexes on disk are durable and exact for the batches below this.
    pub(crate) synced_position: u64,
    /// Indexes and length are durable: nothing of the segment needs the journal.
    pub(crate) is_synced: bool,
    /// Largest timestamp, and the last offset of the batch that has it.
    pub(crate) max_timestamp: (Timestamp, i64),
    /// Largest timestamp of the first batch, from which a roll by time counts.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// Wall clock of the segment's birth, for rolls of segments without timestamps.
    pub(crate) created_ms: Timestamp,
    /// Wall clock of the last append, or when the file was last written before the start.
    pub(crate) modified_ms: Timestamp,
    /// The jitter drawn for this segment.
    pub(crate) roll_jitter_ms: i64,
}

impl Segment {
    /// A segment with this base offset and nothing in it, on disk or elsewhere.
    pub(crate) fn new(base_offset: i64, created_ms: Timestamp) -> Self {
        Self {
            base_offset,
            end_position: 0,
            committed_position: 0,
            destaged_position: 0,
            file_size_bytes: 0,
            extend_size_bytes: EXTEND_SIZE_BYTES_MIN,
            is_created: false,
            is_prewritten: false,
            allocated_until: 0,
            own_writes: OwnWrites::default(),
            recycled_until: 0,
            file: None,
            is_writing: false,
            is_extending: false,
            is_sealed: false,
            needs_flush: false,
            held: Held::default(),
            pinned_file: None,
            index: Some(SegmentIndex::new(base_offset)),
            has_txn_file: false,
            synced_position: 0,
            is_synced: false,
            max_timestamp: (-1, -1),
            first_timestamp: None,
            created_ms,
            modified_ms: created_ms,
            roll_jitter_ms: 0,
        }
    }

    /// Committed bytes that are not in the file yet.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.committed_position - self.destaged_position
    }

    /// A batch is accepted at the end: moves the end and grows the indexes.
    pub(crate) fn on_append(&mut self, base_offset: i64, info: &BatchInfo, interval_bytes: u64) {
        let last_offset = base_offset + i64::from(info.last_offset_delta);
        let size = info.size_bytes as u64;
        self.is_synced = false;
        self.on_batch(last_offset, info.max_timestamp, size, interval_bytes);
    }

    /// The same for a batch that a scan found.
    pub(crate) fn on_batch(
        &mut self,
        last_offset: i64,
        max_timestamp: Timestamp,
        size_bytes: u64,
        interval_bytes: u64,
    ) {
        if max_timestamp > self.max_timestamp.0 {
            self.max_timestamp = (max_timestamp, last_offset);
        }
        if self.first_timestamp.is_none() {
            self.first_timestamp = Some(max_timestamp);
        }
        let position = self.end_position;
        let index = self
            .index
            .as_mut()
            .expect("a segment that grows has its index in memory");
        if index.bytes_since_entry > interval_bytes {
            index.offsets.push(last_offset, position);
            index
                .times
                .maybe_push(self.max_timestamp.0, self.max_timestamp.1);
            index.bytes_since_entry = 0;
        }
        index.bytes_since_entry += size_bytes;
        self.end_position += size_bytes;
    }
}

/// The numbers of the last write that only a sync of the file makes durable, and of the last that is.
/// A log numbers these writes; a sync covers those before it began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnWrites {
    pub(crate) last: u64,
    pub(crate) synced: u64,
}

impl OwnWrites {
    pub(crate) fn need_sync(self) -> bool {
        self.synced < self.last
    }
}

/// A segment's indexes in memory, and how much of them the files hold.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    pub(crate) offsets: OffsetIndex,
    pub(crate) times: TimeIndex,
    pub(crate) txns: TxnIndex,
    /// Bytes of batches since the last entry.
    pub(crate) bytes_since_entry: u64,
    /// Entries of `offsets` that are in the `.index` file.
    pub(crate) offsets_written: usize,
    /// Entries of `times` that are in the `.timeindex` file.
    pub(crate) times_written: usize,
    /// Entries of `txns` that are in the `.txnindex` file.
    pub(crate) txns_written: usize,
}

impl SegmentIndex {
    pub(crate) fn new(base_offset: i64) -> Self {
        Self {
            offsets: OffsetIndex::new(base_offset),
            times: TimeIndex::new(base_offset),
            txns: TxnIndex::new(),
            bytes_since_entry: 0,
            offsets_written: 0,
            times_written: 0,
            txns_written: 0,
        }
    }
}
