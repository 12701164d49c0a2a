//! The keys that `--config` of a topic takes.
//!
//! Owns what is advised when the broker refuses one; whether a key is known is for the broker to
//! say, which may be another version than ours.

use crate::similar::nearest;

/// Kafka 4.4's and Ottla's own, without those for tests alone.
const TOPIC_KEYS: [&str; 39] = [
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "errors.deadletterqueue.group.enable",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.decompressed.message.bytes",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "ottla.durability",
    "ottla.validate.records",
    "preallocate",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// What to write instead of the keys among `written` that no topic has; `None` when topics have
/// them all, and it is a value that the broker refused.
pub(crate) fn advice<'a>(written: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut unknown = written.into_iter().filter(|key| !TOPIC_KEYS.contains(key));
    let key = unknown.next()?;
    // A broker's key has a prefix that the topic's has not: log.retention.ms.
    let unprefixed = key.strip_prefix("log.").unwrap_or(key);
    Some(match nearest(unprefixed, TOPIC_KEYS) {
        Some(near) => format!("'{key}' is no key of a topic: did you mean {near}?"),
        None => format!(
            "'{key}' is no key of a topic. These are:\n  {}",
            TOPIC_KEYS.join("\n  ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_that_the_controller_takes() {
        let taken = replication_controller::TOPIC_KEYS.iter();
        let taken: Vec<_> = taken.filter(|key| !key.internal).collect();
        let names: Vec<_> = taken.iter().map(|key| key.name).collect();
        assert_eq!(TOPIC_KEYS.to_vec(), names);
    }

    #[test]
    fn a_typo_is_corrected_and_nonsense_gets_the_list() {
        let near = |key| advice([key]).unwrap();
        assert!(near("retension.ms").contains("did you mean retention.ms?"));
        assert!(near("log.retention.ms").contains("did you mean retention.ms?"));
        assert!(near("nonsense").contains("\n  retention.ms\n"));
        assert_eq!(advice(["retention.ms"]), None);
        assert!(
            advice(["retention.ms", "nonsense"])
                .unwrap()
                .contains("'nonsense'")
        );
    }
}
