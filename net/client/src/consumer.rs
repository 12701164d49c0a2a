//! Reads records of assigned partitions, from positions it keeps.
//!
//! Owns the positions. Asks each leader in turn with one Fetch request outside of sessions;
//! decompresses and cuts what came. Never commits: see `group`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use engine_base::{Timestamp, TopicId};
use engine_record::{BatchView, Batches, Decompressor};
use engine_runtime::{now, sleep};
use net_wire::message::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use net_wire::message::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use net_wire::message::{FetchResponse, ListOffsetsRequest};
use net_wire::{ApiKey, ErrorCode};

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::limits::{FETCH_SIZE_BYTES_MAX, PARTITION_FETCH_SIZE_BYTES_MAX, POLL_RECORDS_MAX};
use crate::retry::Retry;

/// Where a partition without a position starts (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// At the oldest record.
    Earliest,
    /// After the newest.
    #[default]
    Latest,
}

/// Where to start a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At this offset.
    Offset(i64),
    /// Where the reset says.
    Reset,
}

/// How a consumer behaves.
#[derive(Clone, Debug, Default)]
pub struct ConsumerOptions {
    /// `auto.offset.reset`.
    pub reset: OffsetReset,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// Its topic.
    pub topic: Rc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers in the order sent.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Topic and partition.
type Place = (Rc<str>, i32);

/// Reads assigned partitions.
pub struct Consumer {
    options: ConsumerOptions,
    decompressor: Decompressor,
    /// The next offset of each assigned partition.
    positions: BTreeMap<Place, i64>,
    /// The topic's id at the place when it was last asked for: a topic that is deleted and made
    /// again keeps its name and gets another.
    ids: BTreeMap<Place, TopicId>,
    /// Those of `positions` whose topic was not there when it was last asked for.
    gone: BTreeSet<Place>,
    /// Records that were fetched and not handed out yet, in order.
    ready: std::collections::VecDeque<ConsumedRecord>,
}

impl Consumer {
    /// A consumer of nothing yet.
    #[must_use]
    pub fn new(options: ConsumerOptions) -> Self {
        Self {
            options,
            decompressor: Decompressor::new(),
            positions: BTreeMap::new(),
            ids: BTreeMap::new(),
            gone: BTreeSet::new(),
            ready: std::collections::VecDeque::new(),
        }
    }

    /// Replaces the assignment.
    ///
    /// # Errors
    /// When a start has to be asked of a broker and cannot.
    pub async fn assign(
        &mut self,
        cluster: &mut Cluster,
        partitions: &[(String, i32, StartAt)],
    ) -> Result<(), ClientError> {
        self.positions.clear();
        self.ids.clear();
        self.gone.clear();
        self.ready.clear();
        for (topic, partition, start) in partitions {
            let offset = match start {
                StartAt::Offset(offset) => *offset,
                StartAt::Reset => self.reset_offset(cluster, topic, *partition).await?,
            };
            self.positions
                .insert((topic.as_str().into(), *partition), offset);
        }
        Ok(())
    }

    /// The offset that is handed out next, by topic and partition.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<(String, i32), i64> {
        let mut positions: BTreeMap<(String, i32), i64> = self
            .positions
            .iter()
            .map(|((topic, partition), offset)| ((topic.to_string(), *partition), *offset))
            .collect();
        // What waits in `ready` has not been handed out: the first of each partition counts.
        for record in self.ready.iter().rev() {
            positions.insert((record.topic.to_string(), record.partition), record.offset);
        }
        positions
    }

    /// Whether it was assigned any partition.
    #[must_use]
    pub fn has_partitions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// The assigned topics that are not there. When they are made again, they are read from their
    /// first record.
    #[must_use]
    pub fn gone_topics(&self) -> BTreeSet<&str> {
        self.gone.iter().map(|(topic, _)| &**topic).collect()
    }

