//! Produce (key 0): batches go to their partitions' owners and are answered when they are kept.
//! KIP-98, 467, 516, 951.
//!
//! Everything up to the appends happens in the request's first poll, or before the next request's
//! place in the connection's order comes, so pipelined requests of one connection append in their
//! order, on whatever cores the partitions live.

use std::pin::pin;
use std::rc::Rc;

use engine_base::Timestamp;
use engine_log::{AppendError, Appended, ProducerError};
use engine_record::{BatchView, KafkaError, Rejection};
use engine_runtime::{Slice, wall_clock_ms};
use net_conn::{Answer, Close};
use net_wire::ErrorCode;
use net_wire::message::produce::{BatchIndexAndErrorMessage, PartitionProduceResponse};
use net_wire::view::produce::{
    PartitionView, ProduceResponseTail, ProduceView, TopicView, write_produce_response,
};
use replication_partition::{Begun, Partition};

use crate::catalog::Topic;
use crate::context::Context;
use crate::core::Core;
use crate::door::{Admitted, Visit};
use crate::metrics;
use crate::order::begin;
use crate::scatter::{Item, scatter};

/// Topics are named by id from this version on.
const IDS_FROM: i16 = 13;

/// How long the answer waits.
#[derive(Clone, Copy)]
struct Acks {
    acks: i16,
    now_ms: Timestamp,
}

type Outcome = Result<Appended, Refusal>;

/// Why a batch was not kept.
struct Refusal {
    error_code: ErrorCode,
    message: Option<String>,
    records: Vec<(i32, String)>,
}

impl From<ErrorCode> for Refusal {
    fn from(error_code: ErrorCode) -> Self {
        Self {
            error_code,
            message: None,
            records: Vec::new(),
        }
    }
}

pub(crate) async fn handle(context: &Context<'_>, body: &[u8]) -> Result<Answer, Close> {
    let view = ProduceView::read(body, context.version())
        .map_err(|error| Close(format!("Produce v{}: {error}", context.version())))?;
    let acks = Acks {
        acks: view.acks,
        now_ms: wall_clock_ms(),
    };
    let place = context.client.produces.place();
    place.is_first().await;
    let mut visit = Visit::new(context.core, context.version(), acks.now_ms);
    let mut plan = Plan::new(context, &view, body, &mut visit).await;
    let items = std::mem::take(&mut plan.items);
    let appending = pin!(scatter(context.core, items, move |core, items| {
        append_on_owner(core, items, acks)
    }));
    let appended = begin(appending, place).await;
    let outcomes = plan.outcomes(appended);
    let refusals = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    refusals.for_each(|refusal| context.note_error(refusal.error_code));
    if view.acks == 0 {
        // Closing is the only way to tell a client that does not listen.
        return match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            None => Ok(None),
            Some(refusal) => Err(Close(format!(
                "a produce without acknowledgement was refused: {}",
                refusal.error_code.message()
            ))),
        };
    }
    let mut answer = Vec::with_capacity(64);
    let results = outcomes.into_iter().map(result_of);
    let correlation_id = context.header.correlation_id;
    let tail = ProduceResponseTail::default();
    write_produce_response(&mut answer, &view, correlation_id, results, tail)
        .map_err(|error| Close(format!("a Produce answer could not be encoded: {error}")))?;
    Ok(Some(vec![Slice::from_vec(answer)]))
}

/// What is to be appended, and what is refused already.
struct Plan {
    items: Vec<Item<Admitted>>,
    /// One for each partition of the request; `None` where an item decides.
    decided: Vec<Option<Refusal>>,
}

