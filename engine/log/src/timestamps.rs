//! Finding records by time (ListOffsets): segment by its largest timestamp, batch by a walk from
//! where the indexes say, record within the batch.

use engine_base::Timestamp;
use engine_record::{BatchView, Decompressor, TimestampType};

use crate::error::{ReadError, StoreError};
use crate::load::load_indexes;
use crate::log::{Log, LogInner};
use crate::reader::{ReadData, ReadRequest};

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// The record's offset.
    pub offset: i64,
    /// The epoch of the leader that appended it.
    pub leader_epoch: i32,
}

/// One read of the walk.
const READ_SIZE_BYTES: usize = 1 << 20;

impl Log {
    /// The first record below `upper_bound_offset` whose timestamp is at least `timestamp`.
    ///
    /// # Errors
    /// The disk refuses, or holds no batches.
    pub async fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        upper_bound_offset: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let Some(from_offset) = self.inner.offset_before(timestamp).await? else {
            return Ok(None);
        };
        let is_wanted = |found: Timestamp| found >= timestamp;
        self.first_record(from_offset, upper_bound_offset, is_wanted)
            .await
    }

    /// The first record below `upper_bound_offset` that carries the log's largest timestamp
    /// (KIP-734).
    ///
    /// # Errors
    /// As [`Log::offset_for_timestamp`].
    pub async fn offset_of_max_timestamp(
        &self,
        upper_bound_offset: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        match self.max_timestamp() {
            Some((timestamp, _)) => {
                self.offset_for_timestamp(timestamp, upper_bound_offset)
                    .await
            }
            None => Ok(None),
        }
    }

    async fn first_record(
        &self,
        from_offset: i64,
        upper_bound_offset: i64,
        is_wanted: impl Fn(Timestamp) -> bool,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let start_offset = self.log_start_offset();
        let mut from_offset = from_offset.max(start_offset);
        loop {
            let request = ReadRequest {
                from_offset,
                size_bytes_max: READ_SIZE_BYTES,
                min_one_batch: true,
                upper_bound_offset,
            };
            let data = self.read(request).await?;
            if data.size_bytes == 0 {
                return Ok(None);
            }
            let next_offset = data.next_offset;
            if let Some(found) = first_in(&data, start_offset, &is_wanted) {
                return Ok(Some(found));
            }
            from_offset = next_offset;
            engine_runtime::yield_now().await;
        }
    }
}

fn first_in(
    data: &ReadData,
    start_offset: i64,
    is_wanted: &impl Fn(Timestamp) -> bool,
) -> Option<TimestampOffset> {
    let bytes: Vec<u8> = data
        .slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .collect();
    let mut decompressor = Decompressor::default();
    for batch in engine_record::Batches::new(&bytes).map_while(Result::ok) {
        if is_wanted(batch.header().max_timestamp)
            && let Some(found) = first_in_batch(&batch, start_offset, is_wanted, &mut decompressor)
        {
            return Some(found);
        }
    }
    None
}

fn first_in_batch(
    batch: &BatchView<'_>,
    start_offset: i64,
    is_wanted: &impl Fn(Timestamp) -> bool,
    decompressor: &mut Decompressor,
) -> Option<TimestampOffset> {
    let header = batch.header();
    let leader_epoch = header.leader_epoch;
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        // One timestamp for the whole batch.
        let offset = header.base_offset.max(start_offset);
        return Some(TimestampOffset {
            timestamp: header.max_timestamp,
            offset,
            leader_epoch,
        });
    }
    let payload = batch.decompressed(decompressor).ok()?;
    let records = batch.records_in(&payload).map_while(Result::ok);
    let mut wanted =
        records.filter(|record| record.offset >= start_offset && is_wanted(record.timestamp));
    let record = wanted.next()?;
    Some(TimestampOffset {
        timestamp: record.timestamp,
        offset: record.offset,
        leader_epoch,
    })
}

impl LogInner {
    /// An offset at or before the first record with at least this timestamp; `None` when no
    /// segment reaches it.
    async fn offset_before(&self, timestamp: Timestamp) -> Result<Option<i64>, StoreError> {
        let (base_offset, end) = {
            let state = self.state.borrow();
            let reaches = |segment: &&crate::segment::Segment| segment.max_timestamp.0 >= timestamp;
            let Some(segment) = state.segments.iter().find(reaches) else {
                return Ok(None);
            };
            if let Some(index) = &segment.index {
                return Ok(Some(index.times.offset_for(timestamp)));
            }
            (segment.base_offset, segment.end_position)
        };
        let index = load_indexes(&self.directory, base_offset, end.max(1)).await;
        Ok(Some(index.times.offset_for(timestamp)))
    }
}
