//! Walking over the batches of a segment file: for starts, recoveries and look-ups by time.
//!
//! Reads past the page cache, little at first and more as the walk goes on: a start looks at one
//! header in each of a thousand logs, a recovery at all of a segment. Bytes are hostile: the walk
//! ends where they make no sense and says why; what that means is the caller's business.

use std::io;
use std::ops::Range;
use std::path::Path;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{align_down, align_up};
use engine_record::header::MAGIC_V2;
use engine_record::{BATCH_HEADER_SIZE_BYTES, BatchHeader, BatchView};
use engine_runtime::{BlockBuf, File, OpenOptions};

use crate::error::StoreError;
use crate::layout::{LOG_SUFFIX, segment_file};
use crate::limits::{SCAN_SIZE_BYTES_MAX, SCAN_SIZE_BYTES_MIN};
use crate::recovery::known::KnownBatch;

/// How much of each batch is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanDepth {
    /// Headers; bodies are skipped, not read when they are large.
    Headers,
    /// Everything, and the checksum must fit.
    Checksums,
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanEnd {
    /// The end of the last good batch.
    pub(crate) position: u64,
    /// Whether the whole range was good batches.
    pub(crate) is_complete: bool,
}

/// A window of a file's bytes.
struct Window<'f> {
    file: &'f File,
    end: u64,
    start: u64,
    bytes: Vec<u8>,
    /// How much the next read asks for; doubles while reads follow each other.
    read_size_bytes: usize,
}

impl Window<'_> {
    /// The `size` bytes at `position`; fewer when the range or the file ends before.
    async fn at(&mut self, position: u64, size: usize) -> io::Result<&[u8]> {
        let available = self.start + self.bytes.len() as u64;
        let wanted_end = (position + size as u64).min(self.end);
        if position < self.start || position > available {
            self.bytes.clear();
            self.start = position;
            self.read_size_bytes = SCAN_SIZE_BYTES_MIN;
        } else if wanted_end > available {
            self.bytes.drain(..(position - self.start) as usize);
            self.start = position;
        }
        while self.start + (self.bytes.len() as u64) < wanted_end {
            let from = self.start + self.bytes.len() as u64;
            let aligned = align_down(from, BLOCK_SIZE_BYTES as u64);
            let left = align_up(self.end - aligned, BLOCK_SIZE_BYTES as u64);
            let read_size = (self.read_size_bytes as u64).min(left) as usize;
            self.read_size_bytes = (2 * self.read_size_bytes).min(SCAN_SIZE_BYTES_MAX);
            let buffer = BlockBuf::new(read_size);
            let (count, buffer) = self.file.read_at(aligned, buffer, read_size).await;
            let skip = (from - aligned) as usize;
            let count = count?.min((self.end - aligned) as usize);
            if count <= skip {
                break; // the file is shorter than its range
            }
            self.bytes.extend_from_slice(&buffer[skip..count]);
        }
        let from = (position - self.start) as usize;
        let until = self
            .bytes
            .len()
            .min(from + (wanted_end - position) as usize);
        Ok(&self.bytes[from.min(until)..until])
    }
}

/// A segment's file, to be scanned.
pub(crate) async fn open_segment(
    directory: &Path,
    base_offset: i64,
    is_direct: bool,
) -> Result<File, StoreError> {
    let path = segment_file(directory, base_offset, LOG_SUFFIX);
    let options = OpenOptions {
        direct: is_direct,
        ..OpenOptions::reading()
    };
    File::open(&path, options)
        .await
        .map_err(StoreError::io("opening", &path))
}

/// Whether a batch can stand in the segment with this base offset, behind everything up to
/// `expected`. A batch's offsets are not under its checksum: that it fits proves nothing of them.
pub(crate) fn can_follow(header: &BatchHeader, segment_base: i64, expected: i64) -> bool {
    let span = i64::from(header.last_offset_delta);
    let relative_end = header
        .base_offset
        .checked_sub(segment_base)
        .and_then(|relative| relative.checked_add(span));
    header.base_offset >= expected.max(segment_base)
        && span >= 0
        && relative_end.is_some_and(|relative| relative <= SEGMENT_OFFSETS_MAX)
        && header.base_offset.checked_add(span + 1).is_some()
}

/// Offsets of a segment, less one: what Kafka's indexes can name.
const SEGMENT_OFFSETS_MAX: i64 = i32::MAX as i64;

/// Calls `on_batch` with position and header of each batch in `range`, in order. It ends the walk
/// by returning `false`: the batch it was called with is then not part of the walk.
pub(crate) async fn scan(
    file: &File,
    range: Range<u64>,
    depth: ScanDepth,
    on_batch: impl FnMut(u64, &BatchHeader, &[u8]) -> bool,
) -> io::Result<ScanEnd> {
    scan_unknown(file, range, depth, &[], on_batch).await
}

/// The same, without reading the batches that are known: of these `on_batch` gets no bytes but
/// those of a marker. `known` is in order of positions.
pub(crate) async fn scan_unknown(
    file: &File,
    range: Range<u64>,
    depth: ScanDepth,
    known: &[KnownBatch],
    mut on_batch: impl FnMut(u64, &BatchHeader, &[u8]) -> bool,
) -> io::Result<ScanEnd> {
    let mut known = known;
    let mut window = Window {
        file,
        end: range.end,
        start: range.start,
        bytes: Vec::new(),
        read_size_bytes: SCAN_SIZE_BYTES_MIN,
    };
    let mut position = range.start;
    while position < range.end {
        let passed = known.iter().take_while(|batch| batch.position < position);
        known = &known[passed.count()..];
        if let Some(batch) = known.first().filter(|batch| batch.position == position) {
            let size = batch.header.size_bytes().unwrap_or(usize::MAX) as u64;
            let end = position.saturating_add(size);
            if end > range.end || !on_batch(position, &batch.header, &batch.marker) {
                break;
            }
            position = end;
            continue;
        }
        let head = window.at(position, BATCH_HEADER_SIZE_BYTES).await?;
        let Some(head) = head.first_chunk() else {
            break;
        };
        let header = BatchHeader::read(head);
        let Some(size) = header.size_bytes().filter(|_| header.magic == MAGIC_V2) else {
            break;
        };
        if position + size as u64 > range.end {
            break;
        }
        let bytes = match depth {
            ScanDepth::Headers => &[],
            ScanDepth::Checksums => {
                let bytes = window.at(position, size).await?;
                let batch = BatchView::read(bytes);
                if !batch.is_ok_and(|batch| batch.check_crc().is_ok()) {
                    break;
                }
                bytes
            }
        };
        if !on_batch(position, &header, bytes) {
            break;
        }
        position += size as u64;
    }
    Ok(ScanEnd {
        position,
        is_complete: position >= range.end,
    })
}

/// The first batch from `range.start` on; the segment's base offset when there is none.
pub(crate) async fn first_offset_at(
    file: &File,
    segment_base: i64,
    range: Range<u64>,
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
