//! A batch that a broker finds too large, as two that are smaller (KIP-126).
//!
//! The halves carry the sequences that their records had: the broker refused the whole before it
//! took any of them. Called by the producer, on its core; knows nothing of brokers.

use std::ops::Range;

use engine_record::header::increment_sequence;
use engine_record::{
    BatchBuilder, BatchError, BatchOptions, BatchView, Compressor, Decompressor, Header,
};

use crate::outcome::Batch;

/// Two batches with about half of the bytes each; the first has one record at least, the second
/// too.
///
/// # Errors
/// When the batch cannot be read, which a producer wrote itself.
///
/// # Panics
/// When the batch holds one record only.
pub(crate) fn halves(batch: &Batch, compressor: &mut Compressor) -> Result<[Batch; 2], BatchError> {
    assert!(batch.record_count > 1);
    let view = BatchView::read(&batch.bytes)?;
    let header = view.header();
    let payload = view.decompressed(&mut Decompressor::new())?;
    let options = BatchOptions {
        compression: view.compression()?,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        ..BatchOptions::default()
    };
    let mut first = BatchBuilder::new(options);
    let mut second = None;
    let mut read_bytes = 0;
    for record in view.records_in(&payload) {
        let record = record?;
        let is_last = first.record_count() + 1 == batch.record_count;
        read_bytes += record.size_bytes;
        let is_above_half = !first.is_empty() && read_bytes > payload.len() / 2;
        if second.is_none() && (is_last || is_above_half) {
            let base_sequence = sequence_behind(header.base_sequence, first.record_count());
            second = Some(BatchBuilder::new(BatchOptions {
                base_sequence,
                ..options
            }));
        }
        let headers: Vec<Header<'_>> = record.headers.collect();
        let target = second.as_mut().unwrap_or(&mut first);
        target.append(record.timestamp, record.key, record.value, &headers);
    }
    let second = second.expect("the last record goes into it, if none before");
    let (left, right) = cut(&batch.records, first.record_count());
    Ok(
        [(first, left), (second, right)].map(|(builder, records)| Batch {
            record_count: builder.record_count(),
            bytes: builder.finish_with(compressor),
            records,
        }),
    )
}

/// -1 stays: the producer is not idempotent.
fn sequence_behind(base_sequence: i32, count: usize) -> i32 {
    if base_sequence < 0 {
        return base_sequence;
    }
    let count = i32::try_from(count).expect("a batch is smaller than 2 GiB");
    increment_sequence(base_sequence, count)
}

/// The first `count` numbers of some runs, and the others.
fn cut(runs: &[Range<u64>], count: usize) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut left = count as u64;
    for run in runs {
        let middle = run.start + left.min(run.end - run.start);
        left -= middle - run.start;
        first.push(run.start..middle);
        second.push(middle..run.end);
    }
    first.retain(|run| !run.is_empty());
    second.retain(|run| !run.is_empty());
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_record::{BatchHeader, Compression};

    fn batch(compression: Compression, values: &[&[u8]]) -> Batch {
        let mut builder = BatchBuilder::new(BatchOptions {
            compression,
            producer_id: 5,
            producer_epoch: 1,
            base_sequence: i32::MAX,
            ..BatchOptions::default()
        });
        let headers = [Header {
            key: b"h",
            value: Some(b"x"),
        }];
        for (time, value) in (100..).zip(values) {
            builder.append(time, Some(b"k"), Some(value), &headers);
        }
        Batch {
            bytes: builder.finish(),
            record_count: values.len(),
            records: vec![1..3, 7..5 + values.len() as u64],
        }
    }

    fn content(batch: &Batch) -> (i32, Vec<(i64, Vec<u8>, usize)>) {
        let view = BatchView::read(&batch.bytes).unwrap();
        view.check_crc().unwrap();
        let payload = view.decompressed(&mut Decompressor::new()).unwrap();
        let records = view.records_in(&payload).map(|record| {
            let record = record.unwrap();
            let value = record.value.unwrap().to_vec();
            (record.timestamp, value, record.headers.count())
        });
        let header: &BatchHeader = view.header();
        assert_eq!((header.producer_id, header.producer_epoch), (5, 1));
        (header.base_sequence, records.collect())
    }

    #[test]
    fn halves_hold_the_same_records_with_their_sequences_and_numbers() {
        for compression in [Compression::None, Compression::Zstd] {
            let whole = batch(compression, &[b"a", b"b", b"c", b"d"]);
            let [first, second] = halves(&whole, &mut Compressor::new()).unwrap();
            let record = |time, value: &[u8]| (time, value.to_vec(), 1);
            let expected = (i32::MAX, vec![record(100, b"a"), record(101, b"b")]);
            assert_eq!(content(&first), expected);
            // Sequences go on from zero behind the last one.
            let expected = (1, vec![record(102, b"c"), record(103, b"d")]);
            assert_eq!(content(&second), expected);
            let numbers = |half: Batch| half.records.into_iter().flatten().collect::<Vec<_>>();
            assert_eq!((numbers(first), numbers(second)), (vec![1, 2], vec![7, 8]));
        }
    }

    #[test]
    fn a_large_record_at_either_end_is_parted_from_the_others() {
        let large = [9; 1000];
        for (values, count) in [
            ([&large[..], b"b", b"c"], 1),
            ([&b"a"[..], b"b", &large], 2),
        ] {
            let whole = batch(Compression::None, &values);
            let [first, second] = halves(&whole, &mut Compressor::new()).unwrap();
            assert_eq!(first.record_count, count);
            assert_eq!(first.record_count + second.record_count, 3);
        }
    }
}
