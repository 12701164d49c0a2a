use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Name, key, value: written by Kafka 4.4's own serializer (`tools/compat/group`).
fn kafkas() -> BTreeMap<&'static str, (Vec<u8>, Option<Vec<u8>>)> {
    let lines = include_str!("../../testdata/records.txt").lines();
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let mut next = || words.next().expect("three words");
            let (name, key, value) = (next(), next(), next());
            (name, (bytes(key), (value != "-").then(|| bytes(value))))
        })
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2);
    digits
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn decode(name: &str) -> Read {
    let (key, value) = &kafkas()[name];
    Record::decode(key, value.as_deref()).unwrap()
}

fn offset() -> CommittedOffset {
    CommittedOffset {
        offset: 42,
        leader_epoch: None,
        metadata: "méta".into(),
        commit_timestamp: 1_700_000_000_000,
        expire_timestamp: None,
        topic_id: TopicId::ZERO,
    }
}

fn offset_record(value: Option<CommittedOffset>) -> Record {
    Record::OffsetCommit {
        key: OffsetKey {
            group_id: "g".into(),
            topic: "t".into(),
            partition: 3,
        },
        value,
    }
}

fn member(id: &str, instance_id: Option<&str>) -> MemberMetadata {
    MemberMetadata {
        member_id: id.into(),
        instance_id: instance_id.map(Arc::from),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: Arc::from([0, 0, 1]),
        assignment: Arc::from([9, 8]),
    }
}

fn group() -> GroupMetadata {
    GroupMetadata {
        protocol_type: "consumer".into(),
        generation_id: 7,
        protocol_name: Some("range".into()),
        leader_id: Some("a-1".into()),
        state_timestamp: Some(1_700_000_000_001),
        members: vec![member("a-1", Some("a")), member("b-2", None)],
    }
}

fn group_record(value: Option<GroupMetadata>) -> Record {
    Record::GroupMetadata {
        group_id: "g".into(),
        value,
    }
}

#[test]
fn reads_every_version_of_an_offset_that_kafka_has_written() {
    let expiring = CommittedOffset {
        expire_timestamp: Some(1_700_000_600_000),
        ..offset()
    };
    let with_epoch = CommittedOffset {
        leader_epoch: Some(5),
        ..offset()
    };
    let full = CommittedOffset {
        topic_id: "MkU3OEVBNTcwNTJENDM2Qg".parse().unwrap(),
        ..with_epoch.clone()
    };
    let expected = [
        ("legacy-offset-v0", Some(offset())),
        ("offset-v0", Some(offset())),
        ("offset-v1", Some(offset())),
        ("offset-v2", Some(offset())),
        ("offset-v3", Some(offset())),
        ("offset-v4", Some(offset())),
        ("offset-v1-expiring", Some(expiring)),
        ("offset-v3-epoch", Some(with_epoch)),
        ("offset-v4-full", Some(full)),
        ("offset-tombstone", None),
    ];
    for (name, value) in expected {
        assert_eq!(decode(name), Read::Record(offset_record(value)), "{name}");
    }
}

#[test]
fn reads_every_version_of_a_group_that_kafka_has_written() {
    let without_instances = |mut group: GroupMetadata| {
        for member in &mut group.members {
            member.instance_id = None;
        }
        group
    };
    let version_2 = without_instances(group());
    let mut version_1 = version_2.clone();
    version_1.state_timestamp = None;
    let mut version_0 = version_1.clone();
    for member in &mut version_0.members {
        member.rebalance_timeout_ms = member.session_timeout_ms;
    }
    let empty = GroupMetadata {
        protocol_type: "".into(),
        generation_id: 0,
        protocol_name: None,
        leader_id: None,
        members: Vec::new(),
        ..group()
    };
    let expected = [
        ("group-v0", Some(version_0)),
        ("group-v1", Some(version_1)),
        ("group-v2", Some(version_2)),
        ("group-v3", Some(group())),
        ("group-v4", Some(group())),
        ("group-v3-empty", Some(empty)),
        ("group-tombstone", None),
    ];
    for (name, value) in expected {
        assert_eq!(decode(name), Read::Record(group_record(value)), "{name}");
    }
}

