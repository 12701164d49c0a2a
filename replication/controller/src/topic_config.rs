//! The configuration of a topic: judged, described, and as the log uses it.

use replication_metadata::image::ConfigMap;

use crate::answer::CreatedConfig;
use crate::broker_config::{BrokerConfigs, ConfigDescription, ConfigSource, Synonym};
use crate::config_key::{Bounds, Value, parse};
use crate::error::{ApiError, ErrorKind};
use crate::topic_keys::{TOPIC_KEYS, TopicKey, topic_key};

/// Which of a topic's keys name its durability: our own, or Kafka's nearest.
pub(crate) const DURABILITY: &str = "ottla.durability";
const FLUSH_MESSAGES: &str = "flush.messages";

/// Judges the values a topic would have.
///
/// # Errors
/// The first thing wrong with them: an unknown key, a value out of bounds, two values that
/// contradict each other.
pub(crate) fn validate_topic(
    values: &ConfigMap,
    brokers: &BrokerConfigs<'_>,
) -> Result<(), ApiError> {
    let invalid = |message: String| ApiError::new(ErrorKind::InvalidConfig, message);
    if let Some(name) = values.keys().find(|name| topic_key(name).is_none()) {
        return Err(invalid(format!("Unknown topic config name: {name}")));
    }
    for key in &TOPIC_KEYS {
        if let Some(text) = values.get(key.name) {
            parse(key.name, key.kind, key.bounds, text).map_err(invalid)?;
        }
    }
    let topic = TopicConfigs {
        overrides: values,
        brokers,
    };
    let lags = ["min.compaction.lag.ms", "max.compaction.lag.ms"].map(|name| topic.number(name));
    if lags[0] > lags[1] {
        return Err(invalid(format!(
            "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
            lags[0], lags[1]
        )));
    }
    if topic.is_true("remote.storage.enable") {
        return Err(invalid(
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage."
                .to_owned(),
        ));
    }
    Ok(())
}

/// A topic's overrides over its broker's layers.
#[derive(Clone, Copy, Debug)]
pub struct TopicConfigs<'a> {
    /// What was set on the topic.
    pub overrides: &'a ConfigMap,
    /// What holds where nothing was.
    pub brokers: &'a BrokerConfigs<'a>,
}

