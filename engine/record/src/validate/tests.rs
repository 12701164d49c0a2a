use super::*;
use crate::builder::{BatchBuilder, BatchOptions};
use crate::header::{Attributes, BATCH_HEADER_SIZE_BYTES, NO_SEQUENCE, stamp_crc};
use crate::limits::RECORD_ERRORS_MAX;
use crate::record::Header;
use crate::rejection::{KafkaError, RecordReason, RecordRejection};
use crate::{CompressError, RecordError};
use proptest::prelude::*;

const NOW: Timestamp = 1_700_000_000_000;
const ALL: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

#[derive(Clone, Debug)]
struct Model {
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn models() -> impl Strategy<Value = Vec<Model>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let nullable = move || proptest::option::of(bytes());
    let headers = proptest::collection::vec((bytes(), nullable()), 0..3);
    let one = (NOW - 100..NOW + 100, nullable(), nullable(), headers).prop_map(
        |(timestamp, key, value, headers)| Model {
            timestamp,
            key,
            value,
            headers,
        },
    );
    proptest::collection::vec(one, 1..20)
}

fn build(options: BatchOptions, models: &[Model]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for model in models {
        let headers: Vec<Header<'_>> = model
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder.append(
            model.timestamp,
            model.key.as_deref(),
            model.value.as_deref(),
            &headers,
        );
    }
    builder.finish()
}

fn compressed(compression: Compression) -> BatchOptions {
    BatchOptions {
        compression,
        ..BatchOptions::default()
    }
}

fn one_record() -> Vec<u8> {
    let record = Model {
        timestamp: NOW,
        key: None,
        value: Some(b"v".to_vec()),
        headers: vec![],
    };
    build(BatchOptions::default(), &[record])
}

fn door(bytes: &[u8], rules: &Rules) -> Result<BatchInfo, Rejection> {
    validate_produce(bytes, 9, rules, NOW, &mut Decompressor::new())
}

/// Changes header fields and makes the checksum fit again.
fn edit(batch: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let mut batch = batch.to_vec();
    let mut header = BatchHeader::read(batch.first_chunk().unwrap());
    change(&mut header);
    batch[..BATCH_HEADER_SIZE_BYTES].copy_from_slice(&header.to_bytes());
    stamp_crc(&mut batch);
    batch
}

