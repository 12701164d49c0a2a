//! Kafka's error codes: all of 4.4's, also those that only other brokers say.

use std::fmt;

use engine_codec::Codec;

/// A code in a response; `NONE` for success. A newtype and not an enum: a newer broker may say
/// what we do not know, and a client passes it on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Codec)]
pub struct ErrorCode(pub i16);

/// What is known of a code.
struct Entry {
    code: i16,
    name: &'static str,
    retriable: bool,
    text: &'static str,
}

macro_rules! codes {
    ($($code:literal $name:ident $($retriable:ident)? $text:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("`", stringify!($code), "`: ", $text, ".")]
                pub const $name: Self = Self($code);
            )*
        }

        /// By ascending code.
        const ENTRIES: &[Entry] = &[$(Entry {
            code: $code,
            name: stringify!($name),
            retriable: codes!(@ $($retriable)?),
            text: $text,
        },)*];
    };
    (@ retriable) => { true };
    (@) => { false };
}

codes! {
    -1 UNKNOWN_SERVER_ERROR "something unexpected happened in the broker";
    0 NONE "no error";
    1 OFFSET_OUT_OF_RANGE "the offset is outside of the log";
    2 CORRUPT_MESSAGE retriable "the batch is damaged: checksum, size or a missing key";
    3 UNKNOWN_TOPIC_OR_PARTITION retriable "this broker knows no such topic or partition";
    4 INVALID_FETCH_SIZE "the fetch size is out of range";
    5 LEADER_NOT_AVAILABLE retriable "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER retriable "this broker does not lead, or does not hold, the partition";
    7 REQUEST_TIMED_OUT retriable "the time given to the request is over";
    8 BROKER_NOT_AVAILABLE "the broker is not available";
    9 REPLICA_NOT_AVAILABLE retriable "the replica is not available";
    10 MESSAGE_TOO_LARGE "the batch is larger than the broker or topic accepts";
    11 STALE_CONTROLLER_EPOCH "the controller has moved";
    12 OFFSET_METADATA_TOO_LARGE "the note on an offset is too long";
    13 NETWORK_EXCEPTION retriable "the connection broke before the answer";
    14 COORDINATOR_LOAD_IN_PROGRESS retriable "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE retriable "there is no coordinator at the moment";
    16 NOT_COORDINATOR retriable "this broker is not the coordinator";
    17 INVALID_TOPIC_EXCEPTION "the topic name is invalid, or the topic is not for clients";
    18 RECORD_LIST_TOO_LARGE "the batch is larger than a segment";
    19 NOT_ENOUGH_REPLICAS retriable "fewer replicas are in sync than the topic demands";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND retriable "the records are written, but to fewer replicas than the topic demands";
    21 INVALID_REQUIRED_ACKS "acks is not -1, 0 or 1";
    22 ILLEGAL_GENERATION "the generation is not the current one";
    23 INCONSISTENT_GROUP_PROTOCOL "the member speaks no protocol that the group speaks";
    24 INVALID_GROUP_ID "the group id is invalid";
    25 UNKNOWN_MEMBER_ID "the group has no such member";
    26 INVALID_SESSION_TIMEOUT "the session timeout is outside of what the broker allows";
    27 REBALANCE_IN_PROGRESS "the group is rebalancing: join again";
    28 INVALID_COMMIT_OFFSET_SIZE "the offset to commit is too large to store";
    29 TOPIC_AUTHORIZATION_FAILED "not allowed on the topic";
    30 GROUP_AUTHORIZATION_FAILED "not allowed on the group";
    31 CLUSTER_AUTHORIZATION_FAILED "not allowed on the cluster";
    32 INVALID_TIMESTAMP "the timestamp is out of range";
    33 UNSUPPORTED_SASL_MECHANISM "the broker does not offer this SASL mechanism";
    34 ILLEGAL_SASL_STATE "the request does not fit the state of authentication";
    35 UNSUPPORTED_VERSION "the broker does not serve this version";
    36 TOPIC_ALREADY_EXISTS "the topic exists already";
    37 INVALID_PARTITIONS "the number of partitions is out of range";
    38 INVALID_REPLICATION_FACTOR "the replication factor is below 1 or above the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT "the replica assignment is invalid";
    40 INVALID_CONFIG "the configuration is invalid";
    41 NOT_CONTROLLER retriable "this broker is not the controller";
    42 INVALID_REQUEST "the request contradicts itself or its version";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT "the stored message format cannot answer this";
    44 POLICY_VIOLATION "the request violates a policy of the cluster";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER "the sequence number leaves a gap";
    46 DUPLICATE_SEQUENCE_NUMBER "the sequence number was seen before";
    47 INVALID_PRODUCER_EPOCH "the producer epoch is old";
    48 INVALID_TXN_STATE "the transaction is not in a state for this";
    49 INVALID_PRODUCER_ID_MAPPING "the producer id does not belong to the transactional id";
    50 INVALID_TRANSACTION_TIMEOUT "the transaction timeout is above what the broker allows";
    51 CONCURRENT_TRANSACTIONS retriable "another operation on the transaction is under way";
    52 TRANSACTION_COORDINATOR_FENCED "the sender is no longer coordinator of the transaction";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED "not allowed on the transactional id";
    54 SECURITY_DISABLED "security is not configured";
    55 OPERATION_NOT_ATTEMPTED "not tried, because another part of the request failed";
    56 KAFKA_STORAGE_ERROR retriable "the disk failed";
    57 LOG_DIR_NOT_FOUND "there is no such log directory";
    58 SASL_AUTHENTICATION_FAILED "authentication failed";
    59 UNKNOWN_PRODUCER_ID "nothing is known of the producer id";
    60 REASSIGNMENT_IN_PROGRESS "a reassignment of the partition is under way";
    61 DELEGATION_TOKEN_AUTH_DISABLED "delegation tokens are not enabled";
    62 DELEGATION_TOKEN_NOT_FOUND "there is no such delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH "the delegation token belongs to someone else";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED "delegation tokens cannot be handled over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED "not allowed on the delegation token";
    66 DELEGATION_TOKEN_EXPIRED "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE "the type of principal is not supported";
    68 NON_EMPTY_GROUP "the group still has members";
    69 GROUP_ID_NOT_FOUND "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND retriable "there is no such fetch session";
    71 INVALID_FETCH_SESSION_EPOCH retriable "the epoch does not fit the fetch session";
    72 LISTENER_NOT_FOUND retriable "the leader has no listener of this name";
    73 TOPIC_DELETION_DISABLED "topics cannot be deleted here";
    74 FENCED_LEADER_EPOCH retriable "the leader epoch is older than ours";
    75 UNKNOWN_LEADER_EPOCH retriable "the leader epoch is newer than ours";
    76 UNSUPPORTED_COMPRESSION_TYPE "the version does not allow this compression";
    77 STALE_BROKER_EPOCH "the broker epoch is old";
    78 OFFSET_NOT_AVAILABLE retriable "a new leader does not know the high watermark yet";
    79 MEMBER_ID_REQUIRED "join again with the member id given here";
    80 PREFERRED_LEADER_NOT_AVAILABLE retriable "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED "the group is full";
    82 FENCED_INSTANCE_ID "another member has taken over the static name";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE retriable "no eligible leader is available";
    84 ELECTION_NOT_NEEDED retriable "no election is needed";
    85 NO_REASSIGNMENT_IN_PROGRESS "no reassignment is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC "the group still reads the topic";
    87 INVALID_RECORD "a record breaks a rule";
    88 UNSTABLE_OFFSET_COMMIT retriable "an open transaction holds offsets of the group";
    89 THROTTLING_QUOTA_EXCEEDED retriable "a quota is exceeded";
    90 PRODUCER_FENCED "a newer producer has taken over the transactional id";
    91 RESOURCE_NOT_FOUND "there is no such resource";
    92 DUPLICATE_RESOURCE "the request names a resource twice";
    93 UNACCEPTABLE_CREDENTIAL "the credential is not acceptable";
    94 INCONSISTENT_VOTER_SET "sender or receiver is not a voter";
    95 INVALID_UPDATE_VERSION "the version to update to is invalid";
    96 FEATURE_UPDATE_FAILED "the features could not be updated";
    97 PRINCIPAL_DESERIALIZATION_FAILURE "the forwarded principal cannot be read";
    98 SNAPSHOT_NOT_FOUND "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE "the position is outside of the snapshot";
    100 UNKNOWN_TOPIC_ID retriable "this broker knows no topic of this id";
    101 DUPLICATE_BROKER_REGISTRATION "the broker id is in use";
    102 BROKER_ID_NOT_REGISTERED "the broker id is not registered";
    103 INCONSISTENT_TOPIC_ID retriable "the log's topic id is another";
    104 INCONSISTENT_CLUSTER_ID "the cluster's id is another";
    105 TRANSACTIONAL_ID_NOT_FOUND "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR retriable "the fetch session mixes names and ids";
    107 INELIGIBLE_REPLICA "a replica may not join the in-sync set";
    108 NEW_LEADER_ELECTED "the change was made and the leader is another now";
    109 OFFSET_MOVED_TO_TIERED_STORAGE "the offset has moved to tiered storage";
    110 FENCED_MEMBER_EPOCH "the member epoch is fenced: give up all partitions and join again";
    111 UNRELEASED_INSTANCE_ID "another member still holds the static name";
    112 UNSUPPORTED_ASSIGNOR "the group does not support the assignor";
    113 STALE_MEMBER_EPOCH "the member epoch is old: retry after the next heartbeat";
    114 MISMATCHED_ENDPOINT_TYPE "the request went to the wrong kind of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE "this kind of endpoint is not supported";
    116 UNKNOWN_CONTROLLER_ID "there is no such controller";
    117 UNKNOWN_SUBSCRIPTION_ID "the telemetry subscription is unknown or old";
    118 TELEMETRY_TOO_LARGE "the telemetry is too large";
    119 INVALID_REGISTRATION "the registration of the broker is invalid";
    120 TRANSACTION_ABORTABLE "the transaction must be aborted";
    121 INVALID_RECORD_STATE "the record is in no state for this acknowledgement";
    122 SHARE_SESSION_NOT_FOUND retriable "there is no such share session";
    123 INVALID_SHARE_SESSION_EPOCH retriable "the epoch does not fit the share session";
    124 FENCED_STATE_EPOCH "the state epoch is fenced";
    125 INVALID_VOTER_KEY "the voter's key is another";
    126 DUPLICATE_VOTER "the voter is in the set already";
    127 VOTER_NOT_FOUND "the voter is not in the set";
    128 INVALID_REGULAR_EXPRESSION "the regular expression is invalid";
    129 REBOOTSTRAP_REQUIRED "the client must start over from its bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY "the topology is invalid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH "the topology epoch is invalid";
    132 STREAMS_TOPOLOGY_FENCED "the topology epoch is old";
    133 SHARE_SESSION_LIMIT_REACHED retriable "there are too many share sessions";
    134 GROUP_DELETION_FAILED "the group could not be deleted";
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED "the description of the topology could not be stored";
    136 CONTROLLER_ID_NOT_REGISTERED "the controller id is not registered";
}

