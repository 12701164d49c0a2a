//! Against Apache Kafka: batches that its classes wrote, and the answers its log gave.
//!
//! `testdata/*.txt` come from `tools/compat/record/run` (Kafka 4.4.0).

#![allow(clippy::unwrap_used)] // a test

use engine_record::validate::{Rules, validate_produce};
use engine_record::{
    BatchBuilder, BatchHeader, BatchOptions, BatchView, Compression, Compressor, ControlRecord,
    Decompressor, Header, KafkaError, Recoded, Recoding, RecordError, RecordReason, Rejection,
    TargetCompression, TimestampType, Validation,
};

const NOW: i64 = 1_700_000_000_000;
const LEADER_EPOCH: i32 = 7;

fn hex(text: &str) -> Option<Vec<u8>> {
    match text {
        "null" => None,
        "." => Some(Vec::new()),
        _ => Some(
            (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
                .collect(),
        ),
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Each batch with its name and the lines about its records.
fn batches() -> Vec<(String, Vec<u8>, Vec<String>)> {
    let mut all: Vec<(String, Vec<u8>, Vec<String>)> = Vec::new();
    for line in include_str!("../testdata/batches.txt").lines() {
        match words(line)[..] {
            ["batch", name, bytes] => all.push((name.into(), hex(bytes).unwrap(), Vec::new())),
            _ => all.last_mut().unwrap().2.push(line.into()),
        }
    }
    all
}

fn check_records(name: &str, batch: &BatchView<'_>, lines: &[String]) {
    batch.check_crc().unwrap();
    let data = batch.decompressed(&mut Decompressor::new()).unwrap();
    let records: Vec<_> = batch
        .records_in(&data)
        .map(|record| record.unwrap())
        .collect();
    for line in lines {
        let line = words(line);
        if line[0] == "count" {
            assert_eq!(records.len(), line[1].parse::<usize>().unwrap(), "{name}");
            continue;
        }
        let offset: i64 = line[1].parse().unwrap();
        let record = records
            .iter()
            .find(|record| record.offset == offset)
            .unwrap();
        assert_eq!(
            record.timestamp,
            line[2].parse::<i64>().unwrap(),
            "{name} {offset}"
        );
        assert_eq!(
            record.key.map(<[u8]>::to_vec),
            hex(line[3]),
            "{name} {offset}"
        );
        assert_eq!(
            record.value.map(<[u8]>::to_vec),
            hex(line[4]),
            "{name} {offset}"
        );
        let headers: Vec<_> = match line[5] {
            "." => Vec::new(),
            text => text
                .split(',')
                .map(|pair| pair.split_once('=').unwrap())
                .collect(),
        };
        assert_eq!(record.headers.len(), headers.len(), "{name} {offset}");
        for (header, (key, value)) in record.headers.zip(headers) {
            assert_eq!(header.key, hex(key).unwrap());
            assert_eq!(header.value.map(<[u8]>::to_vec), hex(value));
        }
    }
}

#[test]
fn records_are_read_as_kafka_reads_them() {
    let all = batches();
    assert_eq!(all.len(), 19);
    for (name, bytes, lines) in all {
        let batch = BatchView::read(&bytes).unwrap();
        assert_eq!(batch.size_bytes(), bytes.len(), "{name}");
        check_records(&name, &batch, &lines);
    }
}

#[test]
fn batches_of_kafkas_producer_pass_the_door() {
    let mut decompressor = Decompressor::new();
    for (name, bytes, _) in batches() {
        let batch = BatchView::read(&bytes).unwrap();
        if batch.header().attributes.is_control() || name == "append-time" {
            continue;
        }
        let info = validate_produce(&bytes, 9, &Rules::default(), NOW, &mut decompressor).unwrap();
        assert_eq!(info.max_timestamp, batch.header().max_timestamp, "{name}");
        // The first of the records with the largest timestamp.
        let delta = if name.starts_with("long") { 199 } else { 2 };
        assert_eq!(info.max_timestamp_offset_delta, Some(delta), "{name}");
    }
}

/// The same records, written by our builder.
fn rebuilt(batch: &BatchView<'_>) -> Vec<u8> {
    let header = batch.header();
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: header.base_offset,
        leader_epoch: header.leader_epoch,
        compression: batch.compression().unwrap(),
        compression_level: None,
        timestamp_type: header.attributes.timestamp_type(),
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.attributes.is_transactional(),
        control: header.attributes.is_control(),
        delete_horizon_ms: header.delete_horizon_ms(),
    });
    let data = batch.decompressed(&mut Decompressor::new()).unwrap();
    for record in batch.records_in(&data) {
        let record = record.unwrap();
        let headers: Vec<Header<'_>> = record.headers.collect();
        builder.append(record.timestamp, record.key, record.value, &headers);
    }
    builder.finish()
}

#[test]
fn what_is_rebuilt_is_what_kafka_built() {
    for (name, bytes, lines) in batches() {
        let batch = BatchView::read(&bytes).unwrap();
        let built = rebuilt(&batch);
        // A compressor of another make need not give the same bytes, and under an append time
        // the producer's timestamps are gone; the records must be equal.
        if batch.compression().unwrap() == Compression::None && name != "append-time" {
            assert_eq!(built, bytes, "{name}");
        }
        check_records(&name, &BatchView::read(&built).unwrap(), &lines);
    }
}

/// `cargo test -p engine-record -- --ignored --nocapture | tools/compat/record/run read` must
/// print the lines of `testdata/batches.txt` again: Kafka reads what we write.
#[test]
#[ignore = "prints batches for Kafka to read"]
fn print_what_is_rebuilt() {
    for (name, bytes, _) in batches() {
        let built = rebuilt(&BatchView::read(&bytes).unwrap());
        let text: String = built.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("batch {name} {text}");
    }
}

#[test]
fn control_records_are_written_as_kafka_writes_them() {
    let mut seen = 0;
    for (name, bytes, _) in batches() {
        let batch = BatchView::read(&bytes).unwrap();
        if !batch.header().attributes.is_control() {
            continue;
        }
        let record = batch.records().next().unwrap().unwrap();
        let control = ControlRecord::read(&record).unwrap();
        assert_eq!(Some(&control.key()[..]), record.key, "{name}");
        assert_eq!(Some(&control.value()[..]), record.value, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

fn rules(config: &str) -> Rules {
    let defaults = Rules::default();
    match config {
        "default" => defaults,
        "compact" => Rules {
            compacted: true,
            ..defaults
        },
        "append-time" => Rules {
            timestamp_type: TimestampType::LogAppendTime,
            ..defaults
        },
        "window" => Rules {
            timestamp_before_ms_max: 50_000,
            timestamp_after_ms_max: 50_000,
            ..defaults
        },
        "compact-window" => Rules {
            compacted: true,
            timestamp_after_ms_max: 50_000,
            ..defaults
        },
        "small" => Rules {
            batch_size_bytes_max: 70,
            ..defaults
        },
        _ => panic!("unknown config {config}"),
    }
}

fn name(error: KafkaError) -> &'static str {
    match error {
        KafkaError::CorruptMessage => "CORRUPT_MESSAGE",
        KafkaError::MessageTooLarge => "MESSAGE_TOO_LARGE",
        KafkaError::RecordListTooLarge => "RECORD_LIST_TOO_LARGE",
        KafkaError::InvalidTimestamp => "INVALID_TIMESTAMP",
        KafkaError::UnsupportedCompressionType => "UNSUPPORTED_COMPRESSION_TYPE",
        KafkaError::InvalidRecord => "INVALID_RECORD",
    }
}

/// Where we are stricter on purpose (see the module's head).
fn is_deliberate(rejection: &Rejection) -> bool {
    match rejection {
        Rejection::Records { errors, .. } => errors
            .iter()
            .any(|error| matches!(error.reason, RecordReason::OffsetDelta { .. })),
        Rejection::BadRecord { error, .. } => *error == RecordError::SizeMismatch,
        _ => false,
    }
}

#[test]
fn the_door_answers_as_kafkas_log_does() {
    let mut decompressor = Decompressor::new();
    let (mut accepted, mut refused, mut stricter) = (0, 0, 0);
    for line in include_str!("../testdata/answers.txt").lines() {
        let [config, version, request, answer, detail] = words(line)[..] else {
            panic!("{line}");
        };
        if answer == "INVALID_TXN_STATE" {
            continue; // a rule of the partition's producer state, not of the door
        }
        let request = hex(request).unwrap();
        let version = version.parse().unwrap();
        let ours = validate_produce(&request, version, &rules(config), NOW, &mut decompressor);
        match (ours, answer) {
            (Ok(info), "NONE") => {
                let mut batch = request[..info.size_bytes].to_vec();
                info.stamp(&mut batch, 0, LEADER_EPOCH);
                assert_eq!(batch, hex(detail).unwrap(), "{line}");
                accepted += 1;
            }
            // An exception inside Kafka (here: a length that overflows its arithmetic).
            (Err(_), "UNKNOWN_SERVER_ERROR") => refused += 1,
            (Err(rejection), "NONE") => {
                assert!(is_deliberate(&rejection), "{rejection:?}\n{line}");
                stricter += 1;
            }
            (Err(rejection), _) => {
                assert_eq!(
                    name(rejection.kafka_error()),
                    answer,
                    "{rejection:?}\n{line}"
                );
                let indexes: Vec<_> = rejection
                    .record_errors()
                    .iter()
                    .map(|error| error.index.to_string())
                    .collect();
                if !indexes.is_empty() && !is_deliberate(&rejection) {
                    assert_eq!(indexes.join(","), detail, "{line}");
                }
                refused += 1;
            }
            (Ok(info), _) => panic!("accepted {info:?}\n{line}"),
        }
    }
    assert!(
        accepted > 100 && refused > 100,
        "{accepted} {refused} {stricter}"
    );
    assert!(stricter < 20, "{stricter}");
}

/// What the door makes of a batch for a topic with a compression of its own.
fn recoded(request: &[u8], rules: &Rules) -> Result<Recoded, Rejection> {
    let (mut decompressor, mut compressor) = (Decompressor::new(), Compressor::new());
    let (info, size) = {
        let mut validation = Validation::of_produce(request, 9, rules, NOW, &mut decompressor)?;
        let info = validation.step(u64::MAX)?.unwrap();
        (info, validation.records_size_bytes())
    };
    let batch = &request[..info.size_bytes];
    if !rules.is_recoded(&info) {
        let bytes = batch.to_vec();
        return Ok(Recoded { bytes, info });
    }
    let (from, to) = (&mut decompressor, &mut compressor);
    let mut recoding = Recoding::begin(batch, &info, size, rules, from, to)?;
    Ok(recoding.step(u64::MAX)?.unwrap())
}

fn recoding_rules(config: &str) -> Rules {
    let (name, and) = config.split_once('+').unwrap_or((config, "default"));
    let compression = match name {
        "uncompressed" => Compression::None,
        _ => Compression::from_name(name).unwrap(),
    };
    let target = TargetCompression {
        compression,
        level: None,
    };
    let mut rules = rules(and);
    if and == "small" {
        rules.batch_size_bytes_max = 500;
    }
    rules.compression = Some(target);
    rules
}

/// The header and the records, decompressed: all but what two libraries may compress differently.
fn content(batch: &[u8]) -> (BatchHeader, Vec<u8>) {
    let view = BatchView::read(batch).unwrap();
    view.check_crc().unwrap();
    let records = view.decompressed(&mut Decompressor::new()).unwrap();
    let header = BatchHeader {
        batch_length: 0,
        crc: 0,
        ..*view.header()
    };
    (header, records.into_owned())
}

#[test]
fn a_topics_own_compression_makes_the_batches_that_kafka_makes() {
    let (mut same, mut refused) = (0, 0);
    for line in include_str!("../testdata/recoded.txt").lines() {
        let [config, _, request, answer, detail] = words(line)[..] else {
            panic!("{line}");
        };
        let ours = recoded(&hex(request).unwrap(), &recoding_rules(config));
        match ours {
            Ok(recoded) => {
                assert_eq!(answer, "NONE", "{line}");
                let mut batch = recoded.bytes;
                recoded.info.stamp(&mut batch, 0, LEADER_EPOCH);
                let kafkas = hex(detail).unwrap();
                assert_eq!(content(&batch), content(&kafkas), "{line}");
                if config.starts_with("uncompressed") {
                    assert_eq!(batch, kafkas, "{line}");
                }
                same += 1;
            }
            Err(rejection) => {
                assert_eq!(name(rejection.kafka_error()), answer, "{line}");
                refused += 1;
            }
        }
    }
    assert!(same > 400 && refused > 30, "{same} {refused}");
}
