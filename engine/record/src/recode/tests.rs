use proptest::prelude::*;

use super::*;
use crate::{BatchBuilder, BatchOptions, Compression, KafkaError, TimestampType, Validation};

const NOW: i64 = 1_700_000_000_000;
const ALL: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn rules(compression: Compression) -> Rules {
    Rules {
        compression: Some(TargetCompression {
            compression,
            level: None,
        }),
        ..Rules::default()
    }
}

fn batch(compression: Compression, values: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        compression,
        producer_id: 42,
        producer_epoch: 3,
        base_sequence: 11,
        ..BatchOptions::default()
    });
    for (delta, value) in (0..).zip(values) {
        builder.append(NOW + delta % 3, Some(b"key"), Some(value), &[]);
    }
    builder.finish()
}

/// What the door says, and the batch written anew in steps of this size.
fn recode(
    bytes: &[u8],
    rules: &Rules,
    budget_bytes: u64,
) -> Result<(BatchInfo, Recoded, u32), Rejection> {
    let (mut decompressor, mut compressor) = (Decompressor::new(), Compressor::new());
    let (info, size) = {
        let mut validation = Validation::of_produce(bytes, 9, rules, NOW, &mut decompressor)?;
        let info = validation.step(u64::MAX)?.unwrap();
        (info, validation.records_size_bytes())
    };
    let (from, to) = (&mut decompressor, &mut compressor);
    let mut recoding = Recoding::begin(bytes, &info, size, rules, from, to)?;
    let mut steps = 1;
    loop {
        match recoding.step(budget_bytes)? {
            Some(recoded) => return Ok((info, recoded, steps)),
            None => steps += 1,
        }
    }
}

proptest! {
    #[test]
    fn a_batch_written_anew_holds_the_same(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 1..30),
        source in prop::sample::select(ALL.to_vec()),
        target in prop::sample::select(ALL.to_vec()),
        append_time in any::<bool>(),
        budget_bytes in 1_u64..5000,
    ) {
        prop_assume!(source != target);
        let bytes = batch(source, &values);
        let mut rules = rules(target);
        if append_time {
            rules.timestamp_type = TimestampType::LogAppendTime;
        }
        let (before, recoded, _) = recode(&bytes, &rules, budget_bytes).unwrap();
        let info = BatchInfo { size_bytes: recoded.bytes.len(), compression: target, ..before };
        prop_assert_eq!(recoded.info, info);

        // It passes the door in its turn, and the owner has nothing left to change but offsets.
        let mut stamped = recoded.bytes.clone();
        recoded.info.stamp(&mut stamped, 0, -1);
        prop_assert_eq!(&stamped, &recoded.bytes);
        let view = BatchView::read(&stamped).unwrap();
        view.check_crc().unwrap();
        prop_assert_eq!(view.header().attributes.timestamp_type(), rules.timestamp_type);
        let mut decompressor = Decompressor::new();
        let data = view.decompressed(&mut decompressor).unwrap();
        let old = BatchView::read(&bytes).unwrap();
        let old_data = old.decompressed(&mut decompressor).unwrap();
        // The builder writes what Kafka's builder writes: not a byte of the records differs.
        prop_assert_eq!(&data, &old_data);
        prop_assert_eq!(view.records_in(&data).count(), values.len());
    }
}

#[test]
fn what_grows_too_large_is_refused_when_it_does() {
    let bytes = batch(Compression::Zstd, &[vec![0; 15 << 20]]);
    assert!(bytes.len() < 4096);
    for target in [Compression::None, Compression::Snappy] {
        let rules = Rules {
            batch_size_bytes_max: 100_000,
            ..rules(target)
        };
        let rejection = recode(&bytes, &rules, u64::MAX).unwrap_err();
        assert_eq!(rejection.kafka_error(), KafkaError::MessageTooLarge);
        let Rejection::BatchTooLarge { size_bytes, .. } = rejection else {
            panic!("{rejection}");
        };
        // It stopped there, and did not make the whole first.
        assert!(size_bytes < 300_000, "{size_bytes}");
    }
}

#[test]
fn the_size_that_counts_for_a_segment_is_the_new_one() {
    let (small, large) = (
        batch(Compression::Zstd, &[vec![0; 50_000]]),
        batch(Compression::None, &[vec![0; 50_000]]),
    );
    let segment = |compression| Rules {
        segment_size_bytes_max: 10_000,
        ..rules(compression)
    };
    let error = |bytes: &[u8], compression| {
        let result = recode(bytes, &segment(compression), u64::MAX);
        result.err().map(|rejection| rejection.kafka_error())
    };
    assert_eq!(error(&large, Compression::Zstd), None);
    let too_large = Some(KafkaError::RecordListTooLarge);
    assert_eq!(error(&small, Compression::None), too_large);
}

#[test]
fn a_step_goes_as_far_as_its_budget() {
    let bytes = batch(Compression::Lz4, &[vec![7; 4 << 20]]);
    let (_, _, steps) = recode(&bytes, &rules(Compression::Gzip), 256 << 10).unwrap();
    assert!(steps >= 16, "{steps}");
}

#[test]
fn a_level_is_the_codecs() {
    let text: Vec<u8> = (0..200_000_usize)
        .map(|i| b"the quick brown fox "[(i * i / 7) % 20])
        .collect();
    let bytes = batch(Compression::None, &[text]);
    let size = |compression, level| {
        let target = TargetCompression { compression, level };
        let rules = Rules {
            compression: Some(target),
            ..Rules::default()
        };
        recode(&bytes, &rules, u64::MAX).unwrap().1.bytes.len()
    };
    assert!(size(Compression::Gzip, Some(1)) > size(Compression::Gzip, Some(9)));
    assert_eq!(
        size(Compression::Gzip, None),
        size(Compression::Gzip, Some(6))
    );
    assert!(size(Compression::Zstd, Some(-50)) > size(Compression::Zstd, Some(19)));
    // Levels that would ask for hundreds of megabytes of tables work on what there is.
    assert!(size(Compression::Zstd, Some(22)) <= size(Compression::Zstd, Some(1)));
}
