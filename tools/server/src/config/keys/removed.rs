//! Keys that Kafka 3 or 4 removed: refused, each with what replaced it.

/// What to write instead of a key that is gone.
pub(crate) fn removal_hint(name: &str) -> Option<&'static str> {
    let hint = match name {
        "advertised.host.name" | "advertised.port" => {
            "write advertised.listeners=PLAINTEXT://host:port instead"
        }
        "host.name" | "port" => "write listeners=PLAINTEXT://host:port instead",
        "inter.broker.protocol.version" => {
            "remove the line: features carry the version since Kafka 4.0"
        }
        "log.message.format.version" => {
            "remove the line: every record is in format 2 since Kafka 4.0"
        }
        "log.message.timestamp.difference.max.ms" => {
            "write log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms instead"
        }
        _ => return None,
    };
    Some(hint)
}
