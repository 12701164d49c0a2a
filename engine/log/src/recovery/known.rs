//! Batches that recovery has just read, and found to be what the journal describes: whoever walks
//! over them need not read them again.
//!
//! A unit's checksum in the journal is over all its bytes, batch headers included, so it says more
//! than the batches' own. Kept are headers, and the whole of markers; and not those of batches that
//! are so small that this would be much of what they hold: these are read again.

use engine_record::header::MAGIC_V2;
use engine_record::{BATCH_HEADER_SIZE_BYTES, BatchHeader};

/// Units whose batches are smaller than this, on average, are not kept: 5 % of what was read.
const BATCH_SIZE_BYTES_MIN: usize = 2048;
/// A marker has some 80 bytes.
const MARKER_SIZE_BYTES_MAX: usize = 1024;

/// A batch of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownBatch {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
    /// All of it when it ends a transaction, else nothing.
    pub(crate) marker: Box<[u8]>,
}

/// Batches of one log.
#[derive(Debug, Default)]
pub(crate) struct KnownBatches {
    segments: Vec<(i64, Vec<KnownBatch>)>,
}

impl KnownBatches {
    /// Those of a segment, by position.
    pub(crate) fn of_segment(&self, segment_base: i64) -> &[KnownBatch] {
        let mut segments = self.segments.iter();
        let found = segments.find(|(base, _)| *base == segment_base);
        found.map_or(&[], |(_, batches)| batches)
    }

    /// Keeps the batches of a unit, whose checksum was good. Bytes that are no whole batches are
    /// not kept, for the walk to judge.
    pub(crate) fn keep(&mut self, segment_base: i64, position: u64, unit: &[u8]) {
        let Some(batches) = batches_of(position, unit) else {
            return;
        };
        match self.segments.last_mut() {
            Some((base, known)) if *base == segment_base => known.extend(batches),
            _ => self.segments.push((segment_base, batches)),
        }
    }
}

/// The batches that a unit consists of.
fn batches_of(position: u64, unit: &[u8]) -> Option<Vec<KnownBatch>> {
    let mut batches = Vec::new();
    let mut at = 0;
    while at < unit.len() {
        let rest = &unit[at..];
        let header = BatchHeader::read(rest.first_chunk::<BATCH_HEADER_SIZE_BYTES>()?);
        let size = header.size_bytes().filter(|_| header.magic == MAGIC_V2)?;
        let batch = rest.get(..size)?;
        let is_marker = header.attributes.is_control() && header.has_producer_id();
        if is_marker && size > MARKER_SIZE_BYTES_MAX {
            return None;
        }
        batches.push(KnownBatch {
            position: position + at as u64,
            header,
            marker: if is_marker { batch.into() } else { [].into() },
        });
        if batches.len() * BATCH_SIZE_BYTES_MIN > unit.len().max(BATCH_SIZE_BYTES_MIN) {
            return None;
        }
        at += size;
    }
    Some(batches)
}
