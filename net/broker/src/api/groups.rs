//! Reaching the coordinator of a group, wherever it lives.

use std::rc::Rc;

use engine_base::{ShardId, TopicPartition};
use net_wire::ErrorCode;
use replication_group::{Answer, GroupError, Request, partition_for};

use crate::OFFSETS_TOPIC;
use crate::catalog::Catalog;
use crate::core::Core;

/// The partition of `__consumer_offsets` that coordinates a group, once the topic exists.
fn coordinator_of(catalog: &Catalog, group_id: &str) -> Option<TopicPartition> {
    let topic = catalog.topic(OFFSETS_TOPIC)?;
    let partition_count = i32::try_from(topic.partitions().len()).ok()?;
    Some(topic.partition(partition_for(group_id, partition_count)))
}

/// Asks the coordinator of `group_id`. `Err` when there is none yet, or it is stopping.
pub(crate) async fn ask(
    core: &Rc<Core>,
    group_id: &str,
    request: Request,
) -> Result<Answer, ErrorCode> {
    // Kafka's order: an empty id is wrong before anything is looked up.
    let coordinator = coordinator_of(&core.catalog(), group_id);
    let coordinator = coordinator.ok_or(ErrorCode::NOT_COORDINATOR)?;
    ask_partition(core, coordinator, request).await
}

/// Asks every coordinator of this broker, and returns what they say in the partitions' order.
pub(crate) async fn ask_all(core: &Rc<Core>, request: &Request) -> Vec<Result<Answer, ErrorCode>> {
    let catalog = core.catalog();
    let Some(topic) = catalog.topic(OFFSETS_TOPIC) else {
        return Vec::new();
    };
    let mut answers = Vec::with_capacity(topic.partitions().len());
    for partition in 0..topic.partitions().len() {
        let partition = i32::try_from(partition).expect("a topic's partitions are counted in i32");
        answers.push(ask_partition(core, topic.partition(partition), request.clone()).await);
    }
    answers
}

async fn ask_partition(
    core: &Rc<Core>,
    coordinator: TopicPartition,
    request: Request,
) -> Result<Answer, ErrorCode> {
    let owner: ShardId = core.owner(coordinator);
    let answer = core
        .shards
        .ask(owner, move |core| async move {
            let host = core.groups.borrow().get(&coordinator.partition).cloned();
            match host {
                Some(host) => host.ask(request).await,
                None => None,
            }
        })
        .await;
    answer.ok().flatten().ok_or(ErrorCode::NOT_COORDINATOR)
}

/// The wire's code of a group error.
pub(crate) fn code(error: Option<GroupError>) -> ErrorCode {
    let Some(error) = error else {
        return ErrorCode::NONE;
    };
    match error {
        GroupError::UnknownServerError => ErrorCode::UNKNOWN_SERVER_ERROR,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        GroupError::CoordinatorLoadInProgress => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        GroupError::CoordinatorNotAvailable => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        GroupError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        GroupError::IllegalGeneration => ErrorCode::ILLEGAL_GENERATION,
        GroupError::InconsistentGroupProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        GroupError::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
        GroupError::UnknownMemberId => ErrorCode::UNKNOWN_MEMBER_ID,
        GroupError::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
        GroupError::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        GroupError::InvalidProducerEpoch => ErrorCode::INVALID_PRODUCER_EPOCH,
        GroupError::InvalidTxnState => ErrorCode::INVALID_TXN_STATE,
        GroupError::TransactionCoordinatorFenced => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        GroupError::NonEmptyGroup => ErrorCode::NON_EMPTY_GROUP,
        GroupError::GroupIdNotFound => ErrorCode::GROUP_ID_NOT_FOUND,
        GroupError::MemberIdRequired => ErrorCode::MEMBER_ID_REQUIRED,
        GroupError::GroupMaxSizeReached => ErrorCode::GROUP_MAX_SIZE_REACHED,
        GroupError::FencedInstanceId => ErrorCode::FENCED_INSTANCE_ID,
        GroupError::GroupSubscribedToTopic => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        GroupError::UnstableOffsetCommit => ErrorCode::UNSTABLE_OFFSET_COMMIT,
    }
}

/// An owned copy of an optional string.
pub(crate) fn owned(text: Option<std::borrow::Cow<'_, str>>) -> Option<String> {
    text.map(std::borrow::Cow::into_owned)
}
