//! Changing configuration, and what it comes to: records and refusals as Apache Kafka 4.4.0's.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use replication_controller::command::{AlterConfigs, ConfigChange, ConfigOperation};
use replication_controller::{
    Answer, ApiError, BrokerConfigs, Command, ConfigSource, Controller, Durability, ErrorKind,
    LogConfig, TOPIC_KEYS, TopicCompression, TopicConfigs,
};
use replication_metadata::Record;
use replication_metadata::image::{ConfigResource, ResourceType};
use support::{cluster, create, new_topic, refusal, with_configs};

use ConfigOperation::{Append, Delete, Set, Subtract};

type Changes<'a> = [(&'a str, ConfigOperation, &'a str)];

fn changes(changes: &Changes<'_>) -> Vec<ConfigChange> {
    let change = |&(name, operation, value): &(&str, ConfigOperation, &str)| ConfigChange {
        name: name.to_owned(),
        operation,
        value: (operation != Delete).then(|| value.to_owned()),
    };
    changes.iter().map(change).collect()
}

fn alter(
    controller: &mut Controller,
    resource: ConfigResource,
    to: &Changes<'_>,
) -> (Vec<Record<'static>>, Result<(), ApiError>) {
    let resources = vec![(resource, changes(to))];
    let command = AlterConfigs {
        resources,
        validate_only: false,
        legacy: false,
    };
    let outcome = controller.handle(&Command::AlterConfigs(command)).unwrap();
    let Answer::ConfigsAltered(mut results) = outcome.answer else {
        panic!("another answer")
    };
    (outcome.records, results.remove(0).1)
}

fn with_topic() -> Controller {
    let mut controller = cluster(1, &[]);
    let topic = with_configs(new_topic("t1", 1, 1), &[("retention.ms", "1000")]);
    create(&mut controller, topic).1.unwrap();
    controller
}

fn value<'a>(controller: &'a Controller, name: &str) -> Option<&'a str> {
    controller
        .image()
        .configs()
        .value(&ConfigResource::topic("t1"), name)
}

#[test]
fn lists_grow_and_shrink() {
    let mut controller = with_topic();
    let topic = || ConfigResource::topic("t1");
    for (to, expected) in [
        (("cleanup.policy", Append, "compact"), "delete,compact"),
        (("cleanup.policy", Subtract, "delete"), "compact"),
        (("cleanup.policy", Append, "compact"), "compact"),
        (("cleanup.policy", Subtract, "compact"), ""),
    ] {
        alter(&mut controller, topic(), &[to]).1.unwrap();
        assert_eq!(value(&controller, "cleanup.policy"), Some(expected));
    }
    let refused = refusal(alter(&mut controller, topic(), &[("segment.bytes", Append, "1")]).1);
    let message = "Can't APPEND to key segment.bytes because its type is not LIST.".to_owned();
    assert_eq!(refused, (ErrorKind::InvalidConfig, message));
}

#[test]
fn a_value_set_as_it_is_makes_no_record_for_a_topic_but_one_for_a_broker() {
    let mut controller = with_topic();
    let same = [("retention.ms", Set, "1000")];
    assert!(
        alter(&mut controller, ConfigResource::topic("t1"), &same)
            .0
            .is_empty()
    );
    let (records, result) = alter(
        &mut controller,
        ConfigResource::topic("t1"),
        &[("retention.ms", Delete, "")],
    );
    result.unwrap();
    assert_eq!(
        (records.len(), value(&controller, "retention.ms")),
        (1, None)
    );
    for _ in 0..2 {
        let threads = [("log.cleaner.threads", Set, "2")];
        let (records, result) = alter(&mut controller, ConfigResource::broker(1), &threads);
        result.unwrap();
        assert_eq!(records.len(), 1);
    }
}

#[test]
fn a_changed_bound_clears_eligible_leaders() {
    let mut controller = with_topic();
    let to = [("min.insync.replicas", Set, "1")];
    let (records, _) = alter(&mut controller, ConfigResource::topic("t1"), &to);
    let [Record::Config(_), Record::ClearElr(clear)] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(clear.topic_name, "t1");
    let (records, _) = alter(&mut controller, ConfigResource::cluster(), &to);
    let [Record::Config(_), Record::ClearElr(clear)] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(clear.topic_name, "");
}

