//! Journal files as recovery reads them, and the commit records inside.
//!
//! ```text
//! input: files, each: mode u8 | ...
//!   mode bit 0: a piece is the file's bytes as they are
//!   otherwise:  file header of small numbers | entries, each 4 bytes of head and a payload piece
//! commit records: every payload that a scan finds is decoded to its end
//! ```
//! Proved: no bytes make the scan panic or read outside; every entry handed out has a payload whose
//! checksum is the stored one; a run has no gap, begins at the tail that the files state, and never
//! ends before something that was vouched for; damage names an entry that is missing indeed.

use engine_base::Uuid;
use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_codec::{Reader, crc32c};
use engine_journal::{ENTRY_HEADER_SIZE_BYTES, EntryHeader, FileHeader, FileScan, find_run};

use crate::commit_record::read_record;
use crate::input::{Input, put_piece};

const FILES_MAX: usize = 4;
const RAW: u8 = 1;

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut files = Vec::new();
    while !input.is_empty() && files.len() < FILES_MAX {
        files.push(file(&mut input));
    }
    for bytes in &files {
        check_scan(bytes);
    }
    check_run(&files);
}

fn check_scan(bytes: &[u8]) {
    let scan = FileScan::new(bytes.to_vec());
    let mut expected = scan.header.map(|header| header.first_sequence);
    assert!(expected.is_some() || scan.entries.is_empty());
    for entry in &scan.entries {
        assert_eq!(Some(entry.header.sequence), expected);
        expected = expected.and_then(|sequence| sequence.checked_add(1));
        let payload = scan.payload(entry);
        assert_eq!(payload.len(), entry.header.payload_size as usize);
        assert_eq!(crc32c(payload), entry.header.payload_crc);
        let mut reader = Reader::new(payload);
        while !reader.is_empty() && read_record(&mut reader).is_ok() {}
    }
}

fn check_run(files: &[Vec<u8>]) {
    let scan = |bytes: &Vec<u8>| FileScan::new(bytes.clone());
    let scans: Vec<FileScan> = files.iter().map(scan).collect();
    let tail = scans
        .iter()
        .filter_map(|scan| scan.header)
        .map(|header| header.tail)
        .max()
        .unwrap_or(0);
    match find_run(files.iter().map(scan).collect()) {
        Ok(run) => {
            assert!(run.first_sequence >= tail);
            assert!(run.next_sequence == 0 || run.durable < run.next_sequence);
            let sequences: Vec<u64> = run.entries().map(|(sequence, _)| sequence).collect();
            assert!(
                sequences
                    .iter()
                    .copied()
                    .eq(run.first_sequence..run.next_sequence)
            );
            let written = |payload: &[u8]| {
                let entries = scans
                    .iter()
                    .flat_map(|scan| scan.entries.iter().map(move |e| (scan, e)));
                entries
                    .into_iter()
                    .any(|(scan, entry)| scan.payload(entry) == payload)
            };
            assert!(run.entries().all(|(_, payload)| written(payload)));
        }
        // Either something vouches for what is missing, or entries stand behind no header.
        Err(damage) => assert!(
            damage.durable >= damage.first_missing
                || scans.iter().any(|scan| scan.header.is_none())
        ),
    }
}

/// A journal file from the input: its bytes, or a lawful one of the input's numbers.
pub(crate) fn file(input: &mut Input<'_>) -> Vec<u8> {
    let mode = input.byte();
    if mode & RAW != 0 {
        return input.piece().to_vec();
    }
    let file_id = Uuid([input.byte(); 16]);
    let first_sequence = u64::from(input.byte());
    let header = FileHeader {
        shard: u32::from(mode >> 6),
        file_id,
        size_bytes: 1 << 16,
        first_sequence,
        tail: u64::from(input.byte()),
        durable: u64::from(input.byte()),
    };
    let mut block = [0; BLOCK_SIZE_BYTES];
    header.encode(&mut block);
    let mut bytes = block.to_vec();
    let count = input.byte() % 8;
    for index in 0..u64::from(count) {
        put_entry(&mut bytes, &header, first_sequence + index, input);
    }
    if mode & 2 != 0 {
        let at = usize::from(input.byte()) << 8 | usize::from(input.byte());
        let size = bytes.len();
        bytes[at % size] ^= input.byte();
    }
    bytes
}

/// Head bits: 0 another sequence, 1 another use of the file, 2 a torn payload.
fn put_entry(bytes: &mut Vec<u8>, file: &FileHeader, sequence: u64, input: &mut Input<'_>) {
    let (bits, tail, durable) = (input.byte(), input.byte(), input.byte());
    let payload = input.piece();
    let header = EntryHeader {
        payload_size: u32::try_from(payload.len()).expect("pieces are small"),
        file_id: if bits & 2 == 0 {
            file.file_id
        } else {
            Uuid([0xee; 16])
        },
        sequence: sequence.wrapping_add(u64::from(bits & 1)),
        tail: u64::from(tail),
        durable: u64::from(durable),
        payload_crc: crc32c(payload) ^ u32::from(bits >> 2 & 1),
        shard: file.shard,
    };
    let start = bytes.len();
    bytes.resize(start + EntryHeader::padded_size_bytes(payload.len()), 0);
    header.encode(&mut bytes[start..]);
    let at = start + ENTRY_HEADER_SIZE_BYTES;
    bytes[at..at + payload.len()].copy_from_slice(payload);
}

/// Appends what [`file`] reads: a file with these entries.
pub(crate) fn put_file(out: &mut Vec<u8>, first_sequence: u8, durable: u8, payloads: &[Vec<u8>]) {
    out.extend([0, first_sequence ^ 0x5a, first_sequence, 1, durable]);
    out.push(u8::try_from(payloads.len()).expect("a few"));
    for payload in payloads {
        out.extend([0, 1, durable]);
        put_piece(out, payload);
    }
}

/// One file, two files in sequence, a file as bytes; with the commit records of a small log.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let payloads = crate::recovery::some_payloads();
    let mut one = Vec::new();
    put_file(&mut one, 1, 0, &payloads);
    let mut two = one.clone();
    let next = 1 + u8::try_from(payloads.len()).expect("a few");
    put_file(&mut two, next, 2, &payloads[1..]);
    let mut raw = vec![RAW];
    put_piece(&mut raw, &file(&mut Input::new(&one)));
    let each = payloads.iter().map(|payload| {
        let mut seed = Vec::new();
        put_file(&mut seed, 1, 0, std::slice::from_ref(payload));
        seed
    });
    let mut seeds: Vec<Vec<u8>> = each.collect();
    seeds.extend([one, two, raw]);
    seeds
}
