//! One log made to be exactly what the journal proves: units verified, overlays written, lengths
//! cut, strangers removed, derived files rebuilt. Doing it twice gives the same.

use std::path::Path;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{align_down, align_up};
use engine_runtime::{BlockBuf, File, OpenOptions, WriteMode, fs};

use super::overlays::SegmentOverlays;
use super::rebuild::{Rebuild, SegmentToRebuild, damage_at};
use super::replay::LogReplay;
use super::trimmed;
use super::verify::{Verified, verify};
use crate::error::{Damage, StoreError};
use crate::layout::{
    DELETED_FILE_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX,
    parse_segment_file, segment_file,
};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;
pub(super) const READ_SIZE_BYTES: u64 = 1 << 20;

/// What was done to a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredLog {
    /// The partition's folder name.
    pub name: String,
    /// Where the log starts.
    pub start_offset: i64,
    /// Where it ends.
    pub end_offset: i64,
    /// Bytes restored from the journal.
    pub restored_bytes: u64,
    /// Bytes read to verify units and to rebuild what is derived.
    pub read_bytes: u64,
    /// Units that were described and never kept, and are not there.
    pub cut_units: u64,
}

/// Repairs one log. `durable` is the highest entry that was certainly on stable media: what it
/// and those before it describe must verify.
pub(super) async fn repair(
    directory: &Path,
    is_direct: bool,
    mut replay: LogReplay<'_>,
    durable: u64,
) -> Result<RecoveredLog, StoreError> {
    let mut report = RecoveredLog {
        name: directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        ..RecoveredLog::default()
    };
    let trimmed = replay.take_trimmed();
    let verified = verify(directory, is_direct, &mut replay, durable, &mut report).await?;
    trimmed::settle(directory, is_direct, &mut replay, trimmed).await?;
    let listed: Vec<_> = replay.segments.clone();
    for segment in &listed {
        let restored = restore(
            directory,
            is_direct,
            &replay,
            &verified,
            segment.base_offset,
            segment.end_position,
        );
        report.restored_bytes += restored.await?;
    }
    remove_strangers(directory, &replay).await?;

    let end_offset = replay.end_offset;
    let mut rebuild = Rebuild::begin(directory, is_direct, end_offset).await?;
    for (index, segment) in listed.iter().enumerate() {
        let to_rebuild = SegmentToRebuild {
            base_offset: segment.base_offset,
            end_position: segment.end_position,
            synced_position: if index == 0 {
                replay.synced_position
            } else {
                0
            },
            is_sealed: index + 1 < listed.len(),
        };
        let known = verified.batches.of_segment(segment.base_offset);
        if index > 0 {
            rebuild.begin_segment(segment.base_offset).await?;
        }
        let rebuilt = rebuild.segment(to_rebuild, known, index == 0).await?;
        report.read_bytes += rebuilt.read_bytes;
        let next = listed
            .get(index + 1)
            .map_or(end_offset, |next| next.base_offset);
        if !rebuilt.end.is_complete || rebuilt.next_offset > next {
            let damage = damage_at(directory, segment.base_offset, &rebuilt);
            return Err(StoreError::Damaged(vec![damage]));
        }
    }
    rebuild.finish(end_offset).await?;
    report.start_offset = replay.start_offset.min(end_offset);
    report.end_offset = end_offset;
    Ok(report)
}

/// Files of segments that nothing was kept of: begun by a roll behind the end, or cut off. The
/// listed segments are contiguous, so whatever lies behind the first and is not listed is one.
async fn remove_strangers(directory: &Path, replay: &LogReplay<'_>) -> Result<(), StoreError> {
    let Some(first) = replay.segments.first() else {
        return Ok(());
    };
    let is_listed = |base: i64| {
        replay
            .segments
            .iter()
            .any(|listed| listed.base_offset == base)
    };
    remove_segments(directory, |base| {
        base > first.base_offset && !is_listed(base)
    })
    .await
}

/// Removes the files of the segments whose base offset is to go, and what deletions left.
pub(super) async fn remove_segments(
    directory: &Path,
    goes: impl Fn(i64) -> bool,
) -> Result<(), StoreError> {
    let failed = || StoreError::io("listing", directory);
    for entry in fs::read_dir(directory).await.map_err(failed())? {
        let name = entry.name.to_string_lossy();
        let suffixes = [
            LOG_SUFFIX,
            INDEX_SUFFIX,
            TIME_INDEX_SUFFIX,
            TXN_INDEX_SUFFIX,
        ];
        let base = suffixes
            .iter()
            .find_map(|suffix| parse_segment_file(&name, suffix));
        if base.is_some_and(&goes) || name.ends_with(DELETED_FILE_SUFFIX) {
            let path = directory.join(&*name);
            fs::remove_file(&path)
                .await
                .map_err(StoreError::io("removing", &path))?;
        }
    }
    Ok(())
}