impl TopicConfigs<'_> {
    /// The value of a key, in the key's own unit, and where it comes from.
    #[must_use]
    pub fn value(&self, key: &TopicKey) -> (Option<String>, ConfigSource) {
        if let Some(value) = self.overrides.get(key.name) {
            return (Some(value.clone()), ConfigSource::Topic);
        }
        for source in [
            ConfigSource::Broker,
            ConfigSource::Cluster,
            ConfigSource::Fixed,
        ] {
            for synonym in key.synonyms {
                if let Some(value) = self.brokers.at(source, synonym) {
                    return (Some(in_milliseconds(synonym, value)), source);
                }
            }
        }
        (key.default.map(str::to_owned), ConfigSource::Default)
    }

    /// A value by the name of its key, read as its type says. Values were judged when they were
    /// set; one that is out of bounds all the same (a broker's default of another release) gives
    /// way to Kafka's default.
    fn read(&self, name: &str) -> Value {
        let key = topic_key(name).expect("callers name keys of the table");
        let parsed = |text: &str| parse(name, key.kind, Bounds::Any, text).ok();
        let value = self.value(key).0.as_deref().and_then(parsed);
        value
            .or_else(|| key.default.and_then(parsed))
            .unwrap_or(Value::Number(-1))
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        match self.read(name) {
            Value::Number(number) => number,
            _ => unreachable!("callers ask numbers of keys of that type"),
        }
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.read(name) == Value::Boolean(true)
    }

    fn text(&self, name: &str) -> String {
        match self.read(name) {
            Value::Text(text) => text,
            _ => unreachable!("callers ask words of keys of that type"),
        }
    }

    /// Every key that is not internal, or that is set, as CreateTopics answers.
    #[must_use]
    pub fn created(&self) -> Vec<CreatedConfig> {
        self.shown()
            .map(|key| {
                let (value, source) = self.value(key);
                CreatedConfig {
                    name: key.name,
                    value,
                    source: source.id(),
                    sensitive: key.kind.is_sensitive(),
                }
            })
            .collect()
    }

    /// The same as DescribeConfigs answers. The source is that of the strongest synonym, and
    /// synonyms begin with the broker's first: where a broker sets its retention in hours, the
    /// value is right and its source reads as the default. Kafka says it so.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigDescription> {
        self.shown()
            .map(|key| {
                let synonyms = self.synonyms(key);
                ConfigDescription {
                    name: key.name.to_owned(),
                    value: self.value(key).0,
                    source: synonyms
                        .first()
                        .map_or(ConfigSource::Default, |first| first.source),
                    read_only: false,
                    sensitive: key.kind.is_sensitive(),
                    kind: Some(key.kind),
                    synonyms,
                    documentation: key.documentation,
                }
            })
            .collect()
    }

    fn synonyms(&self, key: &TopicKey) -> Vec<Synonym> {
        let own = self.overrides.get(key.name).map(|value| Synonym {
            name: key.name.to_owned(),
            value: Some(value.clone()),
            source: ConfigSource::Topic,
        });
        let brokers = key.synonyms.first().map(|name| self.brokers.synonyms(name));
        own.into_iter().chain(brokers.unwrap_or_default()).collect()
    }

    fn shown(&self) -> impl Iterator<Item = &'static TopicKey> {
        TOPIC_KEYS
            .iter()
            .filter(|key| !key.internal || self.overrides.contains_key(key.name))
    }

    /// What the log of the topic's partitions works by.
    #[must_use]
    pub fn log_config(&self) -> LogConfig {
        let Value::List(cleanup) = self.read("cleanup.policy") else {
            unreachable!("cleanup.policy is a list");
        };
        let Value::Fraction(min_cleanable_dirty_ratio) = self.read("min.cleanable.dirty.ratio")
        else {
            unreachable!("min.cleanable.dirty.ratio is a fraction");
        };
        let (durability, flush_messages) = self.durability();
        let internal = self.overrides.get("internal.segment.bytes");
        LogConfig {
            segment_size_bytes: internal
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or_else(|| self.number("segment.bytes")),
            segment_ms: self.number("segment.ms"),
            segment_jitter_ms: self
                .number("segment.jitter.ms")
                .min(self.number("segment.ms")),
            segment_index_size_bytes: self.number("segment.index.bytes"),
            index_interval_bytes: self.number("index.interval.bytes"),
            file_delete_delay_ms: self.number("file.delete.delay.ms"),
            retention_ms: self.number("retention.ms"),
            retention_bytes: self.number("retention.bytes"),
            compact: cleanup.iter().any(|policy| policy == "compact"),
            delete: cleanup.iter().any(|policy| policy == "delete"),
            delete_retention_ms: self.number("delete.retention.ms"),
            min_compaction_lag_ms: self.number("min.compaction.lag.ms"),
            max_compaction_lag_ms: self.number("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio,
            message_size_bytes_max: self.number("max.message.bytes"),
            decompressed_size_bytes_max: self.number("max.decompressed.message.bytes"),
            log_append_time: self.text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max_ms: self.number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: self.number("message.timestamp.after.max.ms"),
            compression: self.compression(),
            min_insync_replicas: self.number("min.insync.replicas"),
            unclean_leader_election: self.is_true("unclean.leader.election.enable"),
            durability,
            flush_messages,
            flush_ms: self.number("flush.ms"),
            validate_all_records: self.text("ottla.validate.records") == "all",
        }
    }

    fn compression(&self) -> TopicCompression {
        let level = |name| {
            i32::try_from(self.number(name))
                .ok()
                .filter(|level| *level != -1)
        };
        match self.text("compression.type").as_str() {
            "uncompressed" => TopicCompression::Uncompressed,
            "gzip" => TopicCompression::Gzip {
                level: level("compression.gzip.level"),
            },
            "snappy" => TopicCompression::Snappy,
            "lz4" => TopicCompression::Lz4 {
                level: level("compression.lz4.level"),
            },
            "zstd" => TopicCompression::Zstd {
                level: level("compression.zstd.level"),
            },
            _ => TopicCompression::Producer,
        }
    }

    /// What acknowledgements wait for, and after how many records at the latest a flush comes.
    ///
    /// The stronger layer wins; within a layer our own key wins over Kafka's. Kafka's
    /// `flush.messages` of 1 asks for a flush before each acknowledgement; a finite larger number
    /// asks for one every so often, which is `written`; its default, absent or written out, says
    /// nothing.
    fn durability(&self) -> (Durability, Option<i64>) {
        let own = |text: &str| match text.trim() {
            "written" => (Durability::Written, None),
            _ => (Durability::Flush, None),
        };
        let kafkas = |text: &str| match text.trim().parse::<i64>() {
            Ok(1) => Some((Durability::Flush, None)),
            Ok(count) if (2..i64::MAX).contains(&count) => Some((Durability::Written, Some(count))),
            _ => None,
        };
        if let Some(text) = self.overrides.get(DURABILITY) {
            return own(text);
        }
        if let Some(found) = self
            .overrides
            .get(FLUSH_MESSAGES)
            .and_then(|text| kafkas(text))
        {
            return found;
        }
        for source in [
            ConfigSource::Broker,
            ConfigSource::Cluster,
            ConfigSource::Fixed,
        ] {
            if let Some(text) = self.brokers.at(source, DURABILITY) {
                return own(text);
            }
            let flush = self.brokers.at(source, "log.flush.interval.messages");
            if let Some(found) = flush.and_then(kafkas) {
                return found;
            }
        }
        (Durability::Flush, None)
    }
}

