//! Opening one partition's folder after a clean stop or a recovery: file lengths are the truth.
//!
//! Reads the names, the last index entries and the bytes behind them, the epochs and the newest
//! producer snapshot; nothing below. On the log's core, many folders at a time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use engine_base::TopicPartition;
use engine_cache::Tail;
use engine_runtime::{File, OpenOptions, fs};

use crate::config::LogConfig;
use crate::error::StoreError;
use crate::layout::{
    INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX, SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX, parse_segment_file, segment_file,
};
use crate::leader_epochs::LeaderEpochs;
use crate::log::{LogInner, LogState};
use crate::offset_index::OffsetIndex;
use crate::producer_state::ProducerState;
use crate::recovery::{Snapshots, load_producers, rebuild_txns};
use crate::scan::{ScanDepth, can_follow, scan};
use crate::segment::{Segment, SegmentIndex};
use crate::shared::Shared;
use crate::time_index::{TIME_INDEX_ENTRY_SIZE_BYTES, TimeIndex};
use crate::txn_index::TxnIndex;

/// Larger index files are not Kafka's.
pub(crate) const INDEX_READ_SIZE_BYTES_MAX: usize = 1 << 30;
const EPOCH_CHECKPOINT_SIZE_BYTES_MAX: usize = 16 << 20;

/// Which log to open, and where it starts by the log-start-offset checkpoint.
#[derive(Debug)]
pub(crate) struct LogToLoad {
    pub(crate) key: u32,
    pub(crate) id: TopicPartition,
    pub(crate) name: String,
    pub(crate) config: LogConfig,
    pub(crate) start_offset: Option<i64>,
}

/// Opens a log whose files are exact.
pub(crate) async fn load_log(
    shared: &Rc<Shared>,
    to_load: LogToLoad,
) -> Result<Rc<LogInner>, StoreError> {
    let LogToLoad {
        key,
        id,
        name,
        config,
        start_offset,
    } = to_load;
    let directory = shared.config.directory.join(&name);
    let (mut segments, snapshots) = find_segments_and_snapshots(&directory).await?;
    let now_ms = engine_runtime::wall_clock_ms();
    if segments.is_empty() {
        segments.push_back(Segment::new(start_offset.unwrap_or(0), now_ms));
    }
    let last = segments.len() - 1;
    for segment in segments.iter_mut().take(last) {
        load_sealed(&directory, segment).await?;
    }
    let active = &mut segments[last];
    let end_offset = load_active(shared, &directory, active, &config).await?;
    take_modified(&directory, &mut segments).await?;
    check_txns(&directory, shared.is_direct, &mut segments, end_offset).await?;
    let epochs = load_epochs(&directory).await;
    let end = (segments[last].base_offset, segments[last].end_position);
    // Most logs have none, and a start opens a thousand of them.
    let mut producers = match snapshots.is_empty() {
        false => {
            let is_direct = shared.is_direct;
            let complete = Snapshots::Complete;
            let loaded = load_producers(&directory, is_direct, end, end_offset, complete).await?;
            loaded.replace_stale(&directory, end_offset).await?;
            remove_stray_snapshots(&directory, &segments, &snapshots, end_offset).await?;
            loaded.producers
        }
        true => ProducerState::default(),
    };
    // What a start finds is kept, and so are the markers in it.
    producers.on_high_watermark(end_offset);
    let first = segments[0].base_offset;
    let state = LogState {
        config,
        generation: 0,
        start_offset: start_offset.unwrap_or(first).clamp(first, end_offset),
        end_offset,
        committed_end_offset: end_offset,
        segments,
        tail: Tail::new(Rc::clone(&shared.chunks), key),
        pending: VecDeque::new(),
        controls: VecDeque::new(),
        controls_committed: 0,
        controls_queued: 0,
        is_introduced: false,
        wants_image: None,
        has_own_writes: false,
        own_writes: 0,
        is_in_commit: false,
        is_frozen: false,
        is_deleted: false,
        epochs,
        epochs_written: true,
        producers,
        snapshots: Vec::new(),
        snapshot_offset: end_offset,
    };
    Ok(Rc::new(LogInner {
        shared: Rc::clone(shared),
        key,
        id,
        name,
        directory,
        state: RefCell::new(state),
        is_dirty: Cell::new(false),
        wants_destage: Cell::new(false),
        wants_space: Cell::new(false),
        uses_reserve: Cell::new(false),
        is_deriving: Cell::new(false),
    }))
}

