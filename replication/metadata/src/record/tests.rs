//! Our bytes against Kafka's.

use super::*;

/// Kind, version and bytes of every record in the fixture.
fn fixture() -> Vec<(i16, i16, Vec<u8>)> {
    include_str!("../../testdata/records.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let mut number = || words.next().unwrap().parse().unwrap();
            let (key, version) = (number(), number());
            (
                key,
                version,
                crate::test_support::from_hex(words.next().unwrap()),
            )
        })
        .collect()
}

#[test]
fn every_kind_and_version_reads_and_writes_as_kafka_does() {
    let fixture = fixture();
    assert_eq!(
        fixture
            .iter()
            .map(|(key, ..)| key)
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        27
    );
    for (key, version, bytes) in fixture {
        let record = Record::read(&bytes).unwrap();
        assert_eq!(record.key(), key);
        let mut written = Vec::new();
        record.write_version(&mut written, version).unwrap();
        assert_eq!(written, bytes, "kind {key} version {version}");
        assert_eq!(record.clone().into_owned(), record);
    }
}

#[test]
fn a_record_cut_short_anywhere_is_an_error() {
    for (key, version, bytes) in fixture() {
        for end in 0..bytes.len() {
            assert!(
                Record::read(&bytes[..end]).is_err(),
                "kind {key} version {version} cut at {end}"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(
            Record::read(&longer).is_err(),
            "kind {key} version {version} with a byte more"
        );
    }
}

#[test]
fn fields_arrive_where_they_belong() {
    let bytes = crate::test_support::from_hex(
        "0103020000000238d16c07c57f43dd997c4c45557e3ac902000000010200000001010100000001000000000\
         000000002268075e2b4d44e4eb1ea9565bded9a3c00",
    );
    let Record::Partition(partition) = Record::read(&bytes).unwrap() else {
        panic!("another kind");
    };
    assert_eq!(partition.partition_id, 2);
    assert_eq!(partition.topic_id.to_string(), "ONFsB8V_Q92ZfExFVX46yQ");
    assert_eq!(
        (partition.replicas, partition.isr, partition.leader),
        (vec![1], vec![1], 1)
    );
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (0, 0));
    assert_eq!(
        partition.directories[0].to_string(),
        "JoB14rTUTk6x6pVlve2aPA"
    );
    assert_eq!(partition.eligible_leader_replicas, None);
}

#[test]
fn what_is_newer_is_refused_by_its_numbers() {
    assert_eq!(
        Record::read(&[1, 30, 0, 0]),
        Err(RecordError::UnknownKind {
            key: 30,
            version: 0
        })
    );
    assert_eq!(
        Record::read(&[1, 3, 3, 0]),
        Err(RecordError::UnknownVersion {
            kind: "Partition",
            key: 3,
            version: 3
        })
    );
    assert_eq!(
        Record::read(&[2, 3, 2, 0]),
        Err(RecordError::UnknownFrame { frame_version: 2 })
    );
    let text = RecordError::UnknownKind {
        key: 30,
        version: 0,
    }
    .to_string();
    assert!(text.contains("30") && text.contains("version 0"), "{text}");
}

#[test]
fn the_metadata_version_picks_the_record_version() {
    let unfenced = Record::from(BrokerRegistrationChange {
        fenced: -1,
        ..Default::default()
    });
    assert_eq!(unfenced.version(MetadataVersion::MAX), 0);
    let cordoned = BrokerRegistrationChange {
        cordoned_log_dirs: Some(vec![]),
        ..Default::default()
    };
    assert_eq!(Record::from(cordoned).version(MetadataVersion::MAX), 3);
    let partition = Record::from(Partition::default());
    let at = |level| MetadataVersion::from_level(level).unwrap();
    assert_eq!(
        [7, 16, 17, 22, 23, 33].map(|level| partition.version(at(level))),
        [0, 0, 1, 1, 2, 2]
    );
    let broker = Record::from(RegisterBroker::default());
    assert_eq!(
        [7, 8, 16, 17, 29, 30].map(|level| broker.version(at(level))),
        [1, 2, 2, 3, 3, 4]
    );
}

#[test]
fn no_changed_byte_makes_a_panic() {
    for (_, _, bytes) in fixture() {
        for position in 0..bytes.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[position] = value;
                if let Ok(record) = Record::read(&bytes) {
                    let _ = record.to_bytes(MetadataVersion::MAX);
                }
            }
        }
    }
}
