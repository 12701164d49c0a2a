//! What to do about an error.

use std::io;

use net_client::ClientError;
use net_wire::{ApiKey, ErrorCode};

/// The next step, where there is one to name.
pub(crate) fn advice(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::NoBroker { source, .. } if is_another_service(source.kind()) => Some(
            "Something listens there, but it does not answer as Kafka does: is it the port of a \
             broker's PLAINTEXT listener?",
        ),
        ClientError::TimedOut {
            key: ApiKey::ApiVersions,
            ..
        } => Some(
            "Something listens there and says nothing: is it the port of a broker's PLAINTEXT \
             listener? If it is, look at the broker's log.",
        ),
        ClientError::NoBroker { .. } | ClientError::NoneOf(_) => Some(
            "Start a broker with 'ottla server', or name the address of a running one with \
             --bootstrap-server.",
        ),
        ClientError::Unresolved(_) => Some(
            "Check the spelling, or write the address instead of the name. If --bootstrap-server \
             is right, the broker advertises a name that this machine does not know: correct \
             advertised.listeners.",
        ),
        ClientError::Disconnected(_) | ClientError::TimedOut { .. } => {
            Some("Look at the broker's log; if it is running, try again.")
        }
        ClientError::NoPartition { .. } => Some("See 'ottla topics describe' for the partitions."),
        ClientError::Unsupported(_) => Some("The broker is older than Kafka 3.0, or no broker."),
        ClientError::Broker {
            code: ErrorCode::INVALID_TOPIC_EXCEPTION,
            message: Some(message),
            ..
        } if message.contains("collides") => Some(
            "Names that differ in '.' and '_' alone would have the same metrics: choose another \
             one.",
        ),
        ClientError::Broker { code, .. } => advice_for_code(*code),
        _ => None,
    }
}

/// Whether a connection was made, and what came over it is not Kafka's.
fn is_another_service(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidData};
    matches!(kind, ConnectionAborted | ConnectionReset | InvalidData)
}

fn advice_for_code(code: ErrorCode) -> Option<&'static str> {
    let advice = match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            "See 'ottla topics list', or make the topic with 'ottla topics create NAME'."
        }
        ErrorCode::TOPIC_ALREADY_EXISTS => "With --if-not-exists this is no error.",
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            "A name has at most 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and is \
             not '.' or '..'."
        }
        ErrorCode::INVALID_REPLICATION_FACTOR => {
            "A topic can have as many replicas as there are brokers that run: write a smaller \
             --replication-factor, or start more brokers."
        }
        ErrorCode::INVALID_PARTITIONS => "A topic has at least one partition.",
        ErrorCode::INVALID_CONFIG => "Correct --config.",
        ErrorCode::TOPIC_DELETION_DISABLED => {
            "Start the broker with delete.topic.enable=true to delete topics."
        }
        ErrorCode::KAFKA_STORAGE_ERROR => {
            "The broker's disk is full or failing. Free space in its data directory, or shorten \
             the retention of a topic; the broker's log names the file."
        }
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "min.insync.replicas asks for more replicas than are alive."
        }
        ErrorCode::LEADER_NOT_AVAILABLE | ErrorCode::NOT_LEADER_OR_FOLLOWER => {
            "The partition has no leader for the moment: look at the broker's log, or try again."
        }
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
            "The group's coordinator is starting: try again. If it stays so, the broker cannot \
             make __consumer_offsets: check offsets.topic.replication.factor."
        }
        ErrorCode::INVALID_GROUP_ID => {
            "A group's id is a text of at least one character: write for example -g readers."
        }
        ErrorCode::GROUP_ID_NOT_FOUND => "See 'ottla groups list'.",
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "The group's members speak another protocol: use another group."
        }
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER => {
            "The broker lost what came before, or another process used the same producer id: \
             look at the broker's log."
        }
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_errors_say_what_to_do() {
        let of = |code| {
            let subject = "topic t".to_owned();
            advice(&ClientError::Broker {
                code,
                subject,
                message: None,
            })
        };
        assert!(
            of(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                .unwrap()
                .contains("topics create")
        );
        assert!(
            of(ErrorCode::KAFKA_STORAGE_ERROR)
                .unwrap()
                .contains("disk is full")
        );
        assert_eq!(of(ErrorCode::NONE), None);
    }

    #[test]
    fn a_collision_is_no_matter_of_characters() {
        let of = |message: &str| {
            advice(&ClientError::Broker {
                code: ErrorCode::INVALID_TOPIC_EXCEPTION,
                subject: "topic a_b".to_owned(),
                message: Some(message.to_owned()),
            })
        };
        let collision = of("Topic 'a_b' collides with existing topic: a.b").unwrap();
        assert!(collision.contains("choose another"), "{collision}");
        assert!(of("Topic name is invalid").unwrap().contains("249"));
    }

    #[test]
    fn a_port_of_something_else_is_told_apart_from_no_broker() {
        let of = |kind: io::ErrorKind| {
            advice(&ClientError::NoBroker {
                address: net_client::HostPort {
                    host: "h".to_owned(),
                    port: 80,
                },
                source: kind.into(),
            })
        };
        let refused = of(io::ErrorKind::ConnectionRefused).unwrap();
        assert!(refused.contains("Start a broker"), "{refused}");
        let strange = of(io::ErrorKind::ConnectionAborted).unwrap();
        assert!(strange.contains("PLAINTEXT"), "{strange}");
    }
}