/// The segments of a folder by their file names, oldest first, lengths taken as ends.
pub(crate) async fn find_segments(directory: &Path) -> Result<VecDeque<Segment>, StoreError> {
    Ok(find_segments_and_snapshots(directory).await?.0)
}

/// The same, and the offsets of the producer snapshots.
async fn find_segments_and_snapshots(
    directory: &Path,
) -> Result<(VecDeque<Segment>, Vec<i64>), StoreError> {
    let entries = fs::read_dir(directory)
        .await
        .map_err(StoreError::io("listing", directory))?;
    let snapshots = entries
        .iter()
        .filter_map(|entry| parse_segment_file(entry.name.to_str()?, SNAPSHOT_SUFFIX))
        .collect();
    let mut segments: Vec<Segment> = entries
        .iter()
        .filter_map(|entry| {
            let base_offset = parse_segment_file(entry.name.to_str()?, LOG_SUFFIX)?;
            let mut segment = Segment::new(base_offset, engine_runtime::wall_clock_ms());
            segment.is_created = true;
            // Every block of an empty file will be of our making.
            segment.is_prewritten = entry.len == 0;
            segment.is_synced = true;
            segment.synced_position = entry.len;
            segment.file_size_bytes = entry.len;
            segment.end_position = entry.len;
            segment.committed_position = entry.len;
            segment.destaged_position = entry.len;
            Some(segment)
        })
        .collect();
    segments.sort_by_key(|segment| segment.base_offset);
    let of_txns = entries
        .iter()
        .filter_map(|entry| parse_segment_file(entry.name.to_str()?, TXN_INDEX_SUFFIX));
    for base_offset in of_txns {
        if let Ok(index) = segments.binary_search_by_key(&base_offset, |it| it.base_offset) {
            segments[index].has_txn_file = true;
        }
    }
    Ok((segments.into(), snapshots))
}

