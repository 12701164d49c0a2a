//! What is derived from a log's segments, rebuilt from where it was last durable: indexes, epochs,
//! producers. Walks every batch there and checks its checksum on the way.

use std::path::{Path, PathBuf};

use engine_record::{BatchHeader, BatchView};
use engine_runtime::{File, OpenOptions, Slice, WriteMode, fs};

use crate::error::{Damage, StoreError};
use crate::layout::{
    INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX, SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX, segment_file,
};
use crate::leader_epochs::LeaderEpochs;
use crate::load::{find_segments, load_epochs, load_indexes, load_txns};
use crate::producer_snapshot;
use crate::producer_state::ProducerState;
use crate::recovery::aborted::aborted_in;
use crate::recovery::known::KnownBatch;
use crate::recovery::producers::{Snapshots, load_producers};
use crate::recovery::snapshot_files::{FoundSnapshots, read_snapshot};
use crate::scan::{ScanDepth, ScanEnd, can_follow, scan, scan_unknown};
use crate::segment::{Segment, SegmentIndex};
use crate::txn_index::{AbortedTxn, TxnIndex};

/// Kafka's default; a log with another interval gets a denser or sparser index, both are right.
const INDEX_INTERVAL_BYTES: u64 = 4096;

/// The snapshot of a recovered log is taken so many bytes before its end: more than producers have
/// under way, as each has five batches at most.
const TAIL_SIZE_BYTES: u64 = 4 << 20;

/// A folder whose derived files are being rebuilt.
pub(crate) struct Rebuild {
    directory: PathBuf,
    is_direct: bool,
    epochs: LeaderEpochs,
    pub(super) producers: ProducerState,
    /// Batches below this are in `producers` already.
    pub(super) producers_from: i64,
    /// Snapshots above the end, and unreadable ones.
    pub(super) stale: Vec<i64>,
    /// Where the log's last bytes begin, and its producers as of there: what the snapshot will say.
    tail: Option<(i64, ProducerState)>,
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
    /// Those that are not good stay: that they were there says that there were producers, to a
    /// recovery after this one as well.
    pub(crate) async fn begin(
        directory: &Path,
        is_direct: bool,
        end_offset: i64,
    ) -> Result<Self, StoreError> {
        let mut this = Self {
            directory: directory.to_path_buf(),
            is_direct,
            epochs: load_epochs(directory).await,
            producers: ProducerState::default(),
            producers_from: i64::MIN,
            stale: Vec::new(),
            tail: None,
        };
        let mut found = FoundSnapshots::of(directory).await?;
        while let Some(offset) = found.offsets.pop() {
            // Between one below the first segment and that segment nobody knows what was written.
            let is_of_log = offset <= end_offset && offset >= found.first_base;
            if is_of_log && let Some(producers) = read_snapshot(directory, offset).await {
                this.producers = producers;
                this.producers_from = offset;
                return Ok(this);
            }
            this.stale.push(offset);
        }
        if this.stale.is_empty() {
            // There never was one: no producer wrote before what will be walked over.
            this.producers_from = i64::MAX;
        }
        Ok(this)
    }

    /// The producers know the batches below their snapshot; those from there to where the walk
    /// begins are told here. The log's last bytes begin at `tail_from` of the segment.
    pub(super) async fn catch_up_producers(
        &mut self,
        base_offset: i64,
        from: u64,
        first_offset: i64,
        tail_from: u64,
    ) -> Result<(), StoreError> {
        if self.producers_from >= first_offset {
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
            if next_base > self.producers_from {
                self.replay_producers(base, size, u64::MAX).await?;
            }
        }
        self.replay_producers(base_offset, from, tail_from).await
    }

