//! Units checked against the journal: their bytes are read, the journal's are put over them, and the
//! checksum of the whole must fit.
//!
//! This is what takes the time of a start behind a crash under load, so each byte is read once: what
//! was learnt of the batches on the way, and which bytes were found as they should be, is handed on.
//! The next units are read while one is checked.

use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{align_down, align_up};
use engine_codec::crc32c;
use engine_runtime::{BlockBuf, File, JoinHandle};

use super::known::KnownBatches;
use super::overlays::SegmentOverlays;
use super::repair::{READ_SIZE_BYTES, RecoveredLog, open};
use super::replay::{Described, LogReplay};
use crate::error::{Damage, StoreError};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

/// Bytes of units that are read ahead of the one that is checked; at least one unit is.
const READ_AHEAD_SIZE_BYTES: u64 = 2 << 20;

/// What is known of a log's segments once its units were checked.
#[derive(Debug, Default)]
pub(super) struct Verified {
    pub(super) batches: KnownBatches,
    /// Segment and range of bytes that the file has as the journal says, by position.
    intact: Vec<(i64, u64, u64)>,
}

impl Verified {
    fn keep(&mut self, unit: &Described, checked: &UnitBytes) {
        self.batches
            .keep(unit.segment_base, unit.position, &checked.bytes);
        if !checked.is_intact {
            return;
        }
        match self.intact.last_mut() {
            Some((base, _, until)) if *base == unit.segment_base && *until == unit.position => {
                *until = unit.end_position();
            }
            _ => self
                .intact
                .push((unit.segment_base, unit.position, unit.end_position())),
        }
    }

    /// Whether the file was found to have these bytes as the journal says.
    pub(super) fn is_intact(&self, segment_base: i64, from: u64, until: u64) -> bool {
        let first = self
            .intact
            .partition_point(|it| (it.0, it.2) < (segment_base, until));
        let range = self.intact.get(first);
        range.is_some_and(|it| it.0 == segment_base && it.1 <= from)
    }
}

/// Checks the bytes of every unit. The first one that was never kept and does not verify is where
/// the log ends; one that was kept is damage.
pub(super) async fn verify(
    directory: &Path,
    is_direct: bool,
    replay: &mut LogReplay<'_>,
    durable: u64,
    report: &mut RecoveredLog,
) -> Result<Verified, StoreError> {
    let units = replay.units.clone();
    let mut verified = Verified::default();
    let mut reads = UnitReads::new(directory, is_direct, replay, &units);
    let mut is_bad = |unit: &Described, found: Option<UnitBytes>| match found {
        Some(found) if crc32c(&found.bytes) == unit.crc => {
            verified.keep(unit, &found);
            false
        }
        _ => true,
    };
    let mut first_bad = None;
    for (index, unit) in units.iter().enumerate() {
        if is_bad(unit, reads.next().await?) {
            first_bad = Some(index);
            break;
        }
    }
    report.read_bytes += reads.read_bytes;
    let Some(index) = first_bad else {
        return Ok(verified);
    };
    let mut rest = units[index..].iter();
    if let Some(kept) = rest.find(|it| it.is_flushed && it.sequence <= durable) {
        return Err(StoreError::Damaged(vec![Damage::Segment {
            partition: report.name.clone(),
            segment_base: kept.segment_base,
            position: kept.position,
            offset: kept.first_offset,
        }]));
    }
    report.cut_units += (units.len() - index) as u64;
    replay.cut_before(&units[index]);
    Ok(verified)
}

/// Whether a unit's bytes, with overlays applied, are what the journal describes.
pub(super) async fn is_whole(
    directory: &Path,
    is_direct: bool,
    replay: &LogReplay<'_>,
    unit: &Described,
) -> Result<bool, StoreError> {
    let units = std::slice::from_ref(unit);
    let found = UnitReads::new(directory, is_direct, replay, units)
        .next()
        .await?;
    Ok(found.is_some_and(|found| crc32c(&found.bytes) == unit.crc))
}

/// A unit's bytes, with overlays applied.
struct UnitBytes {
    bytes: Vec<u8>,
    /// The file had them so before.
    is_intact: bool,
}

/// Where a unit's bytes come from.
enum Source {
    /// All of them from the journal.
    Journal,
    /// The segment's file; up to `needed_end`, as far as the journal does not have them.
    File {
        needed_end: u64,
        reading: JoinHandle<Result<(Vec<u8>, u64), StoreError>>,
    },
    /// The file does not reach as far.
    Missing,
}

/// Reads units in order, some of them ahead.
struct UnitReads<'r> {
    directory: &'r Path,
    is_direct: bool,
    replay: &'r LogReplay<'r>,
    units: std::slice::Iter<'r, Described>,
    /// Of the segment whose units are being begun.
    segment: Option<OpenSegment<'r>>,
    ahead: VecDeque<(Described, Rc<SegmentOverlays<'r>>, Source)>,
    /// Bytes of the units in `ahead`.
    ahead_bytes: u64,
    /// Bytes asked of files so far.
    read_bytes: u64,
}