/// A broker's value in the unit of the topic's key: hours and minutes become milliseconds.
fn in_milliseconds(synonym: &str, value: &str) -> String {
    let factor = match synonym.rsplit('.').next() {
        Some("hours") => 3_600_000,
        Some("minutes") => 60_000,
        _ => return value.to_owned(),
    };
    match value.trim().parse::<i64>() {
        // -1 means "no bound" in any unit.
        Ok(count) if count < 0 => value.to_owned(),
        Ok(count) => count.saturating_mul(factor).to_string(),
        Err(_) => value.to_owned(),
    }
}

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The records are on stable media.
    Flush,
    /// The records survive the end of the process.
    Written,
}

/// What the broker compresses with. Levels are `None` for the codec's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCompression {
    /// Each batch stays as it came.
    Producer,
    /// None.
    Uncompressed,
    /// gzip.
    Gzip {
        /// 1 to 9.
        level: Option<i32>,
    },
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4 {
        /// 1 to 17.
        level: Option<i32>,
    },
    /// Zstandard.
    Zstd {
        /// Up to 22.
        level: Option<i32>,
    },
}

/// What the log of a partition works by. Numbers are Kafka's: -1 is "no bound" where that is
/// lawful.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`.
    pub segment_size_bytes: i64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`, never above `segment_ms`.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_size_bytes: i64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// `retention.ms`.
    pub retention_ms: i64,
    /// `retention.bytes`.
    pub retention_bytes: i64,
    /// `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `cleanup.policy` has `delete`.
    pub delete: bool,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `max.message.bytes`.
    pub message_size_bytes_max: i64,
    /// `max.decompressed.message.bytes`.
    pub decompressed_size_bytes_max: i64,
    /// `message.timestamp.type` is LogAppendTime.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `compression.type` and the level of its codec.
    pub compression: TopicCompression,
    /// `min.insync.replicas`, before it is cut to the number of replicas.
    pub min_insync_replicas: i64,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// What acknowledgements wait for.
    pub durability: Durability,
    /// In `written` mode, a flush after so many records at the latest.
    pub flush_messages: Option<i64>,
    /// `flush.ms`: a flush after so long at the latest.
    pub flush_ms: i64,
    /// `ottla.validate.records` is `all`.
    pub validate_all_records: bool,
}
