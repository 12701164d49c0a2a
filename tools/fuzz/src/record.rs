//! Record batches as a producer sends them, and the five decompressors.
//!
//! ```text
//! input: flags u8 | rules u8 | bytes
//!   flags bit 0: set the lengths, offsets and checksums of the batches right before judging
//!         bit 1: the bytes are a compressed payload alone, codec in the rules' low bits
//! ```
//! Proved: nothing panics; nothing grows past the caps, whatever a compressed batch announces;
//! what validation accepts, iteration reads in full, with the offsets, timestamps and counts that
//! validation reported, and stamping leaves it valid; decompression gives the same bytes whatever
//! the size of the reader's window; what is compressed comes back.

use engine_record::limits::DECOMPRESSED_SIZE_BYTES_MAX;
use engine_record::validate::{Origin, RecordCheck, Rules};
use engine_record::{
    BATCH_HEADER_SIZE_BYTES, BatchBuilder, BatchInfo, BatchOptions, BatchView, Batches,
    Compression, Compressor, ControlRecord, Decompressor, EndTxnMarker, Header, TimestampType,
    validate_batch, validate_produce,
};

use crate::input::Input;

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
const FLAG_REPAIR: u8 = 1;
const FLAG_PAYLOAD: u8 = 2;
const NOW: i64 = 1_700_000_000_000;
/// What one input may decompress to here: the product's cap is for batches of a megabyte.
const COMPARED_SIZE_BYTES_MAX: usize = 1 << 20;

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (flags, rules) = (input.byte(), input.byte());
    if flags & FLAG_PAYLOAD != 0 {
        check_payload(CODECS[usize::from(rules) % CODECS.len()], input.rest());
        return;
    }
    let mut batches = input.rest().to_vec();
    if flags & FLAG_REPAIR != 0 {
        repair(&mut batches);
    }
    check_batches(&batches, &rules_of(rules));
}

fn rules_of(bits: u8) -> Rules {
    Rules {
        compacted: bits & 1 != 0,
        timestamp_type: if bits & 2 == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        },
        records: if bits & 4 == 0 {
            RecordCheck::All
        } else {
            RecordCheck::Header
        },
        timestamp_before_ms_max: if bits & 8 == 0 { i64::MAX } else { 86_400_000 },
        ..Rules::default()
    }
}

