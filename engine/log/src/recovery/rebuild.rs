//! What is derived from a log's segments, rebuilt from where it was last durable: indexes, epochs,
//! producers. Walks every batch there and checks its checksum on the way.

use std::path::{Path, PathBuf};

use engine_runtime::{File, OpenOptions, Slice, WriteMode, fs};

use super::producer_replay::ProducerReplay;
use super::walk::{Walk, WalkStart, Walked};
use crate::error::{Damage, StoreError};
use crate::layout::{
    INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX,
    segment_file,
};
use crate::leader_epochs::LeaderEpochs;
use crate::load::{find_segments, load_epochs, load_indexes, load_txns};
use crate::producer_snapshot;
use crate::producer_state::ProducerState;
use crate::recovery::aborted::aborted_in;
use crate::recovery::known::KnownBatch;
use crate::recovery::producers::{Snapshots, load_producers};
use crate::scan::{ScanDepth, ScanEnd, first_offset_at, open_segment, scan_unknown};
use crate::txn_index::TxnIndex;

/// The snapshot of a recovered log is taken so many bytes before its end: more than producers have
/// under way, as each has five batches at most.
const TAIL_SIZE_BYTES: u64 = 4 << 20;

/// A folder whose derived files are being rebuilt.
pub(crate) struct Rebuild {
    directory: PathBuf,
    is_direct: bool,
    epochs: LeaderEpochs,
    replay: ProducerReplay,
}

/// One segment to walk over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentToRebuild {
    pub(crate) base_offset: i64,
    /// Bytes of the file that are data, or may be.
    pub(crate) end_position: u64,
    /// What is derived of the batches below this is good.
    pub(crate) synced_position: u64,
    /// Whether the segment takes no more appends.
    pub(crate) is_sealed: bool,
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rebuilt {
    pub(crate) end: ScanEnd,
    /// The offset after the last good batch; the base offset when there is none.
    pub(crate) next_offset: i64,
    /// Bytes walked over that were not known before.
    pub(crate) read_bytes: u64,
}

