//! From values to what the broker is told: the rules between keys, and their units.
//!
//! Owns `BrokerConfig`'s making. Reads the table and the operator's values; resolves the hosts of
//! listeners; touches nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine_base::BrokerId;
use net_broker::config::{BrokerConfig, FlushFiles, ListenerConfig, MetadataLogConfig};

use super::endpoints::{Told, listeners};
use super::host::{Host, warn_of_host};
use super::keys::split_list;
use super::layers::{Sources, merge};
use super::problem::Problem;
use super::refusals::find_refusals;
use super::values::Values;

/// The Prometheus page's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MetricsSettings {
    /// Where it listens; `None` for no page.
    pub(crate) listener: Option<SocketAddr>,
    /// Whether a taken address stops the start.
    pub(crate) required: bool,
}

/// A configuration that may start.
#[derive(Debug)]
pub(crate) struct Settings {
    /// For the broker.
    pub(crate) broker: BrokerConfig,
    /// For the metrics page.
    pub(crate) metrics: MetricsSettings,
}

/// What reading a configuration gave: every value, every finding, and the settings if no finding
/// is an error.
pub(crate) struct Loaded {
    /// What was written, with origins.
    pub(crate) values: Values,
    /// Errors and warnings: the file's by line, then the environment's, then those of `--set`.
    pub(crate) problems: Vec<Problem>,
    /// `Some` when there is no error.
    pub(crate) settings: Option<Settings>,
}

/// Reads the sources into settings.
pub(crate) fn load(sources: &Sources) -> Loaded {
    let mut problems = Vec::new();
    let merged = merge(sources, &mut problems);
    let mut values = Values::check(merged, &mut problems);
    assume_defaults(&mut values, sources.file.is_some(), &mut problems);
    find_refusals(&values, &mut problems);
    let (listeners, controller) = listeners(&values, &mut problems);
    let metrics = metrics(&values, &mut problems);
    let log_dir = log_dir(&values, &mut problems);
    check_pairs(&values, &mut problems);
    warn_of_host(&values, Host::this(), &mut problems);
    // As the operator reads the file.
    problems.sort_by_key(Problem::place);
    let clean = !problems.iter().any(Problem::is_error);
    let settings = clean.then(|| Settings {
        broker: broker(&values, log_dir, listeners, controller),
        metrics,
    });
    Loaded {
        values,
        problems,
        settings,
    }
}

/// One node is the default shape; without a file it also stays on this machine.
fn assume_defaults(values: &mut Values, has_file: bool, problems: &mut Vec<Problem>) {
    if let Some(old) = values
        .written("broker.id")
        .filter(|old| old.value != "-1")
        .cloned()
    {
        if values
            .written("node.id")
            .is_some_and(|new| new.value != old.value)
        {
            problems.push(Problem::error(
                old.origin.clone(),
                "broker.id",
                "differs from node.id",
                "remove broker.id: node.id replaces it",
            ));
        }
        values.assume("node.id", &old.value);
    }
    values.assume("node.id", "1");
    values.assume("process.roles", "broker,controller");
    values.assume("offsets.topic.replication.factor", "1");
    if !has_file {
        values.assume("listeners", "PLAINTEXT://127.0.0.1:9092");
        if values.written("log.dir").is_none() {
            values.assume("log.dirs", "ottla-data");
        }
    }
}

fn log_dir(values: &Values, problems: &mut Vec<Problem>) -> PathBuf {
    let key = if values.written("log.dirs").is_some() {
        "log.dirs"
    } else {
        "log.dir"
    };
    let dirs: Vec<_> = split_list(values.text(key).unwrap_or_default()).collect();
    if dirs.len() != 1 {
        problems.push(Problem::error(
            values.origin(key),
            key,
            &format!("names {} directories", dirs.len()),
            "this version keeps its data in one: name one directory",
        ));
    }
    let dir = dirs.first().map(PathBuf::from).unwrap_or_default();
    let metadata_dir = values.text("metadata.log.dir");
    if metadata_dir.is_some_and(|metadata| dir != Path::new(metadata)) {
        problems.push(Problem::error(
            values.origin("metadata.log.dir"),
            "metadata.log.dir",
            "is not the data directory",
            "this version keeps its data in one: remove the key; a __cluster_metadata-0 that is in \
             the other goes into the data directory first",
        ));
    }
    dir
}

fn metrics(values: &Values, problems: &mut Vec<Problem>) -> MetricsSettings {
    let key = "ottla.metrics.listener";
    let required = values.bool("ottla.metrics.required");
    let text = values.text(key).unwrap_or_default();
    let listener = text.parse();
    if listener.is_err() && !text.is_empty() {
        let remedy = "write for example 127.0.0.1:9644";
        let fault = format!("'{text}' is not address:port");
        problems.push(Problem::error(values.origin(key), key, &fault, remedy));
    }
    MetricsSettings {
        listener: listener.ok(),
        required,
    }
}

