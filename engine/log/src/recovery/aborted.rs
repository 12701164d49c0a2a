//! Aborted transactions found in a log's batches, for transaction indexes that are behind or lost.
//!
//! A marker says that its producer's transaction ended; where it began is known only to who has
//! seen the batches before, or to a producer snapshot at or below them. Runs at a start, seldom.

use std::ops::Range;
use std::path::Path;

use engine_record::BatchView;
use engine_runtime::fs;

use crate::error::StoreError;
use crate::layout::{SNAPSHOT_SUFFIX, TXN_INDEX_SUFFIX, parse_segment_file, segment_file};
use crate::load::find_segments;
use crate::producer_snapshot;
use crate::producer_state::ProducerState;
use crate::recovery::rebuild::{Rebuilt, damage_at};
use crate::recovery::snapshot_files::SNAPSHOT_SIZE_BYTES_MAX;
use crate::scan::{ScanDepth, can_follow, open_segment, scan};
use crate::txn_index::{AbortedTxn, TxnIndex};

/// Makes the transaction index of a segment anew, from the segment, and writes it.
pub(crate) async fn rebuild_txns(
    directory: &Path,
    is_direct: bool,
    base_offset: i64,
    end_position: u64,
) -> Result<TxnIndex, StoreError> {
    let path = segment_file(directory, base_offset, TXN_INDEX_SUFFIX);
    tracing::warn!(
        "{} is no transaction index of its segment and is rebuilt",
        path.display()
    );
    let segment = (base_offset, end_position);
    let aborted = aborted_in(directory, is_direct, segment, base_offset..i64::MAX).await?;
    let mut txns = TxnIndex::new();
    aborted.into_iter().for_each(|txn| txns.push(txn));
    let written = fs::write_file_atomic(&path, txns.encode_from(0)).await;
    written.map_err(StoreError::io("writing", &path))?;
    Ok(txns)
}

/// The transactions that markers at these offsets of a segment aborted. `segment` is its base
/// offset and where its data ends.
pub(super) async fn aborted_in(
    directory: &Path,
    is_direct: bool,
    segment: (i64, u64),
    markers: Range<i64>,
) -> Result<Vec<AbortedTxn>, StoreError> {
    let (mut producers, from) = snapshot_below(directory, markers.start).await?;
    let (base_offset, end_position) = segment;
    let mut aborted = Vec::new();
    let all = find_segments(directory).await?;
    let older = all.iter().filter(|it| it.base_offset < base_offset);
    let mut walked: Vec<_> = older
        .map(|it| (it.base_offset, it.file_size_bytes))
        .collect();
    walked.push((base_offset, end_position));
    let first = walked.partition_point(|&(base, _)| base <= from);
    for &(base, end) in &walked[first.saturating_sub(1)..] {
        if end == 0 {
            continue;
        }
        let file = open_segment(directory, base, is_direct).await?;
        let (mut expected, mut is_past) = (base, false);
        let walk = scan(&file, 0..end, ScanDepth::Checksums, |_, header, bytes| {
            is_past = header.base_offset >= markers.end;
            if is_past || !can_follow(header, base, expected) {
                return false;
            }
            expected = header.next_offset();
            if header.base_offset >= from
                && let Ok(batch) = BatchView::read(bytes)
                && let Ok(Some(ended)) = producers.replay(&batch)
                && markers.contains(&ended.last_offset)
            {
                aborted.extend(AbortedTxn::of(ended));
            }
            true
        });
        let found = walk.await.map_err(StoreError::io("reading", file.path()))?;
        if !found.is_complete && !is_past {
            // An index of a part would show aborted records behind it.
            let rebuilt = Rebuilt {
                end: found,
                next_offset: expected,
                read_bytes: end,
            };
            let damage = damage_at(directory, base, &rebuilt);
            return Err(StoreError::Damaged(vec![damage]));
        }
    }
    Ok(aborted)
}

/// The newest producer snapshot at or below an offset, and its offset; nothing and the lowest
/// offset when there is none.
async fn snapshot_below(
    directory: &Path,
    offset_max: i64,
) -> Result<(ProducerState, i64), StoreError> {
    let entries = fs::read_dir(directory).await;
    let entries = entries.map_err(StoreError::io("listing", directory))?;
    let mut offsets: Vec<i64> = entries
        .iter()
        .filter_map(|entry| parse_segment_file(entry.name.to_str()?, SNAPSHOT_SUFFIX))
        .filter(|&offset| offset <= offset_max)
        .collect();
    offsets.sort_unstable();
    while let Some(offset) = offsets.pop() {
        let path = segment_file(directory, offset, SNAPSHOT_SUFFIX);
        let mut producers = ProducerState::default();
        let now_ms = engine_runtime::wall_clock_ms();
        if let Ok(bytes) = fs::read_file(&path, SNAPSHOT_SIZE_BYTES_MAX).await
            && producer_snapshot::decode_into(&bytes, &mut producers, now_ms, i64::MAX).is_ok()
        {
            return Ok((producers, offset));
        }
    }
    Ok((ProducerState::default(), i64::MIN))
}
