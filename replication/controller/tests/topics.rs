//! Creating and deleting topics: records and refusals as Apache Kafka 4.4.0's.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use engine_base::Uuid;
use replication_controller::command::{CreateTopics, TopicSelector};
use replication_controller::{Answer, ApiError, Command, Controller, DeletedTopic, ErrorKind};
use replication_metadata::{MetadataVersion, Record};
use support::{cluster, create, new_topic, refusal, with_configs};

#[test]
fn a_topic_becomes_the_records_that_kafka_writes() {
    let mut controller = cluster(1, &[]);
    let base_offset = controller.next_offset();
    let mut topic = new_topic("t1", 3, 1);
    topic.id = "ONFsB8V_Q92ZfExFVX46yQ".parse().unwrap();
    let topic = with_configs(
        topic,
        &[("segment.bytes", "2097152"), ("retention.ms", "1000")],
    );
    let (outcome, result) = create(&mut controller, topic);
    assert_eq!(outcome.base_offset, base_offset);
    assert!(outcome.atomic);
    // Bytes of the same request to Kafka; the directory is ours.
    let expected = [
        "01020003743138d16c07c57f43dd997c4c45557e3ac900".to_owned(),
        "010400020374310d726574656e74696f6e2e6d73053130303000".to_owned(),
        "010400020374310e7365676d656e742e6279746573083230393731353200".to_owned(),
        partition_bytes(0),
        partition_bytes(1),
        partition_bytes(2),
    ];
    let bytes: Vec<String> = outcome.records.iter().map(hex).collect();
    assert_eq!(bytes, expected);
    let created = result.unwrap();
    assert_eq!((created.partitions, created.replication_factor), (3, 1));
    let config = |name: &str| created.configs.iter().find(|c| c.name == name).unwrap();
    assert_eq!(
        (
            config("retention.ms").value.as_deref(),
            config("retention.ms").source
        ),
        (Some("1000"), 1)
    );
    let min_isr = config("min.insync.replicas");
    assert_eq!((min_isr.value.as_deref(), min_isr.source), (Some("1"), 3));
    assert!(
        created
            .configs
            .iter()
            .all(|config| config.name != "internal.segment.bytes")
    );
    assert_eq!(
        controller
            .image()
            .topics()
            .by_name("t1")
            .unwrap()
            .partitions
            .len(),
        3
    );
}

fn partition_bytes(index: u8) -> String {
    format!(
        "01030200000{index:03x}38d16c07c57f43dd997c4c45557e3ac9020000000102000000010101000000010000\
         00000000000002{}00",
        "41".repeat(16)
    )
}

