//! Reading on the owner's core: what Fetch sees of a partition, and waiting for more.

use std::rc::Rc;

use engine_base::Instant;
use engine_log::txn_index::AbortedTxn;
use engine_log::{ReadData, ReadError};
use engine_runtime::{Slice, now, timeout};
use net_wire::ErrorCode;
use net_wire::message::fetch::EpochEndOffset;
use replication_partition::{EpochError, Isolation, Partition};

use crate::core::Core;
use crate::fetch_session::Wanted;
use crate::metrics;
use crate::parking::Waiter;
use crate::scatter::Item;

/// What one partition gives to a fetch.
#[derive(Clone, Debug)]
pub(crate) struct PartitionRead {
    pub(crate) error_code: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) diverging: Option<EpochEndOffset>,
    /// The transactions that a `read_committed` reader skips among the records; `None` is null.
    pub(crate) aborted: Option<Vec<AbortedTxn>>,
    /// Whole batches, back to back.
    pub(crate) records: Vec<Slice>,
    pub(crate) size_bytes: usize,
    /// The end that the reader may see: who waits, waits for it to move.
    pub(crate) end_offset: i64,
}

impl PartitionRead {
    /// An answer that is an error.
    pub(crate) fn error(error_code: ErrorCode) -> Self {
        Self {
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging: None,
            aborted: None,
            records: Vec::new(),
            size_bytes: 0,
            end_offset: -1,
        }
    }

    /// An error that is known before a partition was asked. Kafka's answer then lists no aborted
    /// transactions, where a partition's own error has null.
    pub(crate) fn refusal(error_code: ErrorCode) -> Self {
        Self {
            aborted: Some(Vec::new()),
            ..Self::error(error_code)
        }
    }

    /// What was read does not fit the answer after all, and waits for the next fetch.
    pub(crate) fn drop_records(&mut self) {
        self.records.clear();
        self.size_bytes = 0;
        self.aborted = None;
    }

    /// Whether the client should hear of it at once.
    pub(crate) fn is_urgent(&self) -> bool {
        !self.error_code.is_none() || self.diverging.is_some()
    }
}

/// Reads the owner's part of a fetch. The first partition with data gives at least one batch,
/// whatever its size, so that a reader never gets stuck before a large one.
pub(crate) async fn read_on_owner(
    core: Rc<Core>,
    items: Vec<Item<Wanted>>,
    isolation: Isolation,
    size_bytes_max: i32,
) -> Vec<PartitionRead> {
    let is_negative = size_bytes_max < 0;
    let mut room = usize::try_from(size_bytes_max).unwrap_or(0);
    let mut wants_one = true;
    let mut reads = Vec::with_capacity(items.len());
    for (id, wanted) in items {
        let read = match core.partition(id) {
            None => PartitionRead::error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            // Kafka's own answer to a size that cannot be.
            Some(_) if is_negative || wanted.size_bytes_max < 0 => {
                PartitionRead::error(ErrorCode::UNKNOWN_SERVER_ERROR)
            }
            Some(partition) => read_one(&partition, &wanted, isolation, room, wants_one).await,
        };
        room = room.saturating_sub(read.size_bytes);
        wants_one &= read.size_bytes == 0;
        metrics::add(&core.metrics.fetched_bytes, read.size_bytes as u64);
        reads.push(read);
    }
    reads
}