/// Writes what the journal holds of a segment, where the file differs or was not looked at by
/// [`verify`], and gives it its exact length. Returns the bytes written.
pub(super) async fn restore(
    directory: &Path,
    is_direct: bool,
    replay: &LogReplay<'_>,
    verified: &Verified,
    base_offset: i64,
    end: u64,
) -> Result<u64, StoreError> {
    let Some(file) = open(directory, is_direct, base_offset, true).await? else {
        unreachable!("opened with create");
    };
    let failed = || StoreError::io("restoring", file.path());
    let mut restored = 0;
    let overlays = SegmentOverlays::of(replay, base_offset);
    for (from, until) in overlays.covered_until(end) {
        if verified.is_intact(base_offset, from, until) {
            continue;
        }
        let mut at = align_down(from, BLOCK);
        while at < until {
            let piece_end = (at + READ_SIZE_BYTES).min(align_up(until, BLOCK));
            restored += restore_piece(&file, &overlays, at..piece_end, end).await?;
            at = piece_end;
        }
    }
    let size = file.len().await.map_err(failed())?;
    if size < end {
        return Err(StoreError::Damaged(vec![Damage::Segment {
            partition: directory
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            segment_base: base_offset,
            position: size,
            offset: base_offset,
        }]));
    }
    if size != end {
        file.set_len(end).await.map_err(failed())?;
    }
    Ok(restored)
}

/// Whole blocks that differ: what the file has, the journal's bytes over it, zeroes behind the end.
async fn restore_piece(
    file: &File,
    overlays: &SegmentOverlays<'_>,
    range: std::ops::Range<u64>,
    end: u64,
) -> Result<u64, StoreError> {
    let failed = || StoreError::io("restoring", file.path());
    let size = (range.end - range.start) as usize;
    let (count, found) = file.read_at(range.start, BlockBuf::new(size), size).await;
    let count = count.map_err(failed())?;
    let mut wanted = BlockBuf::new(size);
    wanted[..count].copy_from_slice(&found[..count]);
    overlays.patch(range.start, &mut wanted);
    let data = end.min(range.end).saturating_sub(range.start) as usize;
    wanted[data..].fill(0);
    let differs = |at: &usize| {
        let until = (at + BLOCK_SIZE_BYTES).min(data);
        count < until || wanted[*at..until] != found[*at..until]
    };
    // A block that is as it should be may begin with bytes that the journal has no more: a power
    // cut would tear them.
    let blocks: Vec<usize> = (0..data)
        .step_by(BLOCK_SIZE_BYTES)
        .filter(differs)
        .collect();
    let wanted = wanted.freeze();
    for run in blocks.chunk_by(|at, next| at + BLOCK_SIZE_BYTES == *next) {
        let bytes = wanted.slice(run[0]..run[0] + run.len() * BLOCK_SIZE_BYTES);
        let position = range.start + run[0] as u64;
        let written = file.write_at(position, [bytes], WriteMode::Plain).await;
        written.map_err(failed())?;
    }
    Ok((blocks.len() * BLOCK_SIZE_BYTES) as u64)
}

/// Opens a segment; `None` when it does not exist and shall not be made.
pub(super) async fn open(
    directory: &Path,
    is_direct: bool,
    base_offset: i64,
    creates: bool,
) -> Result<Option<File>, StoreError> {
    let path = segment_file(directory, base_offset, LOG_SUFFIX);
    let options = OpenOptions {
        read: true,
        write: true,
        create: creates,
        direct: is_direct,
        ..OpenOptions::default()
    };
    match File::open(&path, options).await {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !creates => Ok(None),
        Err(error) => Err(StoreError::io("opening", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use engine_runtime::{Prng, SimOptions, SimWorld};

    use super::*;
    use crate::commit_record::State;
    use crate::recovery::replay::Overlay;

    /// It may begin with bytes that the journal has no more.
    #[test]
    fn a_power_cut_in_recovery_does_not_tear_a_block_that_needs_no_repair() {
        const DIRECTORY: &str = "/t-0";
        let path = segment_file(Path::new(DIRECTORY), 0, LOG_SUFFIX);
        let state = State {
            generation: 0,
            start_offset: 0,
            end_offset: 2,
            synced_position: 0,
            segments: vec![(0, 2 * BLOCK)],
        };
        let mut unit = vec![7; 3096];
        unit.resize(3096 + BLOCK_SIZE_BYTES, 8);
        let world = SimWorld::new(1, SimOptions::default());
        let process = world.add_process("broker");
        let written = path.clone();
        let restored = world.runtime(process).block_on(async move {
            fs::create_dir_all(DIRECTORY).await.unwrap();
            fs::sync_dir("/").await.unwrap();
            let bytes = vec![7; 2 * BLOCK_SIZE_BYTES];
            fs::write_file_atomic(&written, bytes).await.unwrap();
            let mut replay = LogReplay::begin(&state);
            replay.overlays.push(Overlay {
                segment_base: 0,
                position: 1000,
                bytes: &unit,
            });
            let nothing = Verified::default();
            restore(Path::new(DIRECTORY), true, &replay, &nothing, 0, 2 * BLOCK).await
        });
        assert_eq!(restored.unwrap(), BLOCK);
        let disk = world.with_disk(process, |disk| disk.clone());
        for seed in 0..100 {
            let image = disk.crash_image(disk.events().len(), &mut Prng::new(seed));
            let found = image.file(&path).unwrap();
            assert!(found[..BLOCK_SIZE_BYTES].iter().all(|&byte| byte == 7));
        }
    }
}