#[test]
fn writes_the_bytes_that_kafka_writes() {
    for name in [
        "offset-v4",
        "offset-v4-full",
        "offset-v1-expiring",
        "offset-tombstone",
        "group-v3",
        "group-v3-empty",
        "group-tombstone",
    ] {
        let (key, value) = kafkas().remove(name).unwrap();
        let Read::Record(record) = decode(name) else {
            panic!("{name} is no record of ours");
        };
        assert_eq!(record.encode(), KeyValue { key, value }, "{name}");
    }
}

#[test]
fn tells_groups_of_other_protocols_from_their_details() {
    let foreign = |group_type, is_tombstone| {
        Read::Record(Record::ForeignGroup {
            group_id: "g".into(),
            group_type,
            is_tombstone,
        })
    };
    assert_eq!(
        decode("consumer-group"),
        foreign(ForeignType::Consumer, false)
    );
    assert_eq!(
        decode("consumer-group-tombstone"),
        foreign(ForeignType::Consumer, true)
    );
    assert_eq!(decode("share-group"), foreign(ForeignType::Share, false));
    assert_eq!(
        decode("streams-group"),
        foreign(ForeignType::Streams, false)
    );
    assert_eq!(decode("consumer-member"), Read::Foreign);
    for record_type in [9_i16, 18, 24, -1] {
        let read = Record::decode(&record_type.to_be_bytes(), None);
        assert_eq!(read, Ok(Read::Unknown { record_type }));
    }
}

#[test]
fn a_record_cut_at_any_byte_is_an_error_and_no_panic() {
    for (name, (key, value)) in kafkas() {
        if name.starts_with("consumer") || name.starts_with("s") {
            continue; // their values are not read
        }
        for size in 0..key.len() {
            assert!(
                Record::decode(&key[..size], value.as_deref()).is_err(),
                "{name} key {size}"
            );
        }
        let value = value.unwrap_or_default();
        for size in 0..value.len() {
            assert!(
                Record::decode(&key, Some(&value[..size])).is_err(),
                "{name} value {size}"
            );
        }
    }
}

#[test]
fn a_later_version_is_an_error() {
    let (key, value) = &kafkas()["offset-v4"];
    let mut value = value.clone().unwrap();
    value[1] = 5;
    assert!(Record::decode(key, Some(&value)).is_err());
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,12}".prop_map(Arc::from)
}

fn any_offset() -> impl Strategy<Value = CommittedOffset> {
    let epoch = proptest::option::of(0..i32::MAX);
    let expiry = proptest::option::of(0..i64::MAX);
    (
        any::<i64>(),
        epoch,
        text(),
        any::<i64>(),
        expiry,
        any::<[u8; 16]>(),
    )
        .prop_map(
            |(offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, id)| {
                // A record with an expiry of its own has no room for the rest.
                let is_plain = expire_timestamp.is_none();
                CommittedOffset {
                    offset,
                    leader_epoch: leader_epoch.filter(|_| is_plain),
                    metadata,
                    commit_timestamp,
                    expire_timestamp,
                    topic_id: if is_plain {
                        engine_base::Uuid(id)
                    } else {
                        TopicId::ZERO
                    },
                }
            },
        )
}

proptest! {
    #[test]
    fn offsets_come_back(
        group_id in text(),
        topic in text(),
        partition in any::<i32>(),
        value in proptest::option::of(any_offset()),
    ) {
        let record = Record::OffsetCommit { key: OffsetKey { group_id, topic, partition }, value };
        let bytes = record.encode();
        let read = Record::decode(&bytes.key, bytes.value.as_deref());
        prop_assert_eq!(read, Ok(Read::Record(record)));
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(
        record_type in -1_i16..26,
        key in proptest::collection::vec(any::<u8>(), 0..40),
        version in -1_i16..6,
        value in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let key = [&record_type.to_be_bytes()[..], &key].concat();
        let value = [&version.to_be_bytes()[..], &value].concat();
        let _ = Record::decode(&key, Some(&value));
    }
}
