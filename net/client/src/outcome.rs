//! What became of the batches that a producer sent.
//!
//! Owned by the producer, on its core. Numbers of records are for whoever sends the lines of a
//! file and has to say where to go on: they count from 1 in the order in which records were sent.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use engine_base::TopicId;
use net_wire::ErrorCode;
use net_wire::message::ProduceResponse;
use net_wire::message::produce::{PartitionProduceResponse, TopicProduceResponse};

use crate::error::ClientError;

/// A batch that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the batch's first record; -1 with acks=0.
    pub base_offset: i64,
    /// How many records it holds.
    pub record_count: usize,
}

/// The outcome of a producer's last flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// The batches that arrived all the same.
    pub deliveries: Vec<Delivery>,
    /// The others.
    pub batches: Vec<UndeliveredBatch>,
    /// The number of the first record that the producer did not take any more.
    pub next: u64,
}

/// A batch that did not arrive, or of which nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeliveredBatch {
    /// Its records' numbers, ascending, in runs that are as long as possible.
    pub records: Vec<Range<u64>>,
    /// The number of the first record at fault, where the broker told.
    pub at_fault: Option<u64>,
}

/// Topic and partition.
pub(crate) type Place = (String, i32);

/// What each partition shall get, in order. The first is under way; there are others only where
/// one was cut into smaller ones. Never empty.
pub(crate) type Waiting = BTreeMap<Place, VecDeque<Batch>>;

/// How many records they hold.
pub(crate) fn record_count(waiting: &Waiting) -> usize {
    let batches = waiting.values().flatten();
    batches.map(|batch| batch.record_count).sum()
}

/// A batch to be sent.
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) record_count: usize,
    pub(crate) records: Vec<Range<u64>>,
}

impl Batch {
    /// This batch as one that did not arrive, and the index of the record that is why.
    pub(crate) fn undelivered(self, at_fault: Option<u64>) -> UndeliveredBatch {
        let at_fault = at_fault.and_then(|index| number_at(&self.records, index));
        UndeliveredBatch {
            records: self.records,
            at_fault,
        }
    }
}

/// What became of batches so far.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) refused: Vec<UndeliveredBatch>,
    /// The first refusal.
    pub(crate) error: Option<ClientError>,
}

impl Outcome {
    /// Records that arrived.
    pub(crate) fn arrived(&self) -> usize {
        let deliveries = self.deliveries.iter();
        deliveries.map(|delivery| delivery.record_count).sum()
    }
}

/// A broker's refusal of one batch.
pub(crate) struct Refusal {
    pub(crate) error: ClientError,
    /// The index of the first record at fault, where it told.
    pub(crate) at_fault: Option<u64>,
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self {
            error,
            at_fault: None,
        }
    }
}

impl Outcome {
    /// What is final of a batch.
    pub(crate) fn add(&mut self, place: (String, i32), batch: Batch, result: Result<i64, Refusal>) {
        match result {
            Ok(base_offset) => self.deliveries.push(Delivery {
                topic: place.0,
                partition: place.1,
                base_offset,
                record_count: batch.record_count,
            }),
            Err(Refusal { error, at_fault }) => {
                self.refused.push(batch.undelivered(at_fault));
                self.error.get_or_insert(error);
            }
        }
    }
}

/// What the broker says of a batch.
pub(crate) fn outcome(
    place: &(String, i32),
    result: &PartitionProduceResponse<'_>,
) -> Result<i64, Refusal> {
    let at_fault = result.record_errors.first();
    let of_record = at_fault.and_then(|record| record.batch_index_error_message.as_deref());
    let message = result.error_message.as_deref().or(of_record);
    let subject = || format!("{}-{}", place.0, place.1);
    // A batch that had arrived before its answer was lost: it is there, once.
    if result.error_code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER {
        return Ok(result.base_offset);
    }
    let checked = ClientError::check(result.error_code, subject, message);
    checked.map_err(|error| Refusal {
        error,
        at_fault: at_fault.and_then(|record| u64::try_from(record.batch_index).ok()),
    })?;
    Ok(result.base_offset)
}

/// Adds a record that is numbered higher than all before it.
pub(crate) fn add(records: &mut Vec<Range<u64>>, number: u64) {
    match records.last_mut() {
        Some(run) if run.end == number => run.end += 1,
        last => {
            assert!(last.is_none_or(|run| run.end < number));
            records.push(number..number + 1);
        }
    }
}

/// The number of the record at `index` of a batch; none if the batch is shorter.
pub(crate) fn number_at(records: &[Range<u64>], index: u64) -> Option<u64> {
    let mut numbers = records.iter().cloned().flatten();
    numbers.nth(usize::try_from(index).ok()?)
}

/// What the answer says of one place.
pub(crate) fn result_of<'a>(
    response: &'a ProduceResponse<'a>,
    place: &Place,
    id: TopicId,
) -> Option<&'a PartitionProduceResponse<'a>> {
    let (topic, partition) = place;
    let named = |candidate: &&TopicProduceResponse<'_>| {
        candidate.name == topic.as_str() || (!id.is_zero() && candidate.topic_id == id)
    };
    let topic = response.responses.iter().find(named)?;
    topic
        .partition_responses
        .iter()
        .find(|result| result.index == *partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_as_runs_and_found_by_index() {
        let mut records = Vec::new();
        for number in [1, 2, 3, 7, 9, 10] {
            add(&mut records, number);
        }
        assert_eq!(records, [1..4, 7..8, 9..11]);
        let found: Vec<_> = (0..7).map(|index| number_at(&records, index)).collect();
        let expected = [1, 2, 3, 7, 9, 10].map(Some);
        assert_eq!(found, [&expected[..], &[None]].concat());
    }
}
