use proptest::prelude::*;

use crate::header::{BATCH_HEADER_SIZE_BYTES, BatchHeader, stamp_crc};
use crate::rejection::Rejection;
use crate::validate::{BatchInfo, Rules, Validation, validate_produce};
use crate::{BatchBuilder, BatchOptions, Compression, Compressor, Decompressor, Header};

const NOW: i64 = 1_700_000_000_000;
const PACKED: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// An uncompressed batch of records that have every field.
fn plain(values: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for (delta, value) in (0..).zip(values) {
        let headers = [
            Header {
                key: b"h",
                value: None,
            },
            Header {
                key: b"",
                value: Some(value),
            },
        ];
        let key = (value.len() % 2 == 0).then_some(&value[..]);
        builder.append(NOW + delta, key, Some(value), &headers[..value.len() % 3]);
    }
    builder.finish()
}

/// The same batch with its records compressed.
fn packed(plain: &[u8], compression: Compression) -> Vec<u8> {
    let header = BatchHeader::read(plain.first_chunk().unwrap());
    let mut bytes = vec![0; BATCH_HEADER_SIZE_BYTES];
    let records = &plain[BATCH_HEADER_SIZE_BYTES..];
    Compressor::new().compress(compression, None, records, &mut bytes);
    let header = BatchHeader {
        batch_length: i32::try_from(bytes.len()).unwrap() - 12,
        attributes: header.attributes.with_compression(compression),
        ..header
    };
    bytes[..BATCH_HEADER_SIZE_BYTES].copy_from_slice(&header.to_bytes());
    stamp_crc(&mut bytes);
    bytes
}

/// In steps of one byte, which are of one field or window each.
fn in_steps(batch: &[u8], rules: &Rules) -> Result<(BatchInfo, u32), Rejection> {
    let mut decompressor = Decompressor::new();
    let mut validation = Validation::of_produce(batch, 9, rules, NOW, &mut decompressor)?;
    let mut steps = 1;
    loop {
        match validation.step(1)? {
            Some(info) => return Ok((info, steps)),
            None => steps += 1,
        }
    }
}

proptest! {
    /// Both grammars say the same of the same records, however broken, and so do steps.
    #[test]
    fn a_stream_is_judged_as_memory_is(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..12),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        compression in prop::sample::select(PACKED.to_vec()),
    ) {
        let mut plain = plain(&values);
        let records = plain.len() - BATCH_HEADER_SIZE_BYTES;
        for (index, byte) in edits {
            plain[BATCH_HEADER_SIZE_BYTES + index.index(records)] = byte;
        }
        stamp_crc(&mut plain);
        let packed = packed(&plain, compression);
        let rules = Rules { compacted: values.len().is_multiple_of(2), ..Rules::default() };
        let mut decompressor = Decompressor::new();
        let alike = |info: BatchInfo| BatchInfo { size_bytes: 0, compression, ..info };
        let in_memory = validate_produce(&plain, 9, &rules, NOW, &mut decompressor).map(alike);
        let streamed = validate_produce(&packed, 9, &rules, NOW, &mut decompressor).map(alike);
        prop_assert_eq!(&in_memory, &streamed);
        let stepped = in_steps(&packed, &rules).map(|(info, _)| alike(info));
        prop_assert_eq!(&in_memory, &stepped);
    }
}

#[test]
fn one_large_record_takes_many_steps() {
    let batch = packed(&plain(&[vec![7; 4 << 20]]), Compression::Zstd);
    let (info, steps) = in_steps(&batch, &Rules::default()).unwrap();
    assert_eq!(info.record_count, 1);
    // A window of 64 KiB for each.
    assert!(steps >= 120, "{steps}");
}

#[test]
fn a_step_goes_as_far_as_its_budget() {
    let batch = packed(&plain(&vec![vec![7; 1 << 20]; 8]), Compression::Lz4);
    let (rules, mut decompressor) = (Rules::default(), Decompressor::new());
    let mut validation = Validation::of_produce(&batch, 9, &rules, NOW, &mut decompressor).unwrap();
    assert_eq!(validation.step(3 << 20), Ok(None));
    let passed = validation.records_size_bytes();
    assert!((3 << 20..4 << 20).contains(&passed), "{passed}");
    assert!(validation.step(u64::MAX).unwrap().is_some());
}
