//! Fetch (key 1): batches from many partitions, at once or when there are enough. KIP-74, 98,
//! 227, 320, 516, 903.
//!
//! Records leave as slices of the owners' caches; nothing is copied or re-encoded here.

use std::time::Duration;

use engine_base::{HashSet, Instant, TopicPartition, Uuid};
use engine_codec::{Message, Reader};
use engine_log::txn_index::AbortedTxn;
use engine_runtime::{Slice, now};
use net_conn::{Answer, Close};
use net_wire::ErrorCode;
use net_wire::message::fetch::{AbortedTransaction, FetchRequest, PartitionData};
use net_wire::view::fetch::{FetchResponseBuilder, FetchResponseStart, Part};
use replication_partition::Isolation;

use crate::context::Context;
use crate::fetch_session::{Fetch, PartitionRef, SessionRequest, TopicRef, Wanted};
use crate::parking::Waiter;
use crate::read::{PartitionRead, read_on_owner, wait_on_owner};
use crate::scatter::{Item, scatter};

/// Topics are named by id from this version on.
const IDS_FROM: i16 = 13;
/// Followers name themselves in a tagged field from this version on.
const REPLICA_STATE_FROM: i16 = 15;

pub(crate) async fn handle(context: &Context<'_>, body: &[u8]) -> Result<Answer, Close> {
    let request = FetchRequest::read_from(&mut Reader::new(body), context.version())
        .map_err(|error| Close(format!("Fetch v{}: {error}", context.version())))?;
    let wanted = wanted(&request, context.version());
    let forgotten = forgotten(&request, context.version());
    let session = SessionRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        uses_topic_ids: context.version() >= IDS_FROM,
        wanted: &wanted,
        forgotten: &forgotten,
    };
    if !matches!(request.isolation_level, 0 | 1) {
        return refuse(context, &wanted, ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    let sessions = &context.core.sessions;
    let fetch = match sessions.start(now(), &session, engine_runtime::random_u64) {
        Ok(fetch) => fetch,
        Err(error_code) => {
            let start = FetchResponseStart {
                error_code,
                ..FetchResponseStart::default()
            };
            return encode(context, start, &[]);
        }
    };
    match fetch {
        Fetch::Full { session_id } => {
            let reads = read_enough(context, &request, &wanted).await;
            let told = wanted.iter().zip(&reads);
            let told =
                told.filter(|(_, read)| read.error_code.is_none())
                    .map(|((partition, _), read)| {
                        (
                            partition.clone(),
                            read.high_watermark,
                            read.log_start_offset,
                        )
                    });
            sessions.note_full_answer(session_id, told);
            let answers: Vec<_> = wanted.into_iter().map(|(p, _)| p).zip(reads).collect();
            encode(
                context,
                FetchResponseStart {
                    session_id,
                    ..Default::default()
                },
                &answers,
            )
        }
        Fetch::Incremental(session) => {
            let wanted = session.borrow().wanted();
            let reads = read_enough(context, &request, &wanted).await;
            let mut session = session.borrow_mut();
            let mut answers: Vec<_> = wanted.into_iter().map(|(p, _)| p).zip(reads).collect();
            answers.retain(|(partition, read)| {
                session.note_answer(
                    partition,
                    read.high_watermark,
                    read.log_start_offset,
                    read.size_bytes > 0 || read.diverging.is_some(),
                    !read.error_code.is_none(),
                )
            });
            let session_id = session.id;
            encode(
                context,
                FetchResponseStart {
                    session_id,
                    ..Default::default()
                },
                &answers,
            )
        }
    }
}

/// One error for the request and each of its partitions.
fn refuse(
    context: &Context<'_>,
    wanted: &[(PartitionRef, Wanted)],
    error_code: ErrorCode,
) -> Result<Answer, Close> {
    let start = FetchResponseStart {
        error_code,
        ..FetchResponseStart::default()
    };
    let read = |(partition, _): &(PartitionRef, Wanted)| {
        (partition.clone(), PartitionRead::refusal(error_code))
    };
    let answers: Vec<_> = wanted.iter().map(read).collect();
    encode(context, start, &answers)
}

fn topic_ref(name: &str, id: Uuid, version: i16) -> TopicRef {
    if version >= IDS_FROM {
        TopicRef::Id(id)
    } else {
        TopicRef::Name(name.into())
    }
}

fn wanted(request: &FetchRequest<'_>, version: i16) -> Vec<(PartitionRef, Wanted)> {
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let topic_ref = topic_ref(&topic.topic, topic.topic_id, version);
        wanted.extend(topic.partitions.iter().map(|partition| {
            let reference = PartitionRef {
                topic: topic_ref.clone(),
                partition: partition.partition,
            };
            let wanted = Wanted {
                fetch_offset: partition.fetch_offset,
                size_bytes_max: partition.partition_max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
                log_start_offset: partition.log_start_offset,
            };
            (reference, wanted)
        }));
    }
    if wanted.len() > 1 {
        // A partition named twice is wanted once.
        let mut seen = HashSet::default();
        wanted.retain(|(reference, _)| seen.insert(reference.clone()));
    }
    wanted
}