impl Plan {
    async fn new(
        context: &Context<'_>,
        view: &ProduceView<'_>,
        body: &[u8],
        visit: &mut Visit,
    ) -> Self {
        let count = view.partition_count();
        let mut plan = Self {
            items: Vec::with_capacity(count),
            decided: Vec::with_capacity(count),
        };
        let body_position = context.frame.len() - body.len();
        for topic_view in view.topics() {
            let topic = find_topic(context, &topic_view);
            for partition in topic_view.partitions() {
                let decision = match check(view, topic, partition) {
                    Ok(topic) => {
                        let start = body_position + partition.records_position;
                        let size = partition.records.map_or(0, <[u8]>::len);
                        let records = context.frame.slice(start..start + size);
                        let admitted = visit.admit(records, &topic.settings.rules).await;
                        match admitted
                            .map_err(Refused::Rejected)
                            .and_then(refuse_transactional)
                        {
                            Ok(batch) => {
                                let id = topic.partition(partition.index);
                                plan.items.push((id, batch));
                                None
                            }
                            Err(error) => Some(error.into_refusal()),
                        }
                    }
                    Err(error_code) => Some(error_code.into()),
                };
                plan.decided.push(decision);
            }
        }
        if plan.has_unauthorized_transaction() {
            plan.refuse_all(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        }
        plan
    }

    /// A transactional batch outside of a transactional request spoils the whole request.
    fn has_unauthorized_transaction(&self) -> bool {
        let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        self.decided
            .iter()
            .flatten()
            .any(|refusal| refusal.error_code == code)
    }

    fn refuse_all(&mut self, error_code: ErrorCode) {
        self.items.clear();
        self.decided
            .iter_mut()
            .for_each(|decision| *decision = Some(error_code.into()));
    }

    /// The outcome of each partition, in the order of the request.
    fn outcomes(self, appended: Vec<Option<Outcome>>) -> Vec<Outcome> {
        let mut appended = appended.into_iter();
        let outcome = |decision: Option<Refusal>| match decision {
            Some(refusal) => Err(refusal),
            None => {
                let outcome = appended.next().expect("one for each item");
                outcome.unwrap_or_else(|| Err(ErrorCode::NOT_LEADER_OR_FOLLOWER.into()))
            }
        };
        self.decided.into_iter().map(outcome).collect()
    }
}

/// What stops a batch at the door.
enum Refused {
    Code(ErrorCode),
    Rejected(Rejection),
}

impl Refused {
    fn into_refusal(self) -> Refusal {
        match self {
            Self::Code(error_code) => error_code.into(),
            Self::Rejected(rejection) => Refusal {
                error_code: code_of(rejection.kafka_error()),
                message: Some(rejection.to_string()),
                records: rejection
                    .record_errors()
                    .iter()
                    .map(|record| (record.index, record.reason.to_string()))
                    .collect(),
            },
        }
    }
}

fn find_topic<'c>(context: &'c Context<'_>, view: &TopicView<'_>) -> Result<&'c Topic, ErrorCode> {
    let (topic, missing) = if context.version() >= IDS_FROM {
        (
            context.catalog.topic_by_id(view.topic_id),
            ErrorCode::UNKNOWN_TOPIC_ID,
        )
    } else {
        (
            context.catalog.topic(&view.name),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        )
    };
    topic.map(AsRef::as_ref).ok_or(missing)
}

