//! Segments wholly below a log's start that the journal still names.
//!
//! A segment is removed only once it is synced, and then the producer snapshot at its end is too.
//! Before that the log's start may have passed it already, and what its producers wrote last is
//! known from its batches alone: without them an older snapshot would be believed, and a producer
//! that goes on be refused. So such a segment is kept, for the next maintenance to remove; one that
//! cannot be made whole is gone or nobody has kept it, and goes.

use std::path::Path;

use super::repair::{open, remove_segments, restore};
use super::replay::{LogReplay, ProvenSegment, TrimmedSegments};
use super::snapshot_files::read_snapshot;
use super::verify::{Verified, is_whole};
use crate::error::StoreError;
use crate::scan::{ScanDepth, can_follow, scan};

/// Puts the segments back into the replay that the producers need, and removes the others. The
/// replay is verified: it ends where the log ends.
pub(super) async fn settle(
    directory: &Path,
    is_direct: bool,
    replay: &mut LogReplay<'_>,
    trimmed: TrimmedSegments,
) -> Result<(), StoreError> {
    let Some(first_kept) = replay.segments.first().map(|first| first.base_offset) else {
        return Ok(());
    };
    if trimmed.segments.is_empty() {
        return Ok(());
    }
    let mut from = first_kept;
    for segment in trimmed.segments.iter().rev() {
        // A newer one is not enough: it does not tell where a transaction began that has ended.
        let is_known = from <= replay.end_offset && read_snapshot(directory, from).await.is_some();
        if is_known || !make_whole(directory, is_direct, replay, &trimmed, *segment, from).await? {
            break;
        }
        from = segment.base_offset;
    }
    replay.put_back(trimmed, from);
    remove_segments(directory, |base| base < from).await
}

/// Restores a segment that ends at `next_base`; `false` when that cannot be.
async fn make_whole(
    directory: &Path,
    is_direct: bool,
    replay: &LogReplay<'_>,
    trimmed: &TrimmedSegments,
    segment: ProvenSegment,
    next_base: i64,
) -> Result<bool, StoreError> {
    let ProvenSegment {
        base_offset,
        end_position,
    } = segment;
    let units = trimmed.units.iter();
    for unit in units.filter(|unit| unit.segment_base == base_offset) {
        if !is_whole(directory, is_direct, replay, unit).await? {
            return Ok(false);
        }
    }
    let nothing = Verified::default();
    let restored = restore(
        directory,
        is_direct,
        replay,
        &nothing,
        base_offset,
        end_position,
    );
    match restored.await {
        Ok(_) => {}
        Err(StoreError::Damaged(_)) => return Ok(false),
        Err(error) => return Err(error),
    }
    let Some(file) = open(directory, is_direct, base_offset, false).await? else {
        return Ok(false);
    };
    let mut expected = base_offset;
    let walk = scan(
        &file,
        0..end_position,
        ScanDepth::Checksums,
        |_, header, _| {
            let follows = can_follow(header, base_offset, expected);
            expected = if follows {
                header.next_offset()
            } else {
                expected
            };
            follows
        },
    );
    let end = walk.await.map_err(StoreError::io("reading", file.path()))?;
    Ok(end.is_complete && expected <= next_base)
}
