//! What the broker is told at start. Parsed and checked by the binary; plain values here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use engine_base::{BrokerId, GIB, KIB, MIB};
pub use engine_log::FlushFiles;

/// Where clients connect, and what they are told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// The listener's name, `PLAINTEXT` by default.
    pub name: String,
    /// The address to bind; port 0 picks one.
    pub bind: SocketAddr,
    /// The host that clients are told (`advertised.listeners`).
    pub advertised_host: String,
    /// The port that clients are told; `None` for the port that was bound.
    pub advertised_port: Option<u16>,
}

/// The metadata log and its snapshots (KIP-630).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLogConfig {
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_record_size_bytes_max: u64,
    /// `metadata.log.max.snapshot.interval.ms`; `None` for no snapshots by time.
    pub snapshot_interval: Option<Duration>,
    /// `metadata.max.retention.bytes`, of log and snapshots together; negative for no bound.
    pub retention_bytes: i64,
    /// `metadata.max.retention.ms`; negative for no bound.
    pub retention_ms: i64,
    /// `metadata.log.segment.bytes`.
    pub segment_size_bytes: u64,
    /// `metadata.log.segment.ms`.
    pub segment_ms: i64,
}

impl Default for MetadataLogConfig {
    /// Kafka 4.4's defaults.
    fn default() -> Self {
        const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;
        Self {
            snapshot_record_size_bytes_max: 20 * MIB as u64,
            snapshot_interval: Some(Duration::from_secs(3600)),
            retention_bytes: 100 * MIB as i64,
            retention_ms: WEEK_MS,
            segment_size_bytes: GIB as u64,
            segment_ms: WEEK_MS,
        }
    }
}

/// The broker's configuration.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: BrokerId,
    /// The cluster this node belongs to: an empty directory is formatted for it, one of another
    /// cluster is refused. `None` takes what the directory says, or a fresh id.
    pub cluster_id: Option<String>,
    /// The data directory (`log.dirs`).
    pub log_dir: PathBuf,
    /// Client listeners, at least one.
    pub listeners: Vec<ListenerConfig>,
    /// Name, host and port of the controller's listener, as the quorum's voters name it. A quorum
    /// of one needs no socket for it, but a Kafka that takes the directory over does.
    pub controller_listener: (String, String, u16),
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Shards (`ottla.shards`); `None` for the cores the process may use.
    pub shard_count: Option<u16>,
    /// Memory for frames, caches and tables of the whole process (`ottla.memory.bytes`).
    pub memory_bytes: usize,
    /// `ottla.flush.files`.
    pub flush_files: FlushFiles,
    /// Bytes of recycled segment files that each shard keeps (`ottla.pool.bytes`).
    pub pool_size_bytes_max: u64,
    /// `socket.request.max.bytes`.
    pub request_size_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub connection_idle_max: Duration,
    /// `max.connections`.
    pub connections_max: usize,
    /// `fetch.max.bytes`.
    pub fetch_size_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// The metadata log and its snapshots.
    pub metadata_log: MetadataLogConfig,
    /// `log.initial.task.delay.ms`: retention looks at logs for the first time this long after the
    /// start.
    pub maintenance_delay: Duration,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Duration,
    /// `offsets.topic.num.partitions`.
    pub offsets_partitions: i32,
    /// `offsets.topic.segment.bytes`.
    pub offsets_segment_size_bytes: i32,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_size_bytes_max: usize,
    /// `group.min.session.timeout.ms`.
    pub group_session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub group_session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub group_size_max: usize,
    /// Every property that was set, by Kafka's name: what DescribeConfigs reports, and where the
    /// defaults of topic-level keys come from.
    pub properties: BTreeMap<String, String>,
}

impl Default for BrokerConfig {
    /// Kafka 4.4's defaults, on 127.0.0.1:9092 with data in `./ottla-data`.
    fn default() -> Self {
        let listener = ListenerConfig {
            name: "PLAINTEXT".to_owned(),
            bind: SocketAddr::from(([127, 0, 0, 1], 9092)),
            advertised_host: "127.0.0.1".to_owned(),
            advertised_port: None,
        };
        Self {
            node_id: BrokerId(1),
            cluster_id: None,
            log_dir: PathBuf::from("ottla-data"),
            listeners: vec![listener],
            controller_listener: ("CONTROLLER".to_owned(), "localhost".to_owned(), 9093),
            rack: None,
            shard_count: None,
            memory_bytes: 512 * MIB,
            flush_files: FlushFiles::Auto,
            pool_size_bytes_max: engine_log::limits::POOL_SIZE_BYTES_MAX,
            request_size_bytes_max: 100 * MIB,
            connection_idle_max: Duration::from_secs(600),
            connections_max: usize::MAX,
            fetch_size_bytes_max: 55 * MIB,
            fetch_sessions_max: 1000,
            auto_create_topics: true,
            delete_topics: true,
            metadata_log: MetadataLogConfig::default(),
            maintenance_delay: Duration::from_secs(30),
            retention_check_interval: Duration::from_secs(300),
            producer_id_expiration: Duration::from_secs(86_400),
            offsets_partitions: 50,
            offsets_segment_size_bytes: 104_857_600,
            offsets_retention: Duration::from_secs(7 * 86_400),
            offsets_retention_check_interval: Duration::from_secs(600),
            offset_metadata_size_bytes_max: 4 * KIB,
            group_session_timeout_min: Duration::from_secs(6),
            group_session_timeout_max: Duration::from_secs(1800),
            group_initial_rebalance_delay: Duration::from_secs(3),
            group_size_max: usize::try_from(i32::MAX).unwrap_or(usize::MAX),
            properties: BTreeMap::new(),
        }
    }
}