#[test]
fn refusals_are_kafkas() {
    let mut controller = with_topic();
    let topic = || ConfigResource::topic("t1");
    let mut refused = |resource, to: &Changes<'_>| refusal(alter(&mut controller, resource, to).1);
    use ErrorKind as Kind;
    for (resource, to, kind, message) in [
        (
            topic(),
            ("retention.ms", Set, "x"),
            Kind::InvalidConfig,
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        (
            topic(),
            ("no.such", Set, "x"),
            Kind::InvalidConfig,
            "Unknown topic config name: no.such",
        ),
        (
            ConfigResource::topic("nope"),
            ("retention.ms", Set, "7"),
            Kind::UnknownTopicOrPartition,
            "The topic 'nope' does not exist.",
        ),
        (
            ConfigResource::topic(""),
            ("retention.ms", Set, "7"),
            Kind::InvalidRequest,
            "Default topic resources are not allowed.",
        ),
        (
            ConfigResource::broker(2),
            ("log.cleaner.threads", Set, "2"),
            Kind::InvalidRequest,
            "Unexpected broker id, expected 1, but received 2",
        ),
        (
            ConfigResource::new(ResourceType::Broker, "x"),
            ("log.cleaner.threads", Set, "2"),
            Kind::InvalidRequest,
            "Node id must be an integer, but it is: x",
        ),
        (
            ConfigResource::broker(1),
            ("min.insync.replicas", Set, "2"),
            Kind::InvalidConfig,
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        ),
        (
            ConfigResource::cluster(),
            ("min.insync.replicas", Delete, ""),
            Kind::InvalidConfig,
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        ),
        (
            ConfigResource::cluster(),
            ("num.partitions", Set, "4"),
            Kind::InvalidRequest,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
    ] {
        assert_eq!(refused(resource, &[to]), (kind, message.to_owned()));
    }
    let twice = [("retention.ms", Set, "7"), ("retention.ms", Set, "8")];
    let message = "Error due to duplicate config keys".to_owned();
    assert_eq!(refused(topic(), &twice), (Kind::InvalidRequest, message));
    let conflict = [
        ("min.compaction.lag.ms", Set, "9"),
        ("max.compaction.lag.ms", Set, "8"),
    ];
    assert_eq!(
        refused(topic(), &conflict).1,
        "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)"
    );
    // One may take away what is not there.
    alter(&mut controller, topic(), &[("no.such", Delete, "")])
        .1
        .unwrap();
}

#[test]
fn a_resource_changes_as_a_whole_or_not_at_all() {
    let mut controller = with_topic();
    let resources = vec![
        (
            ConfigResource::topic("t1"),
            changes(&[("retention.ms", Set, "7"), ("segment.bytes", Set, "x")]),
        ),
        (
            ConfigResource::cluster(),
            changes(&[("log.retention.ms", Set, "9")]),
        ),
    ];
    let command = AlterConfigs {
        resources,
        validate_only: false,
        legacy: false,
    };
    let outcome = controller.handle(&Command::AlterConfigs(command)).unwrap();
    assert_eq!(outcome.records.len(), 1);
    assert_eq!(value(&controller, "retention.ms"), Some("1000"));
    let cluster = controller
        .image()
        .configs()
        .value(&ConfigResource::cluster(), "log.retention.ms");
    assert_eq!(cluster, Some("9"));
}

#[test]
fn the_older_request_deletes_what_it_does_not_name() {
    let mut controller = with_topic();
    let resources = vec![(
        ConfigResource::topic("t1"),
        changes(&[("segment.ms", Set, "5")]),
    )];
    let command = AlterConfigs {
        resources,
        validate_only: false,
        legacy: true,
    };
    controller.handle(&Command::AlterConfigs(command)).unwrap();
    assert_eq!(value(&controller, "retention.ms"), None);
    assert_eq!(value(&controller, "segment.ms"), Some("5"));
}

fn log_config(fixed: &[(&str, &str)], topic: &[(&str, &str)]) -> LogConfig {
    let controller = cluster(1, &[]);
    let map = |values: &[(&str, &str)]| {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let fixed = map(fixed);
    let brokers = BrokerConfigs::new(&fixed, controller.image().configs(), 1);
    TopicConfigs {
        overrides: &map(topic),
        brokers: &brokers,
    }
    .log_config()
}

#[test]
fn a_log_works_by_kafkas_defaults() {
    let config = log_config(&[], &[]);
    assert_eq!(
        (config.segment_size_bytes, config.segment_ms),
        (1 << 30, 604_800_000)
    );
    assert_eq!(
        (config.retention_ms, config.retention_bytes),
        (604_800_000, -1)
    );
    assert_eq!((config.delete, config.compact), (true, false));
    assert_eq!(config.message_size_bytes_max, 1_048_588);
    assert_eq!(config.timestamp_after_max_ms, 3_600_000);
    assert_eq!(
        (config.compression, config.log_append_time),
        (TopicCompression::Producer, false)
    );
    assert_eq!(
        (config.durability, config.flush_messages),
        (Durability::Flush, None)
    );
    assert!(config.validate_all_records && !config.unclean_leader_election);
}

#[test]
fn a_brokers_hours_and_minutes_become_milliseconds() {
    let hours = [("log.retention.hours", "2"), ("log.roll.hours", "3")];
    let config = log_config(&hours, &[]);
    assert_eq!(
        (config.retention_ms, config.segment_ms),
        (7_200_000, 10_800_000)
    );
    let minutes = [("log.retention.hours", "2"), ("log.retention.minutes", "3")];
    assert_eq!(log_config(&minutes, &[]).retention_ms, 180_000);
    let ms = [("log.retention.minutes", "3"), ("log.retention.ms", "4")];
    assert_eq!(log_config(&ms, &[]).retention_ms, 4);
    assert_eq!(log_config(&ms, &[("retention.ms", "5")]).retention_ms, 5);
    assert_eq!(
        log_config(&[("log.retention.hours", "-1")], &[]).retention_ms,
        -1
    );
}

#[test]
fn durability_follows_the_nearest_word_on_it() {
    let of = |fixed: &[(&str, &str)], topic: &[(&str, &str)]| {
        let config = log_config(fixed, topic);
        (config.durability, config.flush_messages)
    };
    let (flush, written) = (Durability::Flush, Durability::Written);
    let never = i64::MAX.to_string();
    assert_eq!(
        of(&[("log.flush.interval.messages", &never)], &[]),
        (flush, None)
    );
    assert_eq!(
        of(&[("log.flush.interval.messages", "1")], &[]),
        (flush, None)
    );
    assert_eq!(
        of(&[("log.flush.interval.messages", "10")], &[]),
        (written, Some(10))
    );
    assert_eq!(of(&[("ottla.durability", "written")], &[]), (written, None));
    assert_eq!(
        of(
            &[("ottla.durability", "written")],
            &[("flush.messages", "1")]
        ),
        (flush, None)
    );
    assert_eq!(of(&[], &[("flush.messages", "7")]), (written, Some(7)));
    let both = [("flush.messages", "7"), ("ottla.durability", "flush")];
    assert_eq!(of(&[], &both), (flush, None));
}

#[test]
fn compression_levels_belong_to_their_codec() {
    let of = |topic: &[(&str, &str)]| log_config(&[], topic).compression;
    let zstd = [
        ("compression.type", "zstd"),
        ("compression.zstd.level", "7"),
    ];
    assert_eq!(of(&zstd), TopicCompression::Zstd { level: Some(7) });
    assert_eq!(
        of(&[("compression.type", "gzip")]),
        TopicCompression::Gzip { level: None }
    );
    assert_eq!(
        of(&[("compression.type", "lz4")]),
        TopicCompression::Lz4 { level: Some(9) }
    );
}

#[test]
fn a_topic_is_described_as_kafka_does() {
    let mut controller = with_topic();
    let cluster = [("log.retention.ms", Set, "123456789")];
    alter(&mut controller, ConfigResource::cluster(), &cluster)
        .1
        .unwrap();
    let brokers = controller.broker_configs();
    let overrides = controller.image().configs().topic("t1");
    let described = TopicConfigs {
        overrides: &overrides,
        brokers: &brokers,
    }
    .describe();
    // Kafka's 37, and two of our own.
    assert_eq!(described.len(), 39);
    assert!(
        described
            .iter()
            .all(|entry| !entry.documentation.is_empty() && !entry.read_only)
    );
    let of = |name: &str| described.iter().find(|entry| entry.name == name).unwrap();
    let synonyms = |name: &str| -> Vec<(String, String, ConfigSource)> {
        let synonyms = of(name).synonyms.iter();
        synonyms
            .map(|s| (s.name.clone(), s.value.clone().unwrap(), s.source))
            .collect()
    };
    let entry = |name: &str, value: &str, source| (name.to_owned(), value.to_owned(), source);
    assert_eq!(
        synonyms("retention.ms"),
        [
            entry("retention.ms", "1000", ConfigSource::Topic),
            entry("log.retention.ms", "123456789", ConfigSource::Cluster),
            entry("log.retention.hours", "168", ConfigSource::Default),
        ]
    );
    let default = entry("log.segment.bytes", "1073741824", ConfigSource::Default);
    assert_eq!(synonyms("segment.bytes"), [default]);
    for name in [
        "segment.ms",
        "flush.ms",
        "segment.jitter.ms",
        "remote.storage.enable",
    ] {
        assert_eq!(synonyms(name), [], "{name}");
        assert_eq!(of(name).source, ConfigSource::Default);
    }
    assert_eq!(of("segment.ms").value.as_deref(), Some("604800000"));
    assert_eq!(of("min.insync.replicas").source, ConfigSource::Cluster);
    assert!(
        TOPIC_KEYS
            .windows(2)
            .all(|pair| pair[0].name < pair[1].name)
    );
}

#[test]
fn groups_and_metrics_keep_lawful_values_only() {
    let mut controller = with_topic();
    let group = || ConfigResource::new(ResourceType::Group, "g1");
    let lawful = [("consumer.session.timeout.ms", Set, "50000")];
    assert_eq!(alter(&mut controller, group(), &lawful).0.len(), 1);
    let refused = refusal(alter(&mut controller, group(), &[("no.such", Set, "1")]).1);
    let message = "Unknown group config name: no.such".to_owned();
    assert_eq!(refused, (ErrorKind::InvalidConfig, message));
    let metrics = || ConfigResource::new(ResourceType::ClientMetrics, "cm");
    assert_eq!(
        alter(&mut controller, metrics(), &[("interval.ms", Set, "5000")])
            .0
            .len(),
        1
    );
    let refused = refusal(alter(&mut controller, metrics(), &[("no.such", Set, "1")]).1);
    let message = "Unknown client metrics configuration: no.such".to_owned();
    assert_eq!(refused, (ErrorKind::InvalidRequest, message));
}