    /// Records, in order for each partition; none when nothing came within `wait`.
    ///
    /// # Errors
    /// When a partition cannot be read and trying again does not help.
    pub async fn poll(
        &mut self,
        cluster: &mut Cluster,
        wait: Duration,
    ) -> Result<Vec<ConsumedRecord>, ClientError> {
        if self.ready.is_empty() {
            self.fetch(cluster, wait).await?;
        }
        let count = self.ready.len().min(POLL_RECORDS_MAX);
        Ok(self.ready.drain(..count).collect())
    }

    async fn fetch(&mut self, cluster: &mut Cluster, wait: Duration) -> Result<(), ClientError> {
        let mut leaders: BTreeMap<i32, Vec<(Place, TopicId)>> = BTreeMap::new();
        let mut leaderless = false;
        for (place, position) in &mut self.positions {
            match cluster.leader(&place.0, place.1).await {
                Ok((leader, id)) => {
                    self.gone.remove(place);
                    let before = self.ids.insert(place.clone(), id);
                    if before.is_some_and(|before| before != id) {
                        // Another topic of this name: nothing of it was read.
                        *position = 0;
                    }
                    leaders.entry(leader).or_default().push((place.clone(), id));
                }
                Err(error) if error.is_retriable() => {
                    leaderless = true;
                    if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
                        self.gone.insert(place.clone());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if leaders.is_empty() || leaderless {
            sleep(wait.min(Duration::from_millis(100))).await;
        }
        // Several leaders are asked in turn: each may wait its share of the time.
        let wait = wait / u32::try_from(leaders.len().max(1)).unwrap_or(u32::MAX);
        for (leader, places) in leaders {
            if let Err(error) = self.fetch_from(cluster, leader, &places, wait).await {
                if !error.is_retriable() {
                    return Err(error);
                }
                places
                    .iter()
                    .for_each(|((topic, _), _)| cluster.forget(topic));
                sleep(wait.min(Duration::from_millis(100))).await;
            }
        }
        Ok(())
    }

    async fn fetch_from(
        &mut self,
        cluster: &mut Cluster,
        leader: i32,
        places: &[(Place, TopicId)],
        wait: Duration,
    ) -> Result<(), ClientError> {
        let request = self.request(places, wait);
        // From version 13 on topics are named by id alone.
        let version_max = if places.iter().any(|(_, id)| id.is_zero()) {
            12
        } else {
            i16::MAX
        };
        let frame = cluster
            .call_broker_below(leader, &request, version_max, wait)
            .await?;
        let response = frame.read()?;
        ClientError::check(response.error_code, || "fetch".to_owned(), None)?;
        for (place, id) in places {
            let Some(data) = data_of(&response, place, *id) else {
                continue;
            };
            match data.error_code {
                ErrorCode::NONE => self.take(place, data)?,
                ErrorCode::OFFSET_OUT_OF_RANGE => {
                    let offset = self.reset_offset(cluster, &place.0, place.1).await?;
                    self.positions.insert(place.clone(), offset);
                }
                code => {
                    cluster.forget(&place.0);
                    let subject = || format!("{}-{}", place.0, place.1);
                    match ClientError::check(code, subject, None) {
                        Err(error) if !error.is_retriable() => return Err(error),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn request<'a>(&self, places: &'a [(Place, TopicId)], wait: Duration) -> FetchRequest<'a> {
        let mut topics: Vec<FetchTopic<'a>> = Vec::new();
        for (place, id) in places {
            let partition = FetchPartition {
                partition: place.1,
                fetch_offset: self.positions[place],
                partition_max_bytes: size_i32(PARTITION_FETCH_SIZE_BYTES_MAX),
                ..Default::default()
            };
            match topics.last_mut().filter(|last| last.topic == *place.0) {
                Some(last) => last.partitions.push(partition),
                None => topics.push(FetchTopic {
                    topic: (*place.0).into(),
                    topic_id: *id,
                    partitions: vec![partition],
                }),
            }
        }
        FetchRequest {
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: 1,
            max_bytes: size_i32(FETCH_SIZE_BYTES_MAX),
            topics,
            ..Default::default()
        }
    }

    /// Cuts the records of one partition and moves its position behind them.
    fn take(&mut self, place: &Place, data: &PartitionData<'_>) -> Result<(), ClientError> {
        let bytes = data.records.as_deref().unwrap_or_default();
        let mut position = self.positions[place];
        for batch in Batches::new(bytes) {
            let batch = match batch {
                Ok(batch) => batch,
                // The broker cuts at its size limit, not at batches.
                Err(engine_record::BatchError::Truncated) => break,
                Err(source) => return Err(bad_batch(place, source)),
            };
            let next = batch.header().next_offset();
            if next > position {
                self.take_batch(place, &batch, position)?;
                position = next;
            }
        }
        self.positions.insert(place.clone(), position);
        Ok(())
    }

    fn take_batch(
        &mut self,
        place: &Place,
        batch: &BatchView<'_>,
        position: i64,
    ) -> Result<(), ClientError> {
        let bad = |source| bad_batch(place, source);
        batch.check_crc().map_err(bad)?;
        if batch.header().attributes.is_control() {
            return Ok(());
        }
        let payload = batch.decompressed(&mut self.decompressor).map_err(bad)?;
        for record in batch.records_in(&payload) {
            let record = record.map_err(|error| bad(error.into()))?;
            if record.offset < position {
                continue;
            }
            let headers = record
                .headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
            self.ready.push_back(ConsumedRecord {
                topic: place.0.clone(),
                partition: place.1,
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: headers.collect(),
            });
        }
        Ok(())
    }

    async fn reset_offset(
        &self,
        cluster: &mut Cluster,
        topic: &str,
        partition: i32,
    ) -> Result<i64, ClientError> {
        let timestamp = match self.options.reset {
            OffsetReset::Earliest => EARLIEST,
            OffsetReset::Latest => LATEST,
        };
        offset_at(cluster, topic, partition, timestamp).await
    }
}

/// The special time of a log's start.
pub(crate) const EARLIEST: Timestamp = -2;

/// The special time of a log's end.
pub(crate) const LATEST: Timestamp = -1;

/// The first offset at or after a time, or of a special time; -1 where there is none.
pub(crate) async fn offset_at(
    cluster: &mut Cluster,
    topic: &str,
    partition: i32,
    timestamp: Timestamp,
) -> Result<i64, ClientError> {
    let mut retry = Retry::new(now());
    loop {
        let error = match offset_at_once(cluster, topic, partition, timestamp).await {
            Ok(offset) => return Ok(offset),
            Err(error) if error.is_retriable() => error,
            Err(error) => return Err(error),
        };
        cluster.forget(topic);
        match retry.next_wait(now()) {
            Some(wait) => sleep(wait).await,
            None => return Err(error),
        }
    }
}

async fn offset_at_once(
    cluster: &mut Cluster,
    topic: &str,
    partition: i32,
    timestamp: Timestamp,
) -> Result<i64, ClientError> {
    let (leader, _) = cluster.leader(topic, partition).await?;
    let wanted = ListOffsetsPartition {
        partition_index: partition,
        timestamp,
        ..Default::default()
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.to_owned().into(),
            partitions: vec![wanted],
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let frame = cluster.call_broker(leader, &request).await?;
    let response = frame.read()?;
    let found = response
        .topics
        .first()
        .and_then(|topic| topic.partitions.first());
    let found = found.ok_or(ClientError::Incomplete(ApiKey::ListOffsets))?;
    ClientError::check(found.error_code, || format!("{topic}-{partition}"), None)?;
    Ok(found.offset)
}

fn data_of<'a>(
    response: &'a FetchResponse<'a>,
    place: &Place,
    id: TopicId,
) -> Option<&'a PartitionData<'a>> {
    let topic = response.responses.iter().find(|candidate| {
        candidate.topic == *place.0 || (!id.is_zero() && candidate.topic_id == id)
    })?;
    topic
        .partitions
        .iter()
        .find(|data| data.partition_index == place.1)
}

fn bad_batch(place: &Place, source: engine_record::BatchError) -> ClientError {
    ClientError::BadBatch {
        topic: place.0.to_string(),
        partition: place.1,
        source,
    }
}

fn size_i32(size_bytes: usize) -> i32 {
    i32::try_from(size_bytes).unwrap_or(i32::MAX)
}