/// Makes the outside of a run of batches right, so that mutations reach the inside: a length
/// beyond the bytes becomes what is left, magic becomes 2, the first base offset 0, and each
/// checksum is computed.
pub(crate) fn repair(bytes: &mut [u8]) {
    let mut at = 0;
    while bytes.len() - at >= BATCH_HEADER_SIZE_BYTES {
        let left = bytes.len() - at;
        let batch = &mut bytes[at..];
        let mut length = [0; 4];
        length.copy_from_slice(&batch[8..12]);
        let announced = usize::try_from(i32::from_be_bytes(length)).unwrap_or(left) + 12;
        let size = if (BATCH_HEADER_SIZE_BYTES..=left).contains(&announced) {
            announced
        } else {
            left
        };
        let length = i32::try_from(size - 12).expect("inputs are small");
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = 2;
        let crc = engine_codec::crc32c(&batch[21..size]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        at += size;
    }
}

fn check_batches(bytes: &[u8], rules: &Rules) {
    let mut decompressor = Decompressor::new();
    let mut batches = Batches::new(bytes);
    for batch in batches.by_ref() {
        let Ok(batch) = batch else { break };
        check_view(&batch, &mut decompressor);
    }
    assert!(batches.rest().len() <= bytes.len());
    for api_version in [3, 13] {
        let judged = validate_produce(bytes, api_version, rules, NOW, &mut decompressor);
        if let Ok(info) = judged {
            check_accepted(&bytes[..info.size_bytes], &info, rules, &mut decompressor);
        }
    }
    let judged = validate_batch(bytes, Origin::Coordinator, rules, NOW, &mut decompressor);
    if let Ok(info) = judged {
        assert!(info.size_bytes <= bytes.len());
    }
}

/// Everything that may be asked of a batch that nobody has judged.
fn check_view(batch: &BatchView<'_>, decompressor: &mut Decompressor) {
    let _ = batch.check_crc();
    if batch.header().attributes.is_control() {
        let _ = EndTxnMarker::of(batch);
    }
    let Ok(payload) = batch.decompressed(decompressor) else {
        return;
    };
    assert!(payload.len() as u64 <= DECOMPRESSED_SIZE_BYTES_MAX.max(batch.size_bytes() as u64));
    for record in batch.records_in(&payload) {
        let Ok(record) = record else { break };
        record.headers.for_each(drop);
        if batch.header().attributes.is_control() {
            let _ = ControlRecord::read(&record);
        }
    }
}

/// What validation let through must be as it said.
fn check_accepted(bytes: &[u8], info: &BatchInfo, rules: &Rules, decompressor: &mut Decompressor) {
    let batch = BatchView::read(bytes).expect("an accepted batch is whole");
    assert_eq!(batch.size_bytes(), info.size_bytes);
    assert_eq!(batch.check_crc(), Ok(()));
    if rules.records == RecordCheck::All {
        check_records(&batch, info, rules, decompressor);
    }
    let mut stamped = bytes.to_vec();
    info.stamp(&mut stamped, 1 << 40, 9);
    let after = BatchView::read(&stamped).expect("stamping keeps a batch whole");
    assert_eq!(after.check_crc(), Ok(()));
    assert_eq!(after.header().base_offset, 1 << 40);
    assert_eq!(after.header().leader_epoch, 9);
    assert_eq!(after.header().max_timestamp, info.max_timestamp);
    assert_eq!(
        after.header().attributes.timestamp_type(),
        rules.timestamp_type
    );
    assert_eq!(after.payload(), batch.payload());
}

fn check_records(
    batch: &BatchView<'_>,
    info: &BatchInfo,
    rules: &Rules,
    decompressor: &mut Decompressor,
) {
    let payload = batch
        .decompressed(decompressor)
        .expect("it was read before");
    let mut newest = (-1, None);
    let mut count = 0;
    for record in batch.records_in(&payload) {
        let record = record.expect("validation read the same record");
        assert_eq!(record.offset_delta, count);
        assert!(!rules.compacted || record.key.is_some());
        record.headers.for_each(drop);
        if record.timestamp > newest.0 {
            newest = (record.timestamp, Some(count));
        }
        count += 1;
    }
    assert_eq!(count, info.record_count);
    assert_eq!(count, info.last_offset_delta + 1);
    if rules.timestamp_type == TimestampType::CreateTime {
        assert_eq!(
            (info.max_timestamp, info.max_timestamp_offset_delta),
            newest
        );
    }
}

/// One codec alone: any bytes, then the same bytes as data to compress.
fn check_payload(codec: Compression, bytes: &[u8]) {
    let mut decompressor = Decompressor::new();
    let mut whole = Vec::new();
    let result = decompressor.decompress(codec, bytes, &mut whole);
    if whole.len() <= COMPARED_SIZE_BYTES_MAX {
        let by_pieces = read_by_pieces(&mut decompressor, codec, bytes, 97);
        match (&result, by_pieces) {
            (Ok(()), Ok(pieces)) => assert_eq!(pieces, whole),
            (Err(_), Err(())) => {}
            (_, pieces) => panic!(
                "windows disagree: {result:?}, {:?}",
                pieces.map(|p| p.len())
            ),
        }
    }
    let mut compressed = Vec::new();
    Compressor::new().compress(codec, None, bytes, &mut compressed);
    decompressor
        .decompress(codec, &compressed, &mut whole)
        .expect("what was compressed is readable");
    assert_eq!(whole, bytes);
}

fn read_by_pieces(
    decompressor: &mut Decompressor,
    codec: Compression,
    bytes: &[u8],
    size: usize,
) -> Result<Vec<u8>, ()> {
    let mut decoder = decompressor.decoder(codec, bytes).map_err(drop)?;
    let mut out = Vec::new();
    let mut window = vec![0; size];
    loop {
        let read = decoder.read(&mut window).map_err(drop)?;
        if read == 0 {
            return Ok(out);
        }
        out.extend_from_slice(&window[..read]);
        // Of what failed, the whole-buffer reader shows a part only: no bound follows from it.
        if out.len() > 2 * COMPARED_SIZE_BYTES_MAX {
            return Err(());
        }
    }
}

/// Batches of every codec and kind, and payloads alone.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut put = |flags: u8, rules: u8, bytes: &[u8]| {
        seeds.push([&[flags, rules][..], bytes].concat());
    };
    for (index, codec) in (0u8..).zip(CODECS) {
        for options in options(codec) {
            let batch = batch(options);
            put(0, 0, &batch);
            put(FLAG_REPAIR, 0, &batch);
            put(FLAG_REPAIR, 3, &batch);
        }
        let mut compressed = Vec::new();
        let text = b"the same words, the same words, the same words again".repeat(20);
        Compressor::new().compress(codec, None, &text, &mut compressed);
        put(FLAG_PAYLOAD, index, &compressed);
        put(FLAG_PAYLOAD, index, &[]);
    }
    let two = batch(BatchOptions::default()).repeat(2);
    put(FLAG_REPAIR, 0, &two);
    let marker = EndTxnMarker {
        outcome: engine_record::TxnOutcome::Commit,
        coordinator_epoch: 3,
    };
    put(
        FLAG_REPAIR,
        0,
        &marker.batch(7, 1, BatchOptions::default(), NOW),
    );
    seeds
}

fn options(compression: Compression) -> [BatchOptions; 3] {
    let plain = BatchOptions {
        compression,
        ..BatchOptions::default()
    };
    let idempotent = BatchOptions {
        producer_id: 7,
        producer_epoch: 1,
        base_sequence: 5,
        transactional: true,
        ..plain
    };
    let stamped = BatchOptions {
        timestamp_type: TimestampType::LogAppendTime,
        ..plain
    };
    [plain, idempotent, stamped]
}

fn batch(options: BatchOptions) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    let header = Header {
        key: b"h",
        value: Some(b"v"),
    };
    builder.append(NOW, Some(b"key"), Some(b"value"), &[header]);
    builder.append(NOW + 5, Some(b"k"), None, &[]);
    builder.append(NOW + 2, None, Some(&[7; 300]), &[header, header]);
    builder.finish()
}