impl ErrorCode {
    /// Whether this is success.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Kafka's name, or `None` for a code we do not know.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.name)
    }

    /// One line for people. Unknown codes read as an unknown error.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.entry()
            .map_or("an error that this version does not know", |entry| {
                entry.text
            })
    }

    /// Whether Kafka's clients try again by themselves after this error.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self.entry().is_some_and(|entry| entry.retriable)
    }

    /// Every code we know, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.iter().map(|entry| Self(entry.code))
    }

    fn entry(self) -> Option<&'static Entry> {
        let index = ENTRIES
            .binary_search_by_key(&self.0, |entry| entry.code)
            .ok()?;
        ENTRIES.get(index)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_without_a_gap() {
        let codes: Vec<i16> = ErrorCode::all().map(|code| code.0).collect();
        assert_eq!(codes, (-1..=136).collect::<Vec<i16>>());
    }

    #[test]
    fn names_and_flags_are_found() {
        assert_eq!(ErrorCode::NOT_COORDINATOR.to_string(), "NOT_COORDINATOR");
        assert!(ErrorCode::NOT_COORDINATOR.is_retriable());
        assert!(!ErrorCode::INVALID_RECORD.is_retriable());
        assert_eq!(ErrorCode(999).to_string(), "error 999");
        assert_eq!(ErrorCode(999).name(), None);
    }
}