fn forgotten(request: &FetchRequest<'_>, version: i16) -> Vec<PartitionRef> {
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let topic_ref = topic_ref(&topic.topic, topic.topic_id, version);
        forgotten.extend(topic.partitions.iter().map(|&partition| PartitionRef {
            topic: topic_ref.clone(),
            partition,
        }));
    }
    forgotten
}

/// Reads until there is enough, an error to tell, or no time left.
async fn read_enough(
    context: &Context<'_>,
    request: &FetchRequest<'_>,
    wanted: &[(PartitionRef, Wanted)],
) -> Vec<PartitionRead> {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = now() + wait;
    let size_bytes_min = usize::try_from(request.min_bytes).unwrap_or(0);
    let plan = Plan {
        places: wanted
            .iter()
            .map(|(reference, _)| locate(context, request, reference))
            .collect(),
        isolation: match request.isolation_level {
            0 => Isolation::HighWatermark,
            _ => Isolation::LastStable,
        },
        size_bytes_max: request
            .max_bytes
            .min(i32::try_from(context.core.config.fetch_size_bytes_max).unwrap_or(i32::MAX)),
    };
    loop {
        let reads = plan.read(context, wanted).await;
        let size_bytes: usize = reads.iter().map(|read| read.size_bytes).sum();
        let is_enough = size_bytes >= size_bytes_min || reads.iter().any(PartitionRead::is_urgent);
        let is_over = now() >= deadline || wanted.is_empty() || context.core.is_stopping.get();
        if is_enough || is_over {
            return reads;
        }
        plan.wait(context, &reads, deadline).await;
    }
}