/// What can be said without looking at the batch.
fn check<'t>(
    view: &ProduceView<'_>,
    topic: Result<&'t Topic, ErrorCode>,
    partition: PartitionView<'_>,
) -> Result<&'t Topic, ErrorCode> {
    let topic = topic?;
    if view.transactional_id.is_none() && partition.records.is_some_and(is_transactional) {
        return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if !matches!(view.acks, -1..=1) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS);
    }
    if topic.partition_image(partition.index).is_none() {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if topic.is_internal() {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    Ok(topic)
}

/// Transactions are not served: no transaction can be open that such a batch belongs to.
fn refuse_transactional(admitted: Admitted) -> Result<Admitted, Refused> {
    if admitted.info.is_transactional {
        return Err(Refused::Code(ErrorCode::INVALID_TXN_STATE));
    }
    Ok(admitted)
}

/// Whether the first batch claims to belong to a transaction, whatever else is wrong with it.
fn is_transactional(records: &[u8]) -> bool {
    BatchView::read(records).is_ok_and(|batch| batch.header().attributes.is_transactional())
}

/// Appends on the owner's core: first all appends, in order, then the waiting.
async fn append_on_owner(core: Rc<Core>, items: Vec<Item<Admitted>>, acks: Acks) -> Vec<Outcome> {
    let begun: Vec<(Option<Rc<Partition>>, Begun)> = items
        .iter()
        .map(|(id, batch)| match core.partition(*id) {
            None => (None, Begun::Done(Err(AppendError::Deleted))),
            Some(partition) => {
                let begun = partition.begin_append(&batch.bytes, &batch.info, acks.now_ms);
                (Some(partition), begun)
            }
        })
        .collect();
    let mut outcomes = Vec::with_capacity(items.len());
    for ((partition, begun), (_, batch)) in begun.into_iter().zip(&items) {
        let appended = match begun {
            Begun::Done(result) => result,
            Begun::Queued(turn) => {
                let appending = turn.append(&batch.bytes, &batch.info, acks.now_ms);
                Box::pin(appending).await // rare, and large
            }
        };
        if appended.is_ok() {
            metrics::add(&core.metrics.produced_bytes, batch.info.size_bytes as u64);
            metrics::add(&core.metrics.produced_batches, 1);
        }
        outcomes.push((partition, appended));
    }
    if acks.acks == 0 {
        return outcomes
            .into_iter()
            .map(|(_, appended)| appended.map_err(refusal_of))
            .collect();
    }
    let mut answers = Vec::with_capacity(outcomes.len());
    for (partition, appended) in outcomes {
        answers.push(match (partition, appended) {
            (Some(partition), Ok(appended)) => kept(&partition, appended).await,
            (_, appended) => appended.map_err(refusal_of),
        });
    }
    answers
}

/// Waits until the batch is kept. This is the one place an acknowledgement is made.
///
/// With one replica the leader's write and the in-sync replicas' are the same commit, so acks=1
/// and acks=all wait for the same event. The request's timeout is for other replicas.
async fn kept(partition: &Partition, appended: Appended) -> Outcome {
    match partition.committed(appended.last_offset + 1).await {
        Ok(()) => Ok(appended),
        Err(_) => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into()),
    }
}

fn refusal_of(error: AppendError) -> Refusal {
    let error_code = match error {
        AppendError::Producer(error) => match error {
            ProducerError::InvalidProducerEpoch => ErrorCode::INVALID_PRODUCER_EPOCH,
            ProducerError::OutOfOrderSequence => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ProducerError::InvalidTxnState => ErrorCode::INVALID_TXN_STATE,
            ProducerError::TransactionCoordinatorFenced => {
                ErrorCode::TRANSACTION_COORDINATOR_FENCED
            }
        },
        AppendError::Deleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AppendError::Busy | AppendError::DiskFull | AppendError::Failed => {
            ErrorCode::KAFKA_STORAGE_ERROR
        }
    };
    Refusal {
        error_code,
        message: Some(error.to_string()),
        records: Vec::new(),
    }
}

fn code_of(error: KafkaError) -> ErrorCode {
    match error {
        KafkaError::CorruptMessage => ErrorCode::CORRUPT_MESSAGE,
        KafkaError::MessageTooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        KafkaError::RecordListTooLarge => ErrorCode::RECORD_LIST_TOO_LARGE,
        KafkaError::InvalidTimestamp => ErrorCode::INVALID_TIMESTAMP,
        KafkaError::UnsupportedCompressionType => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError::InvalidRecord => ErrorCode::INVALID_RECORD,
    }
}

fn result_of(outcome: Outcome) -> PartitionProduceResponse<'static> {
    match outcome {
        Ok(appended) => PartitionProduceResponse {
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time,
            log_start_offset: appended.log_start_offset,
            ..PartitionProduceResponse::default()
        },
        Err(refusal) => PartitionProduceResponse {
            error_code: refusal.error_code,
            base_offset: -1,
            error_message: refusal
                .message
                .map(Into::into)
                .or_else(|| crate::dispatch::message_of(refusal.error_code)),
            record_errors: refusal
                .records
                .into_iter()
                .map(|(batch_index, message)| BatchIndexAndErrorMessage {
                    batch_index,
                    batch_index_error_message: Some(message.into()),
                })
                .collect(),
            ..PartitionProduceResponse::default()
        },
    }
}
