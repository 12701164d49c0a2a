//! Sends records: collects them into a batch for each partition, sends what is collected in one
//! request for each leader, and repeats what failed in a way that can pass.
//!
//! With acks=all the producer is idempotent (KIP-98): the broker recognises a repeated batch, so
//! that a broken connection neither loses nor doubles a record. One batch of a partition is under
//! way at a time, so order is kept.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use engine_base::{Timestamp, TopicId};
use engine_record::{BatchBuilder, BatchOptions, Compression, Compressor, Header};
use engine_runtime::{now, random_u64, sleep, wall_clock_ms};
use net_wire::message::InitProducerIdRequest;
use net_wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use net_wire::{ApiKey, ErrorCode};

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::limits::{BATCH_SIZE_BYTES, PRODUCER_BUFFER_BYTES, REQUEST_TIMEOUT, RETRY_TIMEOUT};
use crate::outcome::{
    Batch, Delivery, Outcome, Place, Refusal, Undelivered, Waiting, add, outcome, record_count,
    result_of,
};
use crate::partitioner::partition_for_key;
use crate::progress::Progress;
use crate::retry::Retry;
use crate::split;

/// Whose word counts before a record is delivered (`acks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody's.
    None,
    /// The leader's.
    Leader,
    /// Every in-sync replica's.
    #[default]
    All,
}

/// How a producer behaves.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// `acks`.
    pub acks: Acks,
    /// `compression.type`.
    pub compression: Compression,
    /// `batch.size`.
    pub batch_size_bytes: usize,
    /// `delivery.timeout.ms`.
    pub delivery_timeout: Duration,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            compression: Compression::None,
            batch_size_bytes: BATCH_SIZE_BYTES,
            delivery_timeout: RETRY_TIMEOUT,
        }
    }
}

/// A record to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProducerRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition; `None` lets the key decide, or chance.
    pub partition: Option<i32>,
    /// Its time; `None` for now.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [Header<'a>],
}

/// A batch while records are added.
struct Filling {
    builder: BatchBuilder,
    /// The numbers of its records, as in [`UndeliveredBatch`].
    records: Vec<Range<u64>>,
}

/// Sends records to a cluster.
pub struct Producer {
    cluster: Cluster,
    options: ProducerOptions,
    compressor: Compressor,
    filling: BTreeMap<Place, Filling>,
    /// Bytes in `filling`; never above `PRODUCER_BUFFER_BYTES` and one record.
    buffered_bytes: usize,
    /// Where records without a key go until the batch there is sent.
    sticky: BTreeMap<String, i32>,
    /// Id and epoch from the broker, with acks=all.
    identity: Option<(i64, i16)>,
    sequences: BTreeMap<Place, i32>,
    /// How many records were taken.
    taken_count: u64,
    undelivered: Option<Undelivered>,
}

impl Producer {
    /// A producer over its own connections.
    ///
    /// # Errors
    /// When the broker gives no producer id.
    pub async fn new(cluster: Cluster, options: ProducerOptions) -> Result<Self, ClientError> {
        let mut producer = Self {
            cluster,
            options,
            compressor: Compressor::new(),
            filling: BTreeMap::new(),
            buffered_bytes: 0,
            sticky: BTreeMap::new(),
            identity: None,
            sequences: BTreeMap::new(),
            taken_count: 0,
            undelivered: None,
        };
        if producer.options.acks == Acks::All {
            producer.identity = Some(producer.init_producer_id().await?);
        }
        Ok(producer)
    }

    /// Adds a record. When its partition's batch or the buffer is full, what was collected is
    /// sent first, and the deliveries are returned.
    ///
    /// # Errors
    /// When the topic or partition does not exist, or a batch cannot be delivered; this record was
    /// then not taken, and the producer is of no more use: see [`Self::take_undelivered`].
    pub async fn send(&mut self, record: ProducerRecord<'_>) -> Result<Vec<Delivery>, ClientError> {
        let place = (record.topic.to_owned(), self.partition_of(&record).await?);
        let size = record.key.map_or(0, <[u8]>::len)
            + record.value.map_or(0, <[u8]>::len)
            + record.headers.iter().map(header_size).sum::<usize>();
        let batch_size = self
            .filling
            .get(&place)
            .map_or(0, |filling| filling.builder.size_bytes());
        let full = batch_size > 0 && batch_size + size > self.options.batch_size_bytes;
        let deliveries = if full || self.buffered_bytes + size > PRODUCER_BUFFER_BYTES {
            self.flush().await?
        } else {
            Vec::new()
        };
        let timestamp = record.timestamp.unwrap_or_else(wall_clock_ms);
        let options = self.batch_options(&place);
        let Filling { builder, records } = self.filling.entry(place).or_insert_with(|| Filling {
            builder: BatchBuilder::new(options),
            records: Vec::new(),
        });
        self.taken_count += 1;
        add(records, self.taken_count);
        let before = builder.size_bytes();
        builder.append(timestamp, record.key, record.value, record.headers);
        self.buffered_bytes += builder.size_bytes() - before;
        Ok(deliveries)
    }