/// Where each wanted partition is, or why it is nowhere.
fn locate(
    context: &Context<'_>,
    request: &FetchRequest<'_>,
    reference: &PartitionRef,
) -> Result<TopicPartition, ErrorCode> {
    let follower = if context.version() >= REPLICA_STATE_FROM {
        request.replica_state.replica_id
    } else {
        request.replica_id
    };
    if follower >= 0 {
        // No other broker replicates from this one: whoever claims to is not in the assignment.
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    let topic = match &reference.topic {
        TopicRef::Id(id) => context
            .catalog
            .topic_by_id(*id)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?,
        TopicRef::Name(name) => context
            .catalog
            .topic(name)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
    };
    match topic.partition_image(reference.partition) {
        Some(_) => Ok(topic.partition(reference.partition)),
        None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

struct Plan {
    places: Vec<Result<TopicPartition, ErrorCode>>,
    isolation: Isolation,
    /// Negative where the client says so, which is an error of every partition.
    size_bytes_max: i32,
}

impl Plan {
    /// One result for each wanted partition, in order.
    async fn read(
        &self,
        context: &Context<'_>,
        wanted: &[(PartitionRef, Wanted)],
    ) -> Vec<PartitionRead> {
        let found = self.places.iter().zip(wanted);
        let items: Vec<Item<Wanted>> = found
            .filter_map(|(place, (_, wanted))| Some((place.ok()?, *wanted)))
            .collect();
        let (isolation, size_bytes_max) = (self.isolation, self.size_bytes_max);
        let read = scatter(context.core, items, move |core, items| {
            read_on_owner(core, items, isolation, size_bytes_max)
        });
        let mut found = read.await.into_iter();
        let mut room = usize::try_from(self.size_bytes_max).unwrap_or(0);
        let mut has_data = false;
        let mut reads = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let mut read = match place {
                Err(error_code) => PartitionRead::refusal(*error_code),
                Ok(_) => found
                    .next()
                    .expect("one for each item")
                    .unwrap_or_else(|| PartitionRead::error(ErrorCode::NOT_LEADER_OR_FOLLOWER)),
            };
            // Every owner had the whole room: what is too much together waits for the next fetch.
            if read.size_bytes > room && has_data {
                read.drop_records();
            }
            has_data |= read.size_bytes > 0;
            room = room.saturating_sub(read.size_bytes);
            reads.push(read);
        }
        reads
    }

    /// Waits until any owner has news.
    async fn wait(&self, context: &Context<'_>, reads: &[PartitionRead], deadline: Instant) {
        let core = context.core;
        let waiter: Waiter = (core.id(), context.client.connection);
        let places = self.places.iter().zip(reads);
        let seen = places.filter_map(|(place, read)| Some((place.ok()?, read.end_offset)));
        let mut by_owner: Vec<(engine_base::ShardId, Vec<Item<i64>>)> = Vec::new();
        for item in seen {
            let owner = core.owner(item.0);
            match by_owner.iter_mut().find(|(shard, _)| *shard == owner) {
                Some((_, items)) => items.push(item),
                None => by_owner.push((owner, vec![item])),
            }
        }
        let isolation = self.isolation;
        let mut waits: Vec<_> = by_owner
            .into_iter()
            .map(|(owner, seen)| {
                Box::pin(core.shards.ask(owner, move |core| {
                    wait_on_owner(core, waiter, seen, isolation, deadline)
                }))
            })
            .collect();
        // The first that returns ends the wait; the others' places are taken over by the
        // connection's next wait.
        std::future::poll_fn(|context| {
            let is_over = waits
                .iter_mut()
                .any(|wait| wait.as_mut().poll(context).is_ready());
            if is_over {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

/// The answer's frame: heads from here, records from where they are.
fn encode(
    context: &Context<'_>,
    start: FetchResponseStart,
    answers: &[(PartitionRef, PartitionRead)],
) -> Result<Answer, Close> {
    context.note_error(start.error_code);
    let errors = answers.iter().map(|(_, read)| read.error_code);
    errors.for_each(|error_code| context.note_error(error_code));
    build(context, start, answers)
        .map(Some)
        .map_err(|error| Close(format!("a Fetch answer could not be encoded: {error}")))
}

fn build(
    context: &Context<'_>,
    start: FetchResponseStart,
    answers: &[(PartitionRef, PartitionRead)],
) -> Result<Vec<Slice>, engine_codec::EncodeError> {
    let runs = || answers.chunk_by(|(a, _), (b, _)| a.topic == b.topic);
    let (version, correlation_id) = (context.version(), context.header.correlation_id);
    let mut builder = FetchResponseBuilder::new(version, correlation_id, start, runs().count())?;
    for run in runs() {
        let (name, id) = match &run[0].0.topic {
            TopicRef::Id(id) => ("", *id),
            TopicRef::Name(name) => (&**name, Uuid::ZERO),
        };
        builder.topic(name, id, run.len())?;
        for (partition, read) in run {
            builder.partition(&data_of(partition, read), read.records.iter().cloned())?;
        }
    }
    let answer = builder.finish(&[])?;
    let head = Slice::from_vec(answer.head);
    let parts = answer.parts.into_iter().map(|part| match part {
        Part::Bytes(range) => head.slice(range),
        Part::Records(records) => records,
    });
    Ok(parts.collect())
}

fn data_of(partition: &PartitionRef, read: &PartitionRead) -> PartitionData<'static> {
    PartitionData {
        partition_index: partition.partition,
        error_code: read.error_code,
        high_watermark: read.high_watermark,
        last_stable_offset: read.last_stable_offset,
        log_start_offset: read.log_start_offset,
        diverging_epoch: read.diverging.clone().unwrap_or_default(),
        aborted_transactions: read
            .aborted
            .as_ref()
            .map(|aborted| aborted.iter().map(aborted_transaction).collect()),
        records: None,
        ..PartitionData::default()
    }
}

fn aborted_transaction(txn: &AbortedTxn) -> AbortedTransaction {
    AbortedTransaction {
        producer_id: txn.producer_id,
        first_offset: txn.first_offset,
    }
}