    /// Tells the producers about the batches of a segment below `end_position`.
    async fn replay_producers(
        &mut self,
        base_offset: i64,
        end_position: u64,
        tail_from: u64,
    ) -> Result<(), StoreError> {
        if end_position == 0 {
            return Ok(()); // there may be no file yet
        }
        let file = self.open(base_offset).await?;
        let from = self.producers_from;
        let begin = self.position_of(&file, base_offset, end_position).await?;
        let (producers, tail) = (&mut self.producers, &mut self.tail);
        scan(
            &file,
            begin..end_position,
            ScanDepth::Checksums,
            |position, header, bytes| {
                if header.base_offset >= from {
                    note_tail(tail, producers, header, position >= tail_from);
                    let _ = replay_batch(producers, header, bytes);
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
        if self.producers_from <= base_offset {
            return Ok(0);
        }
        let index = load_indexes(&self.directory, base_offset, end_position).await;
        let position = index.offsets.position_for(self.producers_from);
        if position >= end_position {
            return Ok(0);
        }
        let found = first_offset_at(file, base_offset, position..end_position).await?;
        let is_batch = found > base_offset && found <= self.producers_from;
        Ok(if is_batch { position } else { 0 })
    }

    /// The walk has come to a segment behind its first. As at a roll, a snapshot is there when the
    /// segments below go.
    pub(crate) async fn begin_segment(&self, base_offset: i64) -> Result<(), StoreError> {
        let is_behind = self.producers_from != i64::MAX && self.producers_from >= base_offset;
        if is_behind || self.producers.is_empty() {
            return Ok(());
        }
        self.write_snapshot(base_offset).await
    }

    /// Not in place: one of this name may be all that tells of producers whose segments are gone.
    async fn write_snapshot(&self, offset: i64) -> Result<(), StoreError> {
        let path = segment_file(&self.directory, offset, SNAPSHOT_SUFFIX);
        let bytes = producer_snapshot::encode(&self.producers);
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
            synced_position,
            is_sealed,
        } = segment;
        let tail_from = match is_sealed {
            true => u64::MAX,
            false => end_position.saturating_sub(TAIL_SIZE_BYTES),
        };
        let file = self.open(base_offset).await?;
        // What is derived may have been durable before the batches were, and these be lost.
        let synced_position = synced_position.min(end_position);
        // The files may have been synced again since: entries behind the position are dropped here.
        let mut index = load_indexes(&self.directory, base_offset, u64::MAX).await;
        let (txns, synced_position) = match load_txns(&self.directory, base_offset).await? {
            Some(txns) => (txns, synced_position),
            None => (TxnIndex::new(), 0), // walk over all of it
        };
        index.offsets.truncate_at(synced_position);
        let from = index.offsets.last_position().unwrap_or(0);
        let first_offset = first_offset_at(&file, base_offset, from..end_position).await?;
        if is_first {
            self.catch_up_producers(base_offset, from, first_offset, tail_from)
                .await?;
        }
        // The batch of the last kept entry is walked over again, for its timestamp.
        keep_times_through(&mut index, first_offset, from);
        index.txns = txns;
        index.txns.truncate_to(first_offset);
        let mut rebuilt = Segment::new(base_offset, 0);
        rebuilt.max_timestamp = index.times.last().unwrap_or((-1, -1));
        rebuilt.index = Some(index);
        rebuilt.end_position = from;
        let mut is_indexed = from > 0;
        let mut next_offset = first_offset;
        let mut expected = first_offset;
        let (epochs, producers) = (&mut self.epochs, &mut self.producers);
        let tail = &mut self.tail;
        // Without any snapshot no producer had written before the walk.
        let known_below = if self.producers_from == i64::MAX {
            i64::MIN
        } else {
            self.producers_from
        };
        let (mut aborted, mut has_unseen_markers) = (Vec::new(), false);
        let end = scan_unknown(
            &file,
            from..end_position,
            ScanDepth::Checksums,
            known,
            |position, header, bytes| {
                if !can_follow(header, base_offset, expected) {
                    return false; // of an earlier life of the file
                }
                expected = header.next_offset();
                next_offset = expected;
                let size = header.size_bytes().unwrap_or_default() as u64;
                if std::mem::take(&mut is_indexed) {
                    if header.max_timestamp > rebuilt.max_timestamp.0 {
                        rebuilt.max_timestamp = (header.max_timestamp, header.last_offset());
                    }
                    rebuilt.end_position += size;
                    if let Some(index) = &mut rebuilt.index {
                        index.bytes_since_entry = size;
                        index
                            .times
                            .maybe_push(rebuilt.max_timestamp.0, rebuilt.max_timestamp.1);
                    }
                } else {
                    let last = header.last_offset();
                    rebuilt.on_batch(last, header.max_timestamp, size, INDEX_INTERVAL_BYTES);
                }
                if header.leader_epoch >= 0 {
                    epochs.assign(header.leader_epoch, header.base_offset);
                }
                if header.base_offset >= known_below {
                    note_tail(tail, producers, header, position >= tail_from);
                    aborted.extend(replay_batch(producers, header, bytes));
                } else {
                    has_unseen_markers |=
                        header.attributes.is_control() && header.has_producer_id();
                }
                true
            },
        )
        .await
        .map_err(StoreError::io("reading", file.path()))?;
        if has_unseen_markers {
            // The snapshot has seen these transactions end, and does not tell where they began.
            let walked = (base_offset, end.position);
            let markers = first_offset..known_below;
            let unseen = aborted_in(&self.directory, self.is_direct, walked, markers).await?;
            aborted.splice(0..0, unseen);
        }
        if let Some(index) = &mut rebuilt.index {
            aborted.into_iter().for_each(|txn| index.txns.push(txn));
        }
        self.write_indexes(base_offset, &mut rebuilt, is_sealed)
            .await?;
        let walked = known
            .iter()
            .filter(|batch| (from..end.position).contains(&batch.position));
        let known_bytes: usize = walked.filter_map(|batch| batch.header.size_bytes()).sum();
        Ok(Rebuilt {
            end,
            next_offset,
            read_bytes: end.position - from - known_bytes as u64,
        })
    }

    /// Writes epochs and a producer snapshot for a log that ends here. The caller syncs.
    pub(crate) async fn finish(mut self, end_offset: i64) -> Result<(), StoreError> {
        self.epochs.truncate_end(end_offset);
        if self.producers_from != i64::MAX && self.producers_from > end_offset {
            // The walk has cut the log below the snapshot that it began with.
            self.producers = self.producers_at(end_offset).await?;
        }
        self.write(
            &self.directory.join(LEADER_EPOCH_CHECKPOINT),
            self.epochs.encode().into_bytes(),
        )
        .await?;
        if self.producers.is_empty() {
            return Ok(());
        }
        let mut snapshot_offset = end_offset;
        if let Some((offset, producers)) = self.tail.take().filter(|it| it.0 <= end_offset) {
            // A snapshot knows one batch of each producer. Those that may be sent again, because
            // their answers were lost, are behind it: the log itself tells of them.
            (snapshot_offset, self.producers) = (offset, producers);
        }
        self.write_snapshot(snapshot_offset).await
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

    async fn write_indexes(
        &self,
        base_offset: i64,
        rebuilt: &mut Segment,
        is_sealed: bool,
    ) -> Result<(), StoreError> {
        let Some(index) = &mut rebuilt.index else {
            return Ok(());
        };
        if is_sealed {
            index
                .times
                .maybe_push(rebuilt.max_timestamp.0, rebuilt.max_timestamp.1);
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

    async fn open(&self, base_offset: i64) -> Result<File, StoreError> {
        let path = segment_file(&self.directory, base_offset, LOG_SUFFIX);
        let options = OpenOptions {
            direct: self.is_direct,
            ..OpenOptions::reading()
        };
        File::open(&path, options)
            .await
            .map_err(StoreError::io("opening", &path))
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

/// Tells the producers of a batch; the transaction that it aborted, if it did. Only of a marker are
/// the bytes needed.
fn replay_batch(
    producers: &mut ProducerState,
    header: &BatchHeader,
    bytes: &[u8],
) -> Option<AbortedTxn> {
    if !header.attributes.is_control() {
        producers.replay_data(header);
        return None;
    }
    let batch = BatchView::read(bytes).ok()?;
    match producers.replay(&batch) {
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

/// Keeps the producers as they are before the first batch of the log's last bytes.
fn note_tail(
    tail: &mut Option<(i64, ProducerState)>,
    producers: &ProducerState,
    header: &BatchHeader,
    is_in_tail: bool,
) {
    if is_in_tail && tail.is_none() {
        *tail = Some((header.base_offset, producers.clone()));
    }
}

/// Drops the time entries of the batches that are walked over again.
fn keep_times_through(index: &mut SegmentIndex, first_offset: i64, from: u64) {
    if from == 0 {
        index.times.truncate_at(i64::MIN);
    } else {
        index.times.truncate_at(first_offset);
    }
}

async fn first_offset_at(
    file: &File,
    segment_base: i64,
    range: std::ops::Range<u64>,
) -> Result<i64, StoreError> {
    let mut first = segment_base;
    scan(file, range, ScanDepth::Headers, |_, header, _| {
        if can_follow(header, segment_base, segment_base) {
            first = header.base_offset;
        }
        false
    })
    .await
    .map_err(StoreError::io("reading", file.path()))?;
    Ok(first)
}