    /// How sending gets on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.cluster.progress()
    }

    /// Bytes collected and not yet sent.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Sends what was collected and waits until it has arrived. A batch that is refused does not
    /// keep those of other partitions from being sent.
    ///
    /// # Errors
    /// When a batch is refused, or cannot be delivered within the delivery timeout: see
    /// [`Self::take_undelivered`].
    pub async fn flush(&mut self) -> Result<Vec<Delivery>, ClientError> {
        let mut waiting = self.finish_batches();
        let mut outcome = Outcome::default();
        let ended = self.deliver(&mut waiting, &mut outcome).await;
        let Some(error) = outcome.error.or_else(|| ended.err()) else {
            assert!(waiting.is_empty());
            return Ok(outcome.deliveries);
        };
        let unknown = waiting.into_values().flatten();
        let unknown = unknown.map(|batch| batch.undelivered(None));
        self.undelivered = Some(Undelivered {
            deliveries: outcome.deliveries,
            batches: outcome.refused.into_iter().chain(unknown).collect(),
            next: self.taken_count + 1,
        });
        Err(error)
    }

    /// What became of the batches under way when the producer failed; nothing when no batch was.
    pub fn take_undelivered(&mut self) -> Option<Undelivered> {
        self.undelivered.take()
    }

    /// Everything collected, ready to be sent.
    fn finish_batches(&mut self) -> Waiting {
        let mut waiting = Waiting::new();
        for (place, Filling { builder, records }) in std::mem::take(&mut self.filling) {
            let record_count = builder.record_count();
            let count = i32::try_from(record_count).expect("a batch is smaller than 2 GiB");
            let sequence = self.sequences.entry(place.clone()).or_insert(0);
            *sequence = engine_record::header::increment_sequence(*sequence, count);
            let bytes = builder.finish_with(&mut self.compressor);
            let batch = Batch {
                bytes,
                record_count,
                records,
            };
            waiting.insert(place, VecDeque::from([batch]));
        }
        self.buffered_bytes = 0;
        self.sticky.clear();
        waiting
    }

    /// Sends until each batch has arrived or was refused; those left in `waiting` are unknown.
    async fn deliver(
        &mut self,
        waiting: &mut Waiting,
        outcome: &mut Outcome,
    ) -> Result<(), ClientError> {
        let mut retry = Retry::within(now(), self.options.delivery_timeout);
        let progress = self.cluster.progress();
        let _begun = progress.begin(now(), retry.deadline());
        while !waiting.is_empty() {
            progress.count(now(), record_count(waiting), outcome.arrived());
            let Some(error) = self.send_round(waiting, outcome).await? else {
                continue;
            };
            progress.note(&error);
            match retry.next_wait(now()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
        Ok(())
    }

    /// One request to each leader. What arrived or was refused leaves `waiting`; the last error
    /// that can pass is returned.
    async fn send_round(
        &mut self,
        waiting: &mut Waiting,
        outcome: &mut Outcome,
    ) -> Result<Option<ClientError>, ClientError> {
        let mut passing = None;
        let mut leaders: BTreeMap<i32, Vec<(Place, TopicId)>> = BTreeMap::new();
        for place in waiting.keys() {
            match self.cluster.leader(&place.0, place.1).await {
                Ok((leader, id)) => leaders.entry(leader).or_default().push((place.clone(), id)),
                Err(error) if error.is_retriable() => passing = Some(error),
                Err(error) => return Err(error),
            }
        }
        for (leader, places) in leaders {
            let results = self.send_to(leader, &places, waiting).await;
            let results = match results {
                Ok(results) => results,
                Err(error) if error.is_retriable() => {
                    places
                        .iter()
                        .for_each(|((topic, _), _)| self.cluster.forget(topic));
                    passing = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (place, result) in results {
                if let Err(Refusal { error, .. }) = &result
                    && error.is_retriable()
                {
                    self.cluster.forget(&place.0);
                    passing = result.err().map(|refusal| refusal.error);
                    continue;
                }
                self.settle(place, result, waiting, outcome);
            }
        }
        Ok(passing)
    }

    /// The batch under way at `place` arrived, or was refused: then what waits behind it is of no use
    /// either, as its sequences are not the next ones. One that is too large and can be cut is tried
    /// again as two, as Kafka's producer does.
    fn settle(
        &mut self,
        place: Place,
        result: Result<i64, Refusal>,
        waiting: &mut Waiting,
        outcome: &mut Outcome,
    ) {
        let mut batches = waiting.remove(&place).expect("it was sent");
        let batch = batches.pop_front().expect("never empty");
        let refusal = match result {
            Ok(base_offset) => {
                if !batches.is_empty() {
                    waiting.insert(place.clone(), batches);
                }
                return outcome.add(place, batch, Ok(base_offset));
            }
            Err(refusal) => refusal,
        };
        let is_too_large = refusal.error.code() == Some(ErrorCode::MESSAGE_TOO_LARGE);
        if is_too_large && batch.record_count > 1 {
            let halves = split::halves(&batch, &mut self.compressor)
                .expect("the producer wrote the batch itself");
            halves
                .into_iter()
                .rev()
                .for_each(|half| batches.push_front(half));
            waiting.insert(place, batches);
            return;
        }
        let is_alone = batch.record_count == 1;
        let at_fault = refusal.at_fault.or_else(|| is_alone.then_some(0));
        let refusal = Refusal {
            at_fault,
            ..refusal
        };
        outcome.add(place, batch, Err(refusal));
        let behind = batches.into_iter().map(|batch| batch.undelivered(None));
        outcome.refused.extend(behind);
    }

    /// The outcome for each place: the offset, or the broker's error.
    async fn send_to(
        &mut self,
        leader: i32,
        places: &[(Place, TopicId)],
        waiting: &Waiting,
    ) -> Result<Vec<(Place, Result<i64, Refusal>)>, ClientError> {
        let request = self.request(places, waiting);
        // Version 13 names topics by id alone.
        let version_max = if places.iter().any(|(_, id)| id.is_zero()) {
            12
        } else {
            i16::MAX
        };
        if self.options.acks == Acks::None {
            let connection = self.cluster.broker(leader).await?;
            connection.produce_unanswered(&request, version_max).await?;
            return Ok(places
                .iter()
                .map(|(place, _)| (place.clone(), Ok(-1)))
                .collect());
        }
        let held = Duration::ZERO;
        let frame = self
            .cluster
            .call_broker_below(leader, &request, version_max, held)
            .await?;
        let response = frame.read()?;
        let results = places.iter().map(|(place, id)| {
            let found = result_of(&response, place, *id);
            let result = match found {
                Some(found) => outcome(place, found),
                None => Err(ClientError::Incomplete(ApiKey::Produce).into()),
            };
            (place.clone(), result)
        });
        Ok(results.collect())
    }

    fn request<'a>(
        &self,
        places: &'a [(Place, TopicId)],
        waiting: &'a Waiting,
    ) -> ProduceRequest<'a> {
        let mut topic_data: Vec<TopicProduceData<'a>> = Vec::new();
        for ((topic, partition), id) in places {
            let batch = &waiting[&(topic.clone(), *partition)][0];
            let data = PartitionProduceData {
                index: *partition,
                records: Some(batch.bytes.as_slice().into()),
            };
            // Places are in order of topic.
            match topic_data
                .last_mut()
                .filter(|last| last.name == topic.as_str())
            {
                Some(last) => last.partition_data.push(data),
                None => topic_data.push(TopicProduceData {
                    name: topic.as_str().into(),
                    topic_id: *id,
                    partition_data: vec![data],
                }),
            }
        }
        let acks = match self.options.acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        };
        let timeout_ms = i32::try_from(REQUEST_TIMEOUT.as_millis()).unwrap_or(i32::MAX);
        ProduceRequest {
            transactional_id: None,
            acks,
            timeout_ms,
            topic_data,
        }
    }

    async fn partition_of(&mut self, record: &ProducerRecord<'_>) -> Result<i32, ClientError> {
        let topic = self.cluster.topic(record.topic).await?;
        let count = topic.partitions.len();
        let count_i32 = i32::try_from(count).unwrap_or(i32::MAX);
        if let Some(partition) = record.partition {
            if (0..count_i32).contains(&partition) {
                return Ok(partition);
            }
            let topic = record.topic.to_owned();
            return Err(ClientError::NoPartition {
                topic,
                partition,
                count,
            });
        }
        assert!(count > 0, "the broker told a topic without partitions");
        if let Some(key) = record.key {
            return Ok(partition_for_key(key, count_i32));
        }
        let drawn = || i32::try_from(random_u64() % count as u64).unwrap_or(0);
        Ok(*self
            .sticky
            .entry(record.topic.to_owned())
            .or_insert_with(drawn))
    }

    fn batch_options(&self, place: &Place) -> BatchOptions {
        let options = BatchOptions {
            compression: self.options.compression,
            ..BatchOptions::default()
        };
        let Some((producer_id, producer_epoch)) = self.identity else {
            return options;
        };
        let base_sequence = self.sequences.get(place).copied().unwrap_or(0);
        BatchOptions {
            producer_id,
            producer_epoch,
            base_sequence,
            ..options
        }
    }

    async fn init_producer_id(&mut self) -> Result<(i64, i16), ClientError> {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        let mut retry = Retry::new(now());
        let progress = self.cluster.progress();
        let _begun = progress.begin(now(), retry.deadline());
        loop {
            let frame = self.cluster.call_any(&request).await?;
            let response = frame.read()?;
            let code = response.error_code;
            let checked = ClientError::check(code, || "producer id".to_owned(), None);
            let Err(error) = checked else {
                return Ok((response.producer_id, response.producer_epoch));
            };
            progress.note(&error);
            match retry.next_wait(now()).filter(|_| error.is_retriable()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }
}

fn header_size(header: &Header<'_>) -> usize {
    header.key.len() + header.value.map_or(0, <[u8]>::len)
}