/// Removes the producer snapshots that no segment begins at, but the newest: they were taken
/// between rolls and at stops, and newer ones have come. As Kafka does at its start.
async fn remove_stray_snapshots(
    directory: &Path,
    segments: &VecDeque<Segment>,
    snapshots: &[i64],
    end_offset: i64,
) -> Result<(), StoreError> {
    let below_end = || snapshots.iter().filter(|&&offset| offset <= end_offset);
    let newest = below_end().max();
    for &offset in below_end() {
        let begins = segments.binary_search_by_key(&offset, |segment| segment.base_offset);
        if begins.is_err() && newest != Some(&offset) {
            let path = segment_file(directory, offset, SNAPSHOT_SUFFIX);
            match fs::remove_file(&path).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("removing", &path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A sealed segment keeps its index on disk; only its largest timestamp is read, from the last
/// entry, which sealing wrote.
async fn load_sealed(directory: &Path, segment: &mut Segment) -> Result<(), StoreError> {
    segment.index = None;
    segment.is_sealed = true;
    let path = segment_file(directory, segment.base_offset, TIME_INDEX_SUFFIX);
    let failed = || StoreError::io("reading", path.clone());
    let file = match File::open(&path, OpenOptions::reading()).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed()(error)),
    };
    let entry = TIME_INDEX_ENTRY_SIZE_BYTES as u64;
    let size = file.len().await.map_err(failed())?;
    if size < entry {
        return Ok(());
    }
    let (count, bytes) = file.read_at(size - entry, Vec::new(), entry as usize).await;
    count.map_err(failed())?;
    if let Some(last) =
        TimeIndex::decode(segment.base_offset, &bytes).and_then(|index| index.last())
    {
        segment.max_timestamp = last;
    }
    Ok(())
}

/// Reads the active segment's indexes and walks over the batches behind the last entry. Returns
/// the log's end offset.
pub(crate) async fn load_active(
    shared: &Shared,
    directory: &Path,
    segment: &mut Segment,
    config: &LogConfig,
) -> Result<i64, StoreError> {
    let base_offset = segment.base_offset;
    let size = segment.file_size_bytes;
    let mut index = load_indexes(directory, base_offset, size).await;
    segment.created_ms = engine_runtime::wall_clock_ms();
    segment.extend_size_bytes = extend_step_for(size);
    if size == 0 {
        segment.index = Some(index);
        return Ok(base_offset);
    }
    let from = index.offsets.last_position().unwrap_or(0);
    if let Some(last) = index.times.last() {
        segment.max_timestamp = last;
    }
    index.bytes_since_entry = 0;
    segment.index = Some(index);
    segment.end_position = from;
    let path = segment_file(directory, base_offset, LOG_SUFFIX);
    let options = OpenOptions {
        read: true,
        write: true,
        direct: shared.is_direct,
        ..OpenOptions::default()
    };
    let file = File::open(&path, options)
        .await
        .map_err(StoreError::io("opening", &path))?;
    let mut end_offset = base_offset;
    let mut is_first = from > 0;
    let end = scan(&file, from..size, ScanDepth::Headers, |_, header, _| {
        if !can_follow(header, base_offset, end_offset) {
            return false;
        }
        let size = header.size_bytes().unwrap_or(0) as u64;
        end_offset = header.next_offset();
        if std::mem::take(&mut is_first) {
            // The batch of the last entry: it is indexed already.
            let index = segment.index.as_mut().expect("set above");
            index.bytes_since_entry = size;
            if header.max_timestamp > segment.max_timestamp.0 {
                segment.max_timestamp = (header.max_timestamp, header.last_offset());
            }
            segment.end_position += size;
        } else {
            let interval = config.index_interval_bytes;
            segment.on_batch(header.last_offset(), header.max_timestamp, size, interval);
        }
        true
    })
    .await
    .map_err(StoreError::io("reading", &path))?;
    if !end.is_complete {
        return Err(StoreError::Damaged(vec![crate::error::Damage::Segment {
            partition: directory
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            segment_base: base_offset,
            position: end.position,
            offset: end_offset,
        }]));
    }
    if segment.first_timestamp.is_none() || from > 0 {
        segment.first_timestamp = first_timestamp(&file, size).await?;
    }
    Ok(end_offset)
}

/// The largest timestamp of a segment's first batch, from which its age counts.
async fn first_timestamp(file: &File, size: u64) -> Result<Option<i64>, StoreError> {
    let mut first = None;
    scan(file, 0..size, ScanDepth::Headers, |_, header, _| {
        first = Some(header.max_timestamp);
        false
    })
    .await
    .map_err(StoreError::io("reading", file.path()))?;
    Ok(first)
}

/// The index files of a segment; empty ones when they are missing or make no sense, for indexes
/// can always be rebuilt.
pub(crate) async fn load_indexes(directory: &Path, base_offset: i64, size: u64) -> SegmentIndex {
    let read = async |suffix| {
        let path = segment_file(directory, base_offset, suffix);
        let bytes = fs::read_file(&path, INDEX_READ_SIZE_BYTES_MAX).await;
        bytes.ok()
    };
    let offsets = read(INDEX_SUFFIX).await;
    let offsets = offsets.and_then(|bytes| OffsetIndex::decode(base_offset, &bytes));
    // The first batch never has an entry: what says so is a file that is longer than what was written.
    let offsets = offsets.filter(|offsets| offsets.first_position() != Some(0));
    let times = read(TIME_INDEX_SUFFIX).await;
    let times = times.and_then(|bytes| TimeIndex::decode(base_offset, &bytes));
    let mut index = SegmentIndex::new(base_offset);
    // Both or none: a time index without the offsets of the same batches answers wrongly.
    if let (Some(offsets), Some(times)) = (offsets, times)
        && offsets
            .last_position()
            .is_none_or(|position| position < size)
    {
        (index.offsets_written, index.times_written) = (offsets.len(), times.len());
        (index.offsets, index.times) = (offsets, times);
    }
    index
}

/// The age of a segment without any timestamp counts from when its file was last written, as in
/// Kafka; those with timestamps are not asked for it.
async fn take_modified(
    directory: &Path,
    segments: &mut VecDeque<Segment>,
) -> Result<(), StoreError> {
    let untimed = segments
        .iter_mut()
        .filter(|segment| segment.is_created && segment.max_timestamp.0 < 0);
    for segment in untimed {
        let path = segment_file(directory, segment.base_offset, LOG_SUFFIX);
        let modified_ms = fs::modified_ms(&path).await;
        let modified_ms = modified_ms.map_err(StoreError::io("asking for the age of", &path))?;
        segment.modified_ms = modified_ms.unwrap_or(segment.modified_ms);
    }
    Ok(())
}

/// Reads the transaction indexes that there are: the active segment keeps its own in memory, those
/// of the others must be good when they are needed. One that is not is made anew, as Kafka does.
async fn check_txns(
    directory: &Path,
    is_direct: bool,
    segments: &mut VecDeque<Segment>,
    log_end_offset: i64,
) -> Result<(), StoreError> {
    for index in 0..segments.len() {
        let next_base = segments.get(index + 1).map(|next| next.base_offset);
        let segment = &mut segments[index];
        if !segment.has_txn_file {
            continue;
        }
        let base_offset = segment.base_offset;
        let end_offset = next_base.unwrap_or(log_end_offset);
        let is_good = |txns: &TxnIndex| {
            let last = txns.entries().last();
            last.is_none_or(|last| last.last_offset < end_offset)
        };
        let found = load_txns(directory, base_offset).await?.filter(is_good);
        let txns = match found {
            Some(txns) => txns,
            None => {
                let end_position = segment.file_size_bytes;
                rebuild_txns(directory, is_direct, base_offset, end_position).await?
            }
        };
        if let Some(index) = &mut segment.index {
            index.txns_written = txns.len();
            index.txns = txns;
        }
    }
    Ok(())
}

/// The transaction index of a segment, empty when it has none; `None` when the file is no such
/// index.
pub(crate) async fn load_txns(
    directory: &Path,
    base_offset: i64,
) -> Result<Option<TxnIndex>, StoreError> {
    let path = segment_file(directory, base_offset, TXN_INDEX_SUFFIX);
    match fs::read_file(&path, INDEX_READ_SIZE_BYTES_MAX).await {
        Ok(bytes) => Ok(TxnIndex::decode(base_offset, &bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Some(TxnIndex::new())),
        Err(error) => Err(StoreError::io("reading", &path)(error)),
    }
}

pub(crate) async fn load_epochs(directory: &Path) -> LeaderEpochs {
    let path = directory.join(LEADER_EPOCH_CHECKPOINT);
    let bytes = fs::read_file(&path, EPOCH_CHECKPOINT_SIZE_BYTES_MAX)
        .await
        .unwrap_or_default();
    // A file that cannot be read is no epochs: recovery rebuilds them, a clean stop wrote them.
    LeaderEpochs::decode(&bytes).unwrap_or_default()
}

/// The step that a segment of this size has reached.
pub(crate) fn extend_step_for(size: u64) -> u64 {
    use crate::limits::{EXTEND_SIZE_BYTES_MAX, EXTEND_SIZE_BYTES_MIN};
    size.next_power_of_two()
        .clamp(EXTEND_SIZE_BYTES_MIN, EXTEND_SIZE_BYTES_MAX)
}
