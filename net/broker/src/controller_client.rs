//! Commands for the controller, from the handlers of any shard, and its refusals on the wire.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use engine_base::ShardId;
use engine_runtime::timeout;
use net_wire::ErrorCode;
use replication_controller::{Answer, ApiError, Command, ErrorKind};

use crate::core::Core;

/// How long Kafka's brokers wait for the controller's answer to what they forwarded.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// A whole command that the controller did not take.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) error_code: ErrorCode,
    /// Kafka's sentence; `None` where it sends the code alone.
    pub(crate) message: Option<Cow<'static, str>>,
}

impl Refused {
    /// Nobody leads here: the broker is stopping. Clients look for the controller and ask again.
    fn not_controller() -> Self {
        Self {
            error_code: ErrorCode::NOT_CONTROLLER,
            message: Some("No controller appears to be active.".into()),
        }
    }
}

/// Asks the controller, wherever the request came in. What it has decided by the end of the time
/// (the disk is full, and it waits for room) still comes to pass.
pub(crate) async fn submit(core: &Rc<Core>, command: Command) -> Result<Answer, Refused> {
    let answer = core.shards.ask(ShardId(0), move |core| async move {
        match core.controller.get().cloned() {
            Some(host) if !core.is_stopping.get() => {
                host.submit(command).await.map_err(|error| Refused {
                    error_code: code_of(error.kind),
                    message: error.message,
                })
            }
            _ => Err(Refused::not_controller()),
        }
    });
    match timeout(ANSWER_TIME_MAX, answer).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(Refused::not_controller())),
        Err(_) => Err(Refused {
            error_code: ErrorCode::REQUEST_TIMED_OUT,
            message: None,
        }),
    }
}

/// The sentence for people.
pub(crate) fn text_of(error: &ApiError) -> String {
    match &error.message {
        Some(message) => message.to_string(),
        None => code_of(error.kind).message().to_owned(),
    }
}

/// The wire's code of a refusal.
pub(crate) fn code_of(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::BrokerIdNotRegistered => ErrorCode::BROKER_ID_NOT_REGISTERED,
        ErrorKind::DuplicateBrokerRegistration => ErrorCode::DUPLICATE_BROKER_REGISTRATION,
        ErrorKind::ElectionNotNeeded => ErrorCode::ELECTION_NOT_NEEDED,
        ErrorKind::EligibleLeadersNotAvailable => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
        ErrorKind::FencedLeaderEpoch => ErrorCode::FENCED_LEADER_EPOCH,
        ErrorKind::InconsistentClusterId => ErrorCode::INCONSISTENT_CLUSTER_ID,
        ErrorKind::IneligibleReplica => ErrorCode::INELIGIBLE_REPLICA,
        ErrorKind::InvalidConfig => ErrorCode::INVALID_CONFIG,
        ErrorKind::InvalidPartitions => ErrorCode::INVALID_PARTITIONS,
        ErrorKind::InvalidRegistration => ErrorCode::INVALID_REGISTRATION,
        ErrorKind::InvalidReplicaAssignment => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ErrorKind::InvalidReplicationFactor => ErrorCode::INVALID_REPLICATION_FACTOR,
        ErrorKind::InvalidRequest => ErrorCode::INVALID_REQUEST,
        ErrorKind::InvalidTopicException => ErrorCode::INVALID_TOPIC_EXCEPTION,
        ErrorKind::InvalidUpdateVersion => ErrorCode::INVALID_UPDATE_VERSION,
        ErrorKind::NewLeaderElected => ErrorCode::NEW_LEADER_ELECTED,
        ErrorKind::NotLeaderOrFollower => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorKind::PolicyViolation => ErrorCode::POLICY_VIOLATION,
        ErrorKind::PreferredLeaderNotAvailable => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
        ErrorKind::StaleBrokerEpoch => ErrorCode::STALE_BROKER_EPOCH,
        ErrorKind::TopicAlreadyExists => ErrorCode::TOPIC_ALREADY_EXISTS,
        ErrorKind::TopicDeletionDisabled => ErrorCode::TOPIC_DELETION_DISABLED,
        ErrorKind::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorKind::UnknownTopicOrPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorKind::UnsupportedVersion => ErrorCode::UNSUPPORTED_VERSION,
        _ => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
