//! The producers of a log while its batches are walked over: from the newest good snapshot on,
//! batch by batch.

use std::path::{Path, PathBuf};

use engine_record::{BatchHeader, BatchView};
use engine_runtime::File;

use super::snapshot_files::{FoundSnapshots, read_snapshot};
use crate::error::StoreError;
use crate::load::{find_segments, load_indexes};
use crate::producer_state::ProducerState;
use crate::scan::{ScanDepth, first_offset_at, open_segment, scan};
use crate::txn_index::AbortedTxn;

/// See the module.
pub(super) struct ProducerReplay {
    directory: PathBuf,
    is_direct: bool,
    pub(super) producers: ProducerState,
    /// Batches below this are in `producers` already: the snapshot's offset. `i64::MAX` when there
    /// never was one: no producer wrote before what will be walked over.
    pub(super) snapshot_offset: i64,
    /// Snapshots above the end, and unreadable ones.
    pub(super) stale: Vec<i64>,
    /// Where the log's last bytes begin, and its producers as of there: what the snapshot will say.
    pub(super) tail: Option<(i64, ProducerState)>,
}

impl ProducerReplay {
    /// Loads the newest snapshot at or below `end_offset` that is good. Those that are not stay:
    /// that they were there says that there were producers, to a recovery after this one as well.
    pub(super) async fn begin(
        directory: &Path,
        is_direct: bool,
        end_offset: i64,
    ) -> Result<Self, StoreError> {
        let mut this = Self {
            directory: directory.to_path_buf(),
            is_direct,
            producers: ProducerState::default(),
            snapshot_offset: i64::MIN,
            stale: Vec::new(),
            tail: None,
        };
        let mut found = FoundSnapshots::of(directory).await?;
        while let Some(offset) = found.offsets.pop() {
            // Between one below the first segment and that segment nobody knows what was written.
            let is_of_log = offset <= end_offset && offset >= found.first_base;
            if is_of_log && let Some(producers) = read_snapshot(directory, offset).await {
                this.producers = producers;
                this.snapshot_offset = offset;
                return Ok(this);
            }
            this.stale.push(offset);
        }
        if this.stale.is_empty() {
            this.snapshot_offset = i64::MAX;
        }
        Ok(this)
    }

    /// The first offset of the walk that the snapshot does not know.
    pub(super) fn known_below(&self) -> i64 {
        match self.snapshot_offset {
            i64::MAX => i64::MIN,
            offset => offset,
        }
    }

    /// The producers know the batches below their snapshot; those from there to where the walk
    /// begins are told here. The log's last bytes begin at `tail_from` of the segment.
    pub(super) async fn catch_up(
        &mut self,
        base_offset: i64,
        from: u64,
        first_offset: i64,
        tail_from: u64,
    ) -> Result<(), StoreError> {
        if self.snapshot_offset >= first_offset {
            return Ok(());
        }
        let segments = find_segments(&self.directory).await?;
        let older = segments
            .iter()
            .filter(|segment| segment.base_offset < base_offset);
        let older: Vec<_> = older
            .map(|it| (it.base_offset, it.file_size_bytes))
            .collect();
        for (index, &(base, size)) in older.iter().enumerate() {
            let next_base = older.get(index + 1).map_or(base_offset, |next| next.0);
            if next_base > self.snapshot_offset {
                self.replay_segment(base, size, u64::MAX).await?;
            }
        }
        self.replay_segment(base_offset, from, tail_from).await
    }

    /// Tells the producers about the batches of a segment below `end_position`.
    async fn replay_segment(
        &mut self,
        base_offset: i64,
        end_position: u64,
        tail_from: u64,
    ) -> Result<(), StoreError> {
        if end_position == 0 {
            return Ok(()); // there may be no file yet
        }
        let file = open_segment(&self.directory, base_offset, self.is_direct).await?;
        let from = self.snapshot_offset;
        let begin = self.position_of(&file, base_offset, end_position).await?;
        scan(
            &file,
            begin..end_position,
            ScanDepth::Checksums,
            |position, header, bytes| {
                if header.base_offset >= from {
                    let _ = self.on_batch(header, bytes, position >= tail_from);
                }
                true
            },
        )
        .await
        .map_err(StoreError::io("reading", file.path()))?;
        Ok(())
    }

    /// A batch of the segment at or before the first one that the producers do not know: as the index
    /// says, when there is a batch where it says.
    async fn position_of(
        &self,
        file: &File,
        base_offset: i64,
        end_position: u64,
    ) -> Result<u64, StoreError> {
        if self.snapshot_offset <= base_offset {
            return Ok(0);
        }
        let index = load_indexes(&self.directory, base_offset, end_position).await;
        let position = index.offsets.position_for(self.snapshot_offset);
        if position >= end_position {
            return Ok(0);
        }
        let found = first_offset_at(file, base_offset, position..end_position).await?;
        let is_batch = found > base_offset && found <= self.snapshot_offset;
        Ok(if is_batch { position } else { 0 })
    }

    /// A batch that the producers do not know yet. The transaction that it aborted, if it did. Only
    /// of a marker are the bytes needed.
    pub(super) fn on_batch(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        is_in_tail: bool,
    ) -> Option<AbortedTxn> {
        if is_in_tail && self.tail.is_none() {
            self.tail = Some((header.base_offset, self.producers.clone()));
        }
        if !header.attributes.is_control() {
            self.producers.replay_data(header);
            return None;
        }
        let batch = BatchView::read(bytes).ok()?;
        match self.producers.replay(&batch) {
            Ok(ended) => ended.and_then(AbortedTxn::of),
            Err(error) => {
                // The checksum was good: the broker that wrote it wrote it so.
                tracing::warn!(
                    "a control batch at {} is malformed: {error}",
                    batch.header().base_offset
                );
                None
            }
        }
    }
}
