//! Kafka's own rule for a log that was not closed and has no journal: batches are checked from the
//! recovery point on, and the log is cut at the first one that is not good.

use std::path::Path;

use engine_runtime::{File, OpenOptions};

use super::rebuild::{Rebuild, SegmentToRebuild};
use super::repair::RecoveredLog;
use super::{RecoveryReport, run_all};
use crate::error::StoreError;
use crate::layout::{
    LOG_START_OFFSET_CHECKPOINT, LOG_SUFFIX, RECOVERY_POINT_CHECKPOINT, partition_folder,
    segment_file,
};
use crate::limits::LOGS_IN_FLIGHT_MAX;
use crate::load::{find_segments, load_indexes};
use crate::segment_files::remove_segment_files;
use crate::store::{Progress, find_partitions, read_checkpoint};

/// Scans every log of the directory.
pub(super) async fn scan_logs(
    directory: &Path,
    is_direct: bool,
    report: &mut RecoveryReport,
    progress: &mut impl FnMut(Progress),
) -> Result<(), StoreError> {
    let points = read_checkpoint(&directory.join(RECOVERY_POINT_CHECKPOINT)).await?;
    let starts = read_checkpoint(&directory.join(LOG_START_OFFSET_CHECKPOINT)).await?;
    let partitions = find_partitions(directory).await?;
    let total = partitions.len() as u64;
    let done = std::cell::RefCell::new((Vec::new(), progress));
    let scans = partitions.iter().map(|found| {
        let name = partition_folder(&found.topic, found.partition);
        let of = |offsets: &[crate::checkpoint_file::PartitionOffset]| {
            let mut offsets = offsets.iter();
            let is_it = |it: &&crate::checkpoint_file::PartitionOffset| {
                it.partition == found.partition && it.topic == found.topic
            };
            offsets.find(is_it).map(|it| it.offset)
        };
        let (point, start) = (of(&points).unwrap_or(0), of(&starts));
        let done = &done;
        async move {
            let mut log = scan_log(&directory.join(&name), is_direct, point).await?;
            log.name = name;
            log.start_offset = start
                .unwrap_or(log.start_offset)
                .clamp(log.start_offset, log.end_offset);
            let (logs, progress) = &mut *done.borrow_mut();
            logs.push(log);
            progress(Progress {
                doing: "logs scanned",
                done: logs.len() as u64,
                total,
            });
            Ok(())
        }
    });
    run_all(scans, LOGS_IN_FLIGHT_MAX).await?;
    report.logs = done.into_inner().0;
    report.logs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

async fn scan_log(
    directory: &Path,
    is_direct: bool,
    recovery_point: i64,
) -> Result<RecoveredLog, StoreError> {
    let segments = find_segments(directory).await?;
    let mut report = RecoveredLog::default();
    let Some(first) = segments.front() else {
        return Ok(report);
    };
    report.start_offset = first.base_offset;
    report.end_offset = first.base_offset;
    let from = segments
        .partition_point(|segment| segment.base_offset <= recovery_point)
        .saturating_sub(1);
    let mut rebuild = Rebuild::begin(directory, is_direct, i64::MAX).await?;
    let mut is_cut = false;
    for (index, segment) in segments.iter().enumerate().skip(from) {
        let (base_offset, size) = (segment.base_offset, segment.file_size_bytes);
        if is_cut {
            remove_segment_files(directory, base_offset).await?;
            continue;
        }
        // What the recovery point vouches for is not read again.
        let indexes = load_indexes(directory, base_offset, size.max(1)).await;
        let synced_position = match index == from {
            true => indexes.offsets.position_for(recovery_point),
            false => 0,
        };
        let to_rebuild = SegmentToRebuild {
            base_offset,
            end_position: size,
            synced_position,
            is_sealed: index + 1 < segments.len(),
        };
        let rebuilt = rebuild.segment(to_rebuild, &[], index == from).await?;
        report.read_bytes += rebuilt.read_bytes;
        report.end_offset = rebuilt.next_offset.max(base_offset);
        let next_base = segments
            .get(index + 1)
            .map_or(i64::MAX, |next| next.base_offset);
        is_cut = !rebuilt.end.is_complete || rebuilt.next_offset > next_base;
        if is_cut {
            report.cut_units += 1;
            cut(directory, base_offset, rebuilt.end.position).await?;
        }
    }
    rebuild.finish(report.end_offset).await?;
    Ok(report)
}

async fn cut(directory: &Path, base_offset: i64, position: u64) -> Result<(), StoreError> {
    let path = segment_file(directory, base_offset, LOG_SUFFIX);
    let failed = || StoreError::io("cutting", path.clone());
    tracing::warn!(
        "{}: cut at byte {position}, the first that is no good batch",
        path.display()
    );
    let options = OpenOptions {
        read: true,
        write: true,
        ..OpenOptions::default()
    };
    let file = File::open(&path, options).await.map_err(failed())?;
    file.set_len(position).await.map_err(failed())
}