proptest! {
    #[test]
    fn what_was_built_passes_and_is_read_back(models in models()) {
        for compression in ALL {
            let bytes = build(compressed(compression), &models);
            let info = door(&bytes, &Rules::default()).unwrap();
            let newest = models.iter().map(|model| model.timestamp).max().unwrap();
            let first = models.iter().position(|model| model.timestamp == newest).unwrap();
            prop_assert_eq!(info.max_timestamp, newest);
            prop_assert_eq!(info.max_timestamp_offset_delta, i32::try_from(first).ok());
            prop_assert_eq!(info.record_count, i32::try_from(models.len()).unwrap());

            let batch = BatchView::read(&bytes).unwrap();
            let data = batch.decompressed(&mut Decompressor::new()).unwrap();
            let records: Vec<_> = batch.records_in(&data).map(Result::unwrap).collect();
            prop_assert_eq!(records.len(), models.len());
            for (record, model) in records.iter().zip(&models) {
                prop_assert_eq!(record.timestamp, model.timestamp);
                prop_assert_eq!(record.key, model.key.as_deref());
                prop_assert_eq!(record.value, model.value.as_deref());
                let headers: Vec<_> = record
                    .headers
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect();
                prop_assert_eq!(&headers, &model.headers);
            }
        }
    }

    /// Both checks must agree on what the header says; neither may panic.
    #[test]
    fn mutated_batches_are_refused_or_sound(
        models in models(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        compression in prop::sample::select(ALL.to_vec()),
    ) {
        let mut bytes = build(compressed(compression), &models);
        let size = bytes.len();
        for (index, byte) in edits {
            bytes[index.index(size)] = byte;
        }
        stamp_crc(&mut bytes);
        if let Ok(info) = door(&bytes, &Rules::default()) {
            prop_assert!(info.size_bytes <= bytes.len());
            let batch = BatchView::read(&bytes).unwrap();
            let data = batch.decompressed(&mut Decompressor::new()).unwrap();
            let mut count = 0;
            for (index, record) in batch.records_in(&data).enumerate() {
                prop_assert_eq!(record.unwrap().offset, i64::try_from(index).unwrap());
                count += 1;
            }
            prop_assert_eq!(count, info.record_count);
        }
        let _ = door(&bytes, &Rules { records: RecordCheck::Header, ..Rules::default() });
    }

    #[test]
    fn one_flipped_bit_never_passes(models in models(), flip in any::<prop::sample::Index>()) {
        let mut bytes = build(BatchOptions::default(), &models);
        let at = flip.index(bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        let result = door(&bytes, &Rules::default());
        // The leader epoch is not covered by anything: it is overwritten at append.
        prop_assert_eq!(result.is_ok(), (12..16).contains(&(at / 8)), "{:?}", result);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = door(&bytes, &Rules::default());
        for batch in crate::Batches::new(&bytes).flatten() {
            let _ = batch.decompressed(&mut Decompressor::new());
        }
    }
}

#[test]
fn every_cut_of_a_batch_is_no_batch() {
    let bytes = one_record();
    for size in 0..bytes.len() {
        assert_eq!(
            door(&bytes[..size], &Rules::default()),
            Err(Rejection::NoBatch),
            "{size}"
        );
    }
}

#[test]
fn every_cut_of_the_records_is_refused() {
    let models: Vec<Model> = (0..3u8)
        .map(|i| Model {
            timestamp: NOW,
            key: Some(vec![i]),
            value: Some(vec![i; 10]),
            headers: vec![(b"h".to_vec(), None)],
        })
        .collect();
    for compression in ALL {
        let whole = build(compressed(compression), &models);
        for size in BATCH_HEADER_SIZE_BYTES..whole.len() {
            let mut bytes = whole[..size].to_vec();
            bytes = edit(&bytes, |header| {
                header.batch_length = i32::try_from(size).unwrap() - 12;
            });
            let error = door(&bytes, &Rules::default()).unwrap_err();
            assert_eq!(
                error.kafka_error(),
                KafkaError::InvalidRecord,
                "{compression:?} {size}"
            );
        }
    }
}

#[test]
fn too_large_is_said_before_corrupt_and_segment_after_records() {
    let mut bytes = one_record();
    bytes[17] ^= 1; // the checksum
    let size_bytes = bytes.len();
    let rules = Rules {
        batch_size_bytes_max: size_bytes - 1,
        ..Rules::default()
    };
    assert_eq!(
        door(&bytes, &rules).unwrap_err().kafka_error(),
        KafkaError::MessageTooLarge
    );
    assert_eq!(
        door(&bytes, &Rules::default()).unwrap_err().kafka_error(),
        KafkaError::CorruptMessage
    );
    let rules = Rules {
        segment_size_bytes_max: size_bytes - 1,
        ..Rules::default()
    };
    let refused = door(&one_record(), &rules).unwrap_err();
    assert_eq!(refused.kafka_error(), KafkaError::RecordListTooLarge);
    let rules = Rules {
        compacted: true,
        ..rules
    };
    let refused = door(&one_record(), &rules).unwrap_err();
    assert_eq!(refused.kafka_error(), KafkaError::InvalidRecord);
}

#[test]
fn unknown_compression_is_named() {
    for id in 5..8i16 {
        let bytes = edit(&one_record(), |header| header.attributes = Attributes(id));
        let error = door(&bytes, &Rules::default()).unwrap_err();
        assert_eq!(
            error,
            Rejection::UnknownCompression {
                id: u8::try_from(id).unwrap()
            }
        );
        assert_eq!(error.kafka_error(), KafkaError::UnsupportedCompressionType);
    }
}

#[test]
fn header_check_leaves_records_alone() {
    let rules = Rules {
        records: RecordCheck::Header,
        compacted: true,
        ..Rules::default()
    };
    let info = door(&one_record(), &rules).unwrap(); // no key, and nobody looked
    assert_eq!(
        (info.max_timestamp, info.max_timestamp_offset_delta),
        (NOW, None)
    );
    let late = edit(&one_record(), |header| {
        header.max_timestamp = NOW + 3_600_001
    });
    assert_eq!(
        door(&late, &rules).unwrap_err().kafka_error(),
        KafkaError::InvalidTimestamp
    );
}

#[test]
fn brokers_may_write_what_clients_may_not() {
    let bytes = edit(&one_record(), |header| {
        header.attributes = header
            .attributes
            .with_control(true)
            .with_transactional(true);
        header.base_offset = 77;
        header.producer_id = 5;
        header.base_sequence = NO_SEQUENCE;
    });
    let rules = Rules::default();
    let check = |origin| validate_batch(&bytes, origin, &rules, NOW, &mut Decompressor::new());
    assert_eq!(
        check(Origin::Client),
        Err(Rejection::BaseOffsetNotZero { base_offset: 77 })
    );
    assert!(check(Origin::Coordinator).unwrap().is_control);
}

#[test]
fn append_time_is_stamped_with_a_fitting_checksum() {
    let rules = Rules {
        timestamp_type: TimestampType::LogAppendTime,
        ..Rules::default()
    };
    let mut bytes = one_record();
    let info = validate_produce(&bytes, 9, &rules, NOW + 50, &mut Decompressor::new()).unwrap();
    assert_eq!(
        (info.max_timestamp, info.max_timestamp_offset_delta),
        (NOW + 50, Some(0))
    );
    info.stamp(&mut bytes, 1234, 9);
    let batch = BatchView::read(&bytes).unwrap();
    batch.check_crc().unwrap();
    assert_eq!(
        (batch.header().base_offset, batch.header().leader_epoch),
        (1234, 9)
    );
    assert_eq!(batch.records().next().unwrap().unwrap().timestamp, NOW + 50);
}

#[test]
fn record_errors_are_listed_up_to_the_bound_and_counted_beyond() {
    let keyless = Model {
        timestamp: NOW,
        key: None,
        value: None,
        headers: vec![],
    };
    let bytes = build(
        compressed(Compression::Zstd),
        &vec![keyless; RECORD_ERRORS_MAX + 5],
    );
    let rules = Rules {
        compacted: true,
        ..Rules::default()
    };
    let Err(Rejection::Records {
        errors,
        count,
        timestamp,
    }) = door(&bytes, &rules)
    else {
        panic!("accepted");
    };
    assert_eq!(errors.len(), RECORD_ERRORS_MAX);
    assert_eq!(
        errors[1],
        RecordRejection {
            index: 1,
            reason: RecordReason::NullKey
        }
    );
    assert_eq!(usize::try_from(count).unwrap(), RECORD_ERRORS_MAX + 5);
    assert!(!timestamp);
}

#[test]
fn a_bomb_costs_its_cap_and_is_refused() {
    let value = vec![0; 20 << 20];
    let bomb = Model {
        timestamp: NOW,
        key: None,
        value: Some(value),
        headers: vec![],
    };
    let bytes = build(compressed(Compression::Zstd), &[bomb]);
    assert!(bytes.len() < 4096);
    assert!(matches!(
        door(&bytes, &Rules::default()),
        Err(Rejection::BadRecord {
            error: RecordError::Compressed(CompressError::TooLarge { .. }),
            ..
        })
    ));
}