async fn read_one(
    partition: &Rc<Partition>,
    wanted: &Wanted,
    isolation: Isolation,
    room: usize,
    wants_one: bool,
) -> PartitionRead {
    if let Err(error) = partition.check_leader_epoch(wanted.current_leader_epoch) {
        return PartitionRead::error(epoch_error(error));
    }
    // Taken before the read: what is appended meanwhile must not be missed by who then waits.
    let mut read = PartitionRead {
        error_code: ErrorCode::NONE,
        high_watermark: partition.high_watermark(),
        last_stable_offset: partition.last_stable_offset(),
        log_start_offset: partition.log_start_offset(),
        diverging: None,
        aborted: None,
        records: Vec::new(),
        size_bytes: 0,
        end_offset: partition.end_offset(isolation),
    };
    if wanted.last_fetched_epoch >= 0 && wanted.fetch_offset >= read.log_start_offset {
        match partition
            .log()
            .end_offset_for_epoch(wanted.last_fetched_epoch)
        {
            None => return PartitionRead::error(ErrorCode::OFFSET_OUT_OF_RANGE),
            Some(end) => {
                let is_behind = end.leader_epoch < wanted.last_fetched_epoch;
                if is_behind || end.end_offset < wanted.fetch_offset {
                    let (epoch, end_offset) = (end.leader_epoch, end.end_offset);
                    read.diverging = Some(EpochEndOffset { epoch, end_offset });
                    return read;
                }
            }
        }
    }
    let size_bytes_max = usize::try_from(wanted.size_bytes_max)
        .unwrap_or(0)
        .min(room);
    let data = partition.read(wanted.fetch_offset, size_bytes_max, isolation, wants_one);
    let done = match data.await {
        Ok(data) if isolation == Isolation::LastStable => {
            let aborted = aborted_in(partition, wanted.fetch_offset, size_bytes_max, &data).await;
            aborted.map(|aborted| (data, aborted))
        }
        other => other.map(|data| (data, None)),
    };
    match done {
        Ok((data, aborted)) => {
            read.size_bytes = data.size_bytes;
            read.records = data.slices;
            read.aborted = aborted;
            read
        }
        Err(error) => PartitionRead::error(read_error(partition, &error)),
    }
}

/// The aborted transactions among what was read. Null, as in Kafka, when there is a batch and it
/// does not fit.
async fn aborted_in(
    partition: &Partition,
    fetch_offset: i64,
    size_bytes_max: usize,
    data: &ReadData,
) -> Result<Option<Vec<AbortedTxn>>, ReadError> {
    let Some(bound) = data.index_bound_offset else {
        return Ok(Some(Vec::new()));
    };
    if data.size_bytes == 0 && size_bytes_max > 0 {
        return Ok(None);
    }
    let aborted = partition.log().aborted_txns(fetch_offset, bound).await?;
    Ok(Some(aborted))
}

/// The code of an epoch that is not the partition's.
pub(crate) fn epoch_error(error: EpochError) -> ErrorCode {
    match error {
        EpochError::Fenced => ErrorCode::FENCED_LEADER_EPOCH,
        EpochError::Unknown => ErrorCode::UNKNOWN_LEADER_EPOCH,
    }
}

/// The code of a read that failed; damage is said loudly, for the operator.
pub(crate) fn read_error(partition: &Partition, error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Deleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ReadError::Corrupt { .. } | ReadError::Store(_) => {
            tracing::error!(%partition, "records cannot be read: {error}");
            ErrorCode::KAFKA_STORAGE_ERROR
        }
    }
}

/// Waits until one of the partitions shows more than was seen of it, or the deadline passes, or
/// the same connection waits anew.
pub(crate) async fn wait_on_owner(
    core: Rc<Core>,
    waiter: Waiter,
    seen: Vec<Item<i64>>,
    isolation: Isolation,
    deadline: Instant,
) {
    if core.is_stopping.get() {
        return;
    }
    let watcher = core.parking.park(waiter);
    let mut has_moved = false;
    for (id, end_offset) in seen {
        match core.partition(id) {
            Some(partition) => {
                partition.watch(&watcher);
                has_moved |= partition.end_offset(isolation) != end_offset;
            }
            // Deleted or moved away: the reader must hear of it.
            None => has_moved = true,
        }
    }
    if !has_moved {
        // Whoever wakes it or not, the fetch reads again.
        let _ = timeout(deadline.since(now()), watcher.woken()).await;
    }
    core.parking.leave(waiter, &watcher);
}