/// Pairs of keys whose order Kafka insists on.
fn check_pairs(values: &Values, problems: &mut Vec<Problem>) {
    let ordered = [
        ("message.max.bytes", "socket.request.max.bytes"),
        (
            "group.min.session.timeout.ms",
            "group.max.session.timeout.ms",
        ),
    ];
    for (smaller, larger) in ordered {
        let (low, high) = (values.integer(smaller), values.integer(larger));
        if low > high {
            problems.push(Problem::error(
                values.origin(smaller),
                smaller,
                &format!("is above {larger}"),
                &format!("lower it, or raise {larger}"),
            ));
        }
    }
    for key in [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ] {
        if values.integer(key) == Some(0) {
            let remedy = "write -1 to keep records for ever, or an age";
            problems.push(Problem::error(
                values.origin(key),
                key,
                "must not be 0",
                remedy,
            ));
        }
    }
}

fn broker(
    values: &Values,
    log_dir: PathBuf,
    listeners: Vec<ListenerConfig>,
    controller_listener: Told,
) -> BrokerConfig {
    let shards = values.integer("ottla.shards");
    BrokerConfig {
        node_id: BrokerId(values.int("node.id")),
        cluster_id: None,
        log_dir,
        listeners,
        controller_listener,
        rack: values.text("broker.rack").map(str::to_owned),
        shard_count: shards.map(|count| u16::try_from(count).expect("bounded by its kind")),
        memory_bytes: values.unsigned("ottla.memory.bytes"),
        flush_files: match values.text("ottla.flush.files") {
            Some("journal") => FlushFiles::Journal,
            Some("each") => FlushFiles::Each,
            _ => FlushFiles::Auto,
        },
        pool_size_bytes_max: values.unsigned("ottla.pool.bytes"),
        request_size_bytes_max: values.unsigned("socket.request.max.bytes"),
        connection_idle_max: idle_max(values),
        connections_max: values.unsigned("max.connections"),
        fetch_size_bytes_max: values.unsigned("fetch.max.bytes"),
        fetch_sessions_max: values.unsigned("max.incremental.fetch.session.cache.slots"),
        auto_create_topics: values.bool("auto.create.topics.enable"),
        delete_topics: values.bool("delete.topic.enable"),
        metadata_log: metadata_log(values),
        maintenance_delay: values.milliseconds("log.initial.task.delay.ms"),
        retention_check_interval: values.milliseconds("log.retention.check.interval.ms"),
        producer_id_expiration: values.milliseconds("producer.id.expiration.ms"),
        offsets_partitions: values.int("offsets.topic.num.partitions"),
        offsets_segment_size_bytes: values.int("offsets.topic.segment.bytes"),
        offsets_retention: Duration::from_secs(
            values.unsigned::<u64>("offsets.retention.minutes") * 60,
        ),
        offsets_retention_check_interval: values
            .milliseconds("offsets.retention.check.interval.ms"),
        offset_metadata_size_bytes_max: values.unsigned("offset.metadata.max.bytes"),
        group_session_timeout_min: values.milliseconds("group.min.session.timeout.ms"),
        group_session_timeout_max: values.milliseconds("group.max.session.timeout.ms"),
        group_initial_rebalance_delay: values.milliseconds("group.initial.rebalance.delay.ms"),
        group_size_max: values.unsigned("group.max.size"),
        properties: values
            .all_written()
            .iter()
            .map(|(name, property)| (name.clone(), property.value.clone()))
            .collect(),
    }
}

fn metadata_log(values: &Values) -> MetadataLogConfig {
    let number = |name| values.integer(name).expect("it has a default");
    let interval = values.milliseconds("metadata.log.max.snapshot.interval.ms");
    MetadataLogConfig {
        snapshot_record_size_bytes_max: values
            .unsigned("metadata.log.max.record.bytes.between.snapshots"),
        snapshot_interval: (!interval.is_zero()).then_some(interval),
        retention_bytes: number("metadata.max.retention.bytes"),
        retention_ms: number("metadata.max.retention.ms"),
        segment_size_bytes: values.unsigned("metadata.log.segment.bytes"),
        segment_ms: number("metadata.log.segment.ms"),
    }
}

/// A negative value means "never" in Kafka.
fn idle_max(values: &Values) -> Duration {
    match values.integer("connections.max.idle.ms") {
        Some(milliseconds) if milliseconds >= 0 => values.milliseconds("connections.max.idle.ms"),
        _ => Duration::MAX,
    }
}
