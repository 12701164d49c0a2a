//! A topic's configuration in the forms that the data path wants.

use engine_base::GIB;
use engine_log::{Durability, LogConfig};
use engine_record::validate::{RecordCheck, Rules};
use engine_record::{Compression, TargetCompression, TimestampType};
use replication_controller::{BrokerConfigs, TopicCompression, TopicConfigs};
use replication_metadata::MetadataImage;
use replication_metadata::image::TopicImage;

use crate::catalog::is_internal;
use crate::config::BrokerConfig;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct TopicSettings {
    /// What a batch must keep to.
    pub(crate) rules: Rules,
    /// What the log works by.
    pub(crate) log: LogConfig,
}

impl TopicSettings {
    /// The settings of a topic in an image.
    pub(crate) fn new(config: &BrokerConfig, image: &MetadataImage, topic: &TopicImage) -> Self {
        let brokers = BrokerConfigs::new(&config.properties, image.configs(), config.node_id.0);
        let overrides = image.configs().topic(&topic.name);
        let topic_configs = TopicConfigs {
            overrides: &overrides,
            brokers: &brokers,
        };
        let set = topic_configs.log_config();
        let timestamp_type = if set.log_append_time {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        };
        let positive = |number: i64, fallback: u64| u64::try_from(number).unwrap_or(fallback);
        let rules = Rules {
            batch_size_bytes_max: usize::try_from(set.message_size_bytes_max).unwrap_or(0),
            segment_size_bytes_max: usize::try_from(set.segment_size_bytes).unwrap_or(GIB),
            compacted: set.compact,
            timestamp_type,
            timestamp_before_ms_max: set.timestamp_before_max_ms,
            timestamp_after_ms_max: set.timestamp_after_max_ms,
            records: if set.validate_all_records {
                RecordCheck::All
            } else {
                RecordCheck::Header
            },
            compression: target_of(set.compression),
        };
        let is_written = set.durability == replication_controller::Durability::Written;
        let log = LogConfig {
            // What coordinators promise must hold through a power cut, whatever the default.
            durability: if is_written && !is_internal(&topic.name) {
                Durability::Written
            } else {
                Durability::Flush
            },
            segment_size_bytes: positive(set.segment_size_bytes, GIB as u64),
            segment_ms: set.segment_ms,
            segment_jitter_ms: set.segment_jitter_ms,
            index_size_bytes_max: positive(set.segment_index_size_bytes, 10 << 20),
            index_interval_bytes: positive(set.index_interval_bytes, 4096),
            retention_ms: set.retention_ms,
            retention_bytes: set.retention_bytes,
            is_deleting: set.delete,
            producer_id_expiration_ms: i64::try_from(config.producer_id_expiration.as_millis())
                .unwrap_or(i64::MAX),
        };
        Self { rules, log }
    }

    /// Says that a topic asks for what this version does not do.
    pub(crate) fn warn_of_compaction(&self, topic: &str) {
        if !self.rules.compacted || is_internal(topic) {
            return;
        }
        let kept = match self.log.is_deleting {
            true => "retention deletes its old records, nothing else does",
            false => "it keeps every record and grows for ever",
        };
        tracing::warn!(
            "topic {topic} asks for compaction (cleanup.policy), which is not in this version: {kept}"
        );
    }
}

/// What batches are written anew in, if at all. LZ4 has one level here, as in every producer that
/// is not Java's.
fn target_of(compression: TopicCompression) -> Option<TargetCompression> {
    let (compression, level) = match compression {
        TopicCompression::Producer => return None,
        TopicCompression::Uncompressed => (Compression::None, None),
        TopicCompression::Gzip { level } => (Compression::Gzip, level),
        TopicCompression::Snappy => (Compression::Snappy, None),
        TopicCompression::Lz4 { .. } => (Compression::Lz4, None),
        TopicCompression::Zstd { level } => (Compression::Zstd, level),
    };
    Some(TargetCompression { compression, level })
}