impl Rebuild {
    /// Loads what is good: epochs, and the newest producer snapshot at or below `end_offset`.
    pub(crate) async fn begin(
        directory: &Path,
        is_direct: bool,
        end_offset: i64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            directory: directory.to_path_buf(),
            is_direct,
            epochs: load_epochs(directory).await,
            replay: ProducerReplay::begin(directory, is_direct, end_offset).await?,
        })
    }

    /// The walk has come to a segment behind its first. As at a roll, a snapshot is there when the
    /// segments below go.
    pub(crate) async fn begin_segment(&self, base_offset: i64) -> Result<(), StoreError> {
        let is_behind = self.replay.known_below() >= base_offset;
        if is_behind || self.replay.producers.is_empty() {
            return Ok(());
        }
        self.write_snapshot(base_offset, &self.replay.producers)
            .await
    }

    /// Not in place: one of this name may be all that tells of producers whose segments are gone.
    async fn write_snapshot(
        &self,
        offset: i64,
        producers: &ProducerState,
    ) -> Result<(), StoreError> {
        let path = segment_file(&self.directory, offset, SNAPSHOT_SUFFIX);
        let bytes = producer_snapshot::encode(producers);
        let written = fs::write_file_atomic(&path, bytes).await;
        written.map_err(StoreError::io("writing", &path))
    }

    /// Walks over a segment from its synced position on (or a little before), writes its index
    /// files, and learns epochs and producers. Batches that are `known` are not read again.
    pub(crate) async fn segment(
        &mut self,
        segment: SegmentToRebuild,
        known: &[KnownBatch],
        is_first: bool,
    ) -> Result<Rebuilt, StoreError> {
        let SegmentToRebuild {
            base_offset,
            end_position,
            is_sealed,
            ..
        } = segment;
        let tail_from = match is_sealed {
            true => u64::MAX,
            false => end_position.saturating_sub(TAIL_SIZE_BYTES),
        };
        let file = open_segment(&self.directory, base_offset, self.is_direct).await?;
        let start = self.walk_start(&file, &segment).await?;
        let (from, first_offset) = (start.position, start.first_offset);
        if is_first {
            self.replay
                .catch_up(base_offset, from, first_offset, tail_from)
                .await?;
        }
        let (epochs, replay) = (&mut self.epochs, &mut self.replay);
        let mut walk = Walk::begin(base_offset, start, tail_from, epochs, replay);
        let end = scan_unknown(
            &file,
            from..end_position,
            ScanDepth::Checksums,
            known,
            |position, header, bytes| walk.on_batch(position, header, bytes),
        )
        .await
        .map_err(StoreError::io("reading", file.path()))?;
        let mut walked = walk.end();
        if walked.has_seen_markers {
            // The snapshot has seen these transactions end, and does not tell where they began.
            let positions = (base_offset, end.position);
            let markers = first_offset..self.replay.known_below();
            let unseen = aborted_in(&self.directory, self.is_direct, positions, markers).await?;
            walked.aborted.splice(0..0, unseen);
        }
        let next_offset = walked.next_offset;
        self.write_indexes(walked, is_sealed).await?;
        let is_walked = |batch: &&KnownBatch| (from..end.position).contains(&batch.position);
        let not_read = known.iter().filter(is_walked);
        let known_bytes: usize = not_read.filter_map(|it| it.header.size_bytes()).sum();
        Ok(Rebuilt {
            end,
            next_offset,
            read_bytes: end.position - from - known_bytes as u64,
        })
    }

    /// The last batch with an index entry below what is synced, and the indexes up to it.
    async fn walk_start(
        &self,
        file: &File,
        segment: &SegmentToRebuild,
    ) -> Result<WalkStart, StoreError> {
        let base_offset = segment.base_offset;
        // What is derived may have been durable before the batches were, and these be lost.
        let synced_position = segment.synced_position.min(segment.end_position);
        // The files may have been synced again since: entries behind the position are dropped here.
        let mut index = load_indexes(&self.directory, base_offset, u64::MAX).await;
        let (txns, synced_position) = match load_txns(&self.directory, base_offset).await? {
            Some(txns) => (txns, synced_position),
            None => (TxnIndex::new(), 0), // walk over all of it
        };
        index.offsets.truncate_at(synced_position);
        let position = index.offsets.last_position().unwrap_or(0);
        let range = position..segment.end_position;
        let first_offset = first_offset_at(file, base_offset, range).await?;
        // The batch of the last kept entry is walked over again, for its timestamp.
        let times_end = if position == 0 {
            i64::MIN
        } else {
            first_offset
        };
        index.times.truncate_at(times_end);
        index.txns = txns;
        index.txns.truncate_to(first_offset);
        Ok(WalkStart {
            position,
            first_offset,
            index,
        })
    }

    /// Writes epochs and a producer snapshot for a log that ends here. The caller syncs.
    pub(crate) async fn finish(mut self, end_offset: i64) -> Result<(), StoreError> {
        self.epochs.truncate_end(end_offset);
        self.write(
            &self.directory.join(LEADER_EPOCH_CHECKPOINT),
            self.epochs.encode().into_bytes(),
        )
        .await?;
        let producers = match self.replay.known_below() > end_offset {
            // The walk has cut the log below the snapshot that it began with.
            true => &self.producers_at(end_offset).await?,
            false => &self.replay.producers,
        };
        if producers.is_empty() {
            return Ok(());
        }
        match &self.replay.tail {
            // A snapshot knows one batch of each producer. Those that may be sent again, because
            // their answers were lost, are behind it: the log itself tells of them.
            Some((offset, before)) if *offset <= end_offset => {
                self.write_snapshot(*offset, before).await
            }
            _ => self.write_snapshot(end_offset, producers).await,
        }
    }

    /// The producers of a log that was just cut, from an older snapshot.
    async fn producers_at(&self, end_offset: i64) -> Result<ProducerState, StoreError> {
        let segments = find_segments(&self.directory).await?;
        let Some(last) = segments.back() else {
            return Ok(ProducerState::default());
        };
        let active = (last.base_offset, last.file_size_bytes);
        let snapshots = Snapshots::Behind;
        let loaded = load_producers(
            &self.directory,
            self.is_direct,
            active,
            end_offset,
            snapshots,
        );
        Ok(loaded.await?.producers)
    }

    async fn write_indexes(&self, walked: Walked, is_sealed: bool) -> Result<(), StoreError> {
        let segment = walked.segment;
        let (base_offset, (timestamp, offset)) = (segment.base_offset, segment.max_timestamp);
        let mut index = segment.index.expect("a walk gathers the indexes");
        if is_sealed {
            index.times.maybe_push(timestamp, offset);
        }
        for txn in walked.aborted {
            index.txns.push(txn);
        }
        let path = segment_file(&self.directory, base_offset, INDEX_SUFFIX);
        self.write(&path, index.offsets.encode_from(0)).await?;
        let path = segment_file(&self.directory, base_offset, TIME_INDEX_SUFFIX);
        self.write(&path, index.times.encode_from(0)).await?;
        let path = segment_file(&self.directory, base_offset, TXN_INDEX_SUFFIX);
        if !index.txns.is_empty() {
            // Not in place: entries that are missing would not be missed by the next recovery.
            let written = fs::write_file_atomic(&path, index.txns.encode_from(0)).await;
            return written.map_err(StoreError::io("writing", &path));
        }
        match fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("removing", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a whole file in place: recovery syncs the file system once, and until then the
    /// journal says that these files are not to be trusted.
    async fn write(&self, path: &Path, bytes: Vec<u8>) -> Result<(), StoreError> {
        let failed = || StoreError::io("writing", path);
        let options = OpenOptions {
            truncate: true,
            ..OpenOptions::writing()
        };
        let file = File::open(path, options).await.map_err(failed())?;
        let written = file
            .write_at(0, [Slice::from_vec(bytes)], WriteMode::Plain)
            .await;
        written.map_err(failed())
    }
}

/// The damage that a walk found which should have reached the end.
pub(crate) fn damage_at(directory: &Path, base_offset: i64, rebuilt: &Rebuilt) -> Damage {
    Damage::Segment {
        partition: directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        segment_base: base_offset,
        position: rebuilt.end.position,
        offset: rebuilt.next_offset,
    }
}
