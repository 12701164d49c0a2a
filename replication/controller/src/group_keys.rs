//! The configuration keys of groups and of client metrics: only judged here, so that what is kept
//! is lawful for whoever serves them.

use replication_metadata::image::ConfigMap;

use crate::config_key::Bounds::{self, Any, AtLeast, Between, In};
use crate::config_key::ConfigType::{self, Boolean, Int, List, Long, String};
use crate::config_key::parse;
use crate::error::{ApiError, ErrorKind};

type Key = (&'static str, ConfigType, Bounds);

const GROUP_KEYS: [Key; 27] = [
    ("consumer.assignment.interval.ms", Int, AtLeast(0)),
    ("consumer.assignor.offload.enable", Boolean, Any),
    ("consumer.heartbeat.interval.ms", Int, AtLeast(1)),
    ("consumer.session.timeout.ms", Int, AtLeast(1)),
    ("errors.deadletterqueue.copy.record.enable", Boolean, Any),
    ("errors.deadletterqueue.topic.name", String, Any),
    ("share.assignment.interval.ms", Int, AtLeast(0)),
    ("share.assignor.offload.enable", Boolean, Any),
    ("share.auto.offset.reset", String, Any),
    ("share.delivery.count.limit", Int, AtLeast(2)),
    ("share.heartbeat.interval.ms", Int, AtLeast(1)),
    (
        "share.isolation.level",
        String,
        In(&["read_committed", "read_uncommitted"]),
    ),
    ("share.partition.max.record.locks", Int, AtLeast(100)),
    ("share.record.lock.duration.ms", Int, AtLeast(1000)),
    ("share.renew.acknowledge.enable", Boolean, Any),
    ("share.session.timeout.ms", Int, AtLeast(1)),
    ("streams.acceptable.recovery.lag", Long, AtLeast(0)),
    ("streams.assignment.interval.ms", Int, AtLeast(0)),
    ("streams.assignor.name", String, Any),
    ("streams.assignor.offload.enable", Boolean, Any),
    ("streams.heartbeat.interval.ms", Int, AtLeast(1)),
    ("streams.initial.rebalance.delay.ms", Int, AtLeast(0)),
    ("streams.num.standby.replicas", Int, AtLeast(0)),
    ("streams.num.warmup.replicas", Int, AtLeast(2)),
    ("streams.rack.aware.assignment.tags", List, Any),
    ("streams.session.timeout.ms", Int, AtLeast(1)),
    ("streams.task.offset.interval.ms", Int, AtLeast(1)),
];

/// A client pushes at most ten times a second and at least once an hour (KIP-714).
const METRICS_KEYS: [Key; 3] = [
    ("interval.ms", Int, Between(100, 3_600_000)),
    ("match", List, Any),
    ("metrics", List, Any),
];

/// Judges the values a group would have.
pub(crate) fn validate_group(values: &ConfigMap) -> Result<(), ApiError> {
    let unknown = |name: &str| format!("Unknown group config name: {name}");
    validate(values, &GROUP_KEYS, ErrorKind::InvalidConfig, unknown)
}

/// Judges the values a metrics subscription would have.
pub(crate) fn validate_client_metrics(name: &str, values: &ConfigMap) -> Result<(), ApiError> {
    if name.is_empty() {
        let message = "Subscription name can't be empty";
        return Err(ApiError::new(ErrorKind::InvalidRequest, message));
    }
    let unknown = |name: &str| format!("Unknown client metrics configuration: {name}");
    validate(values, &METRICS_KEYS, ErrorKind::InvalidRequest, unknown)
}

fn validate(
    values: &ConfigMap,
    keys: &[Key],
    unknown_kind: ErrorKind,
    unknown: impl Fn(&str) -> std::string::String,
) -> Result<(), ApiError> {
    for (name, text) in values {
        let Some(&(_, kind, bounds)) = keys.iter().find(|(key, ..)| key == name) else {
            return Err(ApiError::new(unknown_kind, unknown(name)));
        };
        parse(name, kind, bounds, text)
            .map_err(|message| ApiError::new(ErrorKind::InvalidConfig, message))?;
    }
    Ok(())
}