fn hex(record: &Record<'static>) -> String {
    let bytes = record.to_bytes(MetadataVersion::MAX).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn refusals_are_kafkas() {
    let mut controller = cluster(1, &[]);
    create(&mut controller, new_topic("t1", 3, 1)).1.unwrap();
    create(&mut controller, new_topic("a.b", 1, 1)).1.unwrap();
    let mut refused = |topic| refusal(create(&mut controller, topic).1);
    use ErrorKind as Kind;
    for (topic, kind, message) in [
        (
            new_topic("t1", 3, 1),
            Kind::TopicAlreadyExists,
            "Topic 't1' already exists.",
        ),
        (
            new_topic("a_b", 1, 1),
            Kind::InvalidTopicException,
            "Topic 'a_b' collides with existing topic: a.b",
        ),
        (
            new_topic("rf3", 1, 3),
            Kind::InvalidReplicationFactor,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 \
             cannot be reached because only 1 broker(s) are registered or some brokers have all \
             their log directories cordoned.",
        ),
        (
            new_topic("rf0", 1, 0),
            Kind::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            new_topic("p0", 0, 1),
            Kind::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            new_topic("p2", -2, 1),
            Kind::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            new_topic("..", 1, 1),
            Kind::InvalidTopicException,
            "Topic name is invalid: '..' is not allowed",
        ),
        (
            new_topic("__cluster_metadata", 1, 1),
            Kind::InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
    ] {
        let name = topic.name.clone();
        assert_eq!(refused(topic), (kind, message.to_owned()), "{name}");
    }
}

#[test]
fn configuration_is_judged_as_kafka_does() {
    let mut controller = cluster(1, &[]);
    let mut refused = |name: &str, value: &str| {
        let topic = with_configs(new_topic("c", 1, 1), &[(name, value)]);
        let (kind, message) = refusal(create(&mut controller, topic).1);
        assert_eq!(kind, ErrorKind::InvalidConfig);
        message
    };
    let invalid = |value: &str, name: &str, reason: &str| {
        format!("Invalid value {value} for configuration {name}: {reason}")
    };
    for (name, value, reason) in [
        ("segment.bytes", "1", "Value must be at least 1048576"),
        ("segment.bytes", "abc", "Not a number of type INT"),
        ("segment.bytes", "99999999999", "Not a number of type INT"),
        ("segment.bytes", "", "Not a number of type INT"),
        ("retention.ms", "-2", "Value must be at least -1"),
        (
            "cleanup.policy",
            "foo",
            "String must be one of: compact, delete",
        ),
        (
            "compression.type",
            "brotli",
            "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "message.timestamp.type",
            "x",
            "String must be one of: CreateTime, LogAppendTime",
        ),
        ("min.insync.replicas", "0", "Value must be at least 1"),
        (
            "unclean.leader.election.enable",
            "maybe",
            "Expected value to be either true or false",
        ),
        (
            "compression.zstd.level",
            "99",
            "Value must be no more than 22",
        ),
        (
            "compression.gzip.level",
            "0",
            "Value must be between 1 and 9 or equal to -1",
        ),
        ("max.message.bytes", "-1", "Value must be at least 0"),
        ("segment.ms", "0", "Value must be at least 1"),
        ("local.retention.ms", "-3", "Value must be at least -2"),
        ("flush.messages", "0", "Value must be at least 1"),
        ("max.compaction.lag.ms", "0", "Value must be at least 1"),
        (
            "ottla.durability",
            "maybe",
            "String must be one of: flush, written",
        ),
    ] {
        assert_eq!(refused(name, value), invalid(value, name, reason));
    }
    assert_eq!(
        refused("min.cleanable.dirty.ratio", "2"),
        invalid(
            "2.0",
            "min.cleanable.dirty.ratio",
            "Value must be no more than 1"
        )
    );
    assert_eq!(
        refused("cleanup.policy", "delete,none"),
        invalid(
            "none",
            "cleanup.policy",
            "String must be one of: compact, delete"
        )
    );
    assert_eq!(
        refused("follower.replication.throttled.replicas", "x"),
        invalid(
            "[x]",
            "follower.replication.throttled.replicas",
            "follower.replication.throttled.replicas must be the literal '*' or a list of \
             replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
        )
    );
    assert_eq!(
        refused("no.such", "1"),
        "Unknown topic config name: no.such"
    );
    assert_eq!(
        refused("remote.storage.enable", "true"),
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
         remote log storage."
    );
    let mut null = new_topic("nul", 1, 1);
    null.configs = vec![("segment.bytes".to_owned(), None)];
    assert_eq!(
        refusal(create(&mut controller, null).1).1,
        "Null value not supported for topic configs: segment.bytes"
    );
    for (name, value) in [
        ("cleanup.policy", "compact,delete"),
        ("cleanup.policy", ""),
        ("cleanup.policy", " compact , delete "),
        ("compression.gzip.level", "-1"),
        ("follower.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1,1:1"),
        ("segment.bytes", " 2097152 "),
        ("preallocate", " TRUE "),
        ("internal.segment.bytes", "100"),
    ] {
        let (outcome, result) = dry(
            &mut controller,
            with_configs(new_topic("ok", 1, 1), &[(name, value)]),
        );
        assert!(
            result.is_ok() && outcome.is_empty(),
            "{name}={value}: {result:?}"
        );
    }
}

fn dry(
    controller: &mut Controller,
    topic: replication_controller::command::NewTopic,
) -> (Vec<Record<'static>>, Result<(), ApiError>) {
    let command = CreateTopics {
        topics: vec![topic],
        validate_only: true,
        random: 0,
    };
    let before = controller.image().clone();
    let outcome = controller.handle(&Command::CreateTopics(command)).unwrap();
    assert_eq!(*controller.image(), before, "a trial changes nothing");
    let Answer::TopicsCreated(results) = outcome.answer else {
        panic!("another answer")
    };
    (outcome.records, results[0].1.clone().map(|_| ()))
}

#[test]
fn too_many_partitions_refuse_the_whole_request() {
    let mut controller = cluster(1, &[]);
    let topics = vec![new_topic("small", 1, 1), new_topic("p2", 20_000, 1)];
    let command = CreateTopics {
        topics,
        validate_only: false,
        random: 0,
    };
    let refused = refusal(controller.handle(&Command::CreateTopics(command)));
    let message = "Excessively large number of partitions per request.".to_owned();
    assert_eq!(refused, (ErrorKind::PolicyViolation, message));
    assert!(controller.image().topics().is_empty());
}

#[test]
fn a_name_given_twice_is_refused_once() {
    let mut controller = cluster(1, &[]);
    let topics = vec![
        new_topic("a", 1, 1),
        new_topic("b", 1, 1),
        new_topic("a", 2, 1),
    ];
    let command = CreateTopics {
        topics,
        validate_only: false,
        random: 0,
    };
    let outcome = controller.handle(&Command::CreateTopics(command)).unwrap();
    let Answer::TopicsCreated(results) = outcome.answer else {
        panic!("another answer")
    };
    assert_eq!(results.len(), 2);
    let refused = refusal(results[0].1.clone());
    assert_eq!(
        refused,
        (
            ErrorKind::InvalidRequest,
            "Duplicate topic name.".to_owned()
        )
    );
    assert!(results[1].1.is_ok());
    assert_eq!(controller.image().topics().len(), 1);
}

fn delete(
    controller: &mut Controller,
    selectors: &[TopicSelector],
) -> Vec<Result<DeletedTopic, ApiError>> {
    let outcome = controller
        .handle(&Command::DeleteTopics(selectors.to_vec()))
        .unwrap();
    let Answer::TopicsDeleted(results) = outcome.answer else {
        panic!("another answer")
    };
    results.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn topics_are_deleted_by_name_or_id() {
    let mut controller = cluster(1, &[]);
    for name in ["a.x", "b", "c"] {
        let topic = with_configs(new_topic(name, 1, 1), &[("retention.ms", "5")]);
        create(&mut controller, topic).1.unwrap();
    }
    let by_name = |name: &str| TopicSelector::Name(name.to_owned());
    let id = new_topic("b", 1, 1).id;
    let unknown = TopicSelector::Id(Uuid([9; 16]));
    let results = delete(
        &mut controller,
        &[
            by_name("a.x"),
            TopicSelector::Id(id),
            by_name("b"),
            by_name("nope"),
            unknown,
        ],
    );
    assert_eq!(results[0].as_ref().unwrap().name, "a.x");
    assert_eq!(results[1].as_ref().unwrap().id, id);
    let twice = "The provided topic name maps to an ID that was already supplied.";
    assert_eq!(
        refusal(results[2].clone()),
        (ErrorKind::InvalidRequest, twice.to_owned())
    );
    assert_eq!(
        refusal(results[3].clone()).0,
        ErrorKind::UnknownTopicOrPartition
    );
    assert_eq!(refusal(results[4].clone()).0, ErrorKind::UnknownTopicId);
    assert_eq!(controller.image().topics().len(), 1);
    assert!(
        controller.image().configs().topic("b").is_empty(),
        "its configuration goes too"
    );
    // The name, and the one it was mistaken for, are free again.
    create(&mut controller, new_topic("a_x", 1, 1)).1.unwrap();
}

#[test]
fn deletion_can_be_forbidden() {
    let mut controller = cluster(1, &[("delete.topic.enable", "false")]);
    create(&mut controller, new_topic("a", 1, 1)).1.unwrap();
    let command = Command::DeleteTopics(vec![TopicSelector::Name("a".to_owned())]);
    let error = controller.handle(&command).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TopicDeletionDisabled);
    assert_eq!(controller.image().topics().len(), 1);
}