struct OpenSegment<'r> {
    base_offset: i64,
    overlays: Rc<SegmentOverlays<'r>>,
    /// The file and its length; `None` when it was not asked for, or is not there.
    file: Option<(Rc<File>, u64)>,
    is_asked_for: bool,
}

impl<'r> UnitReads<'r> {
    fn new(
        directory: &'r Path,
        is_direct: bool,
        replay: &'r LogReplay<'r>,
        units: &'r [Described],
    ) -> Self {
        Self {
            directory,
            is_direct,
            replay,
            units: units.iter(),
            segment: None,
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            read_bytes: 0,
        }
    }

    /// The next unit; `None` when its segment is too short.
    async fn next(&mut self) -> Result<Option<UnitBytes>, StoreError> {
        while self.ahead_bytes < READ_AHEAD_SIZE_BYTES || self.ahead.len() < 2 {
            let Some(&unit) = self.units.next() else {
                break;
            };
            let (overlays, source) = self.begin(&unit).await?;
            self.ahead_bytes += u64::from(unit.size);
            self.ahead.push_back((unit, overlays, source));
        }
        let next = self.ahead.pop_front();
        let (unit, overlays, source) = next.expect("the caller counts the units");
        self.ahead_bytes -= u64::from(unit.size);
        let (mut bytes, was_read) = match source {
            Source::Missing => return Ok(None),
            Source::Journal => (vec![0; unit.size as usize], false),
            Source::File {
                needed_end,
                reading,
            } => {
                let read = reading.await.map_err(|_| StoreError::Failed)?;
                let (bytes, count) = read?;
                if unit.position + count < needed_end {
                    return Ok(None);
                }
                (bytes, count == u64::from(unit.size))
            }
        };
        let has_changed = overlays.patch(unit.position, &mut bytes);
        Ok(Some(UnitBytes {
            bytes,
            is_intact: was_read && !has_changed,
        }))
    }

    /// Begins to read what the journal does not have of a unit.
    async fn begin(
        &mut self,
        unit: &Described,
    ) -> Result<(Rc<SegmentOverlays<'r>>, Source), StoreError> {
        let is_open = |segment: &&OpenSegment<'_>| segment.base_offset == unit.segment_base;
        if self.segment.as_ref().filter(is_open).is_none() {
            self.segment = Some(OpenSegment {
                base_offset: unit.segment_base,
                overlays: Rc::new(SegmentOverlays::of(self.replay, unit.segment_base)),
                file: None,
                is_asked_for: false,
            });
        }
        let segment = self.segment.as_mut().expect("it was just made");
        let overlays = Rc::clone(&segment.overlays);
        let end = unit.end_position();
        let last = overlays.range_before(end);
        if last.is_some_and(|(from, _)| from <= unit.position) {
            return Ok((overlays, Source::Journal));
        }
        self.read_bytes += u64::from(unit.size);
        if !std::mem::replace(&mut segment.is_asked_for, true) {
            segment.file =
                open_with_size(self.directory, self.is_direct, unit.segment_base).await?;
        }
        // What overlays do not cover must be in the file. Memory is taken for what is there, not
        // for what the journal says.
        let needed_end = last.map_or(end, |(from, _)| from);
        let source = match &segment.file {
            Some((file, file_size)) if *file_size >= needed_end => {
                let (file, unit) = (Rc::clone(file), *unit);
                let reading = engine_runtime::spawn(async move { read_unit(&file, &unit).await });
                Source::File {
                    needed_end,
                    reading,
                }
            }
            _ => Source::Missing,
        };
        Ok((overlays, source))
    }
}

async fn open_with_size(
    directory: &Path,
    is_direct: bool,
    segment_base: i64,
) -> Result<Option<(Rc<File>, u64)>, StoreError> {
    let Some(file) = open(directory, is_direct, segment_base, false).await? else {
        return Ok(None);
    };
    let size = file.len().await;
    let size = size.map_err(StoreError::io("reading", file.path()))?;
    Ok(Some((Rc::new(file), size)))
}

/// A unit's bytes as the file has them, with zeroes for those that it has not, and how many it has.
async fn read_unit(file: &File, unit: &Described) -> Result<(Vec<u8>, u64), StoreError> {
    let mut bytes = vec![0; unit.size as usize];
    let count = read_range(file, unit.position, &mut bytes).await?;
    Ok((bytes, count as u64))
}

/// Reads into all of `target`; returns how many bytes there were.
async fn read_range(file: &File, position: u64, target: &mut [u8]) -> Result<usize, StoreError> {
    let end = position + target.len() as u64;
    let mut at = align_down(position, BLOCK);
    let mut done = 0;
    while at < end {
        let size = (align_up(end, BLOCK) - at).min(READ_SIZE_BYTES) as usize;
        let (count, buffer) = file.read_at(at, BlockBuf::new(size), size).await;
        let count = count.map_err(StoreError::io("reading", file.path()))?;
        let skip = position.saturating_sub(at).min(count as u64) as usize;
        let part = &buffer[skip..count];
        let part = &part[..part.len().min(target.len() - done)];
        target[done..done + part.len()].copy_from_slice(part);
        done += part.len();
        if count < size {
            break;
        }
        at += size as u64;
    }
    Ok(done)
}
