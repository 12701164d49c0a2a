//! Recovery of a whole log directory, on the simulated disk.
//!
//! ```text
//! input: flags u8 | files, each: name u8 | ...
//!   flags bit 0: .kafka_cleanshutdown is there      bit 1: a flush covers the device
//!         bit 2: a store is opened over what recovery left
//!   name 0..2: a journal file, as in `journal`
//!   others:    content as a piece; of segments the checksums are set right when bit 7 is set
//! ```
//! Proved: recovery of any bytes returns, done or with a typed error, and does not grow past the
//! memory that the bytes justify; it never invents: every byte of a recovered segment stood there
//! before, or in a journal for that place; done a second time it finds a clean stop and changes
//! nothing; a store over the recovered directory opens, or says why it does not, and deletes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine_base::{ShardId, TopicPartition, Uuid};
use engine_codec::Reader;
use engine_journal::FileScan;
use engine_log::{
    Found, IoMode, LogConfig, LogStore, PartitionDir, RecoveryReport, StoreConfig, StoreError,
    recover,
};
use engine_record::{BatchBuilder, BatchOptions};
use engine_runtime::disk::{Disk, FlushScope};
use engine_runtime::image::{Entry, Image};
use engine_runtime::{ProcessId, SimOptions, SimWorld};

use crate::commit_record::{Body, CommitRecord, Inline, State, Truncated, Unit, read_record};
use crate::input::{Input, put_piece};
use crate::{journal, record};

const ROOT: &str = "/logs";
const FLAG_CLEAN: u8 = 1;
const FLAG_DEVICE: u8 = 2;
const FLAG_OPEN: u8 = 4;
const FLAG_REPAIR: u8 = 0x80;
const FILES_MAX: usize = 16;
const JOURNALS: u8 = 3;
const TOPIC_ID: Uuid = Uuid([3; 16]);

/// What pieces may be named, after the journals.
const NAMES: [&str; 13] = [
    "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex",
    "t-0/00000000000000000002.log",
    "t-0/00000000000000000002.index",
    "t-0/00000000000000000002.timeindex",
    "t-0/00000000000000000002.snapshot",
    "t-0/leader-epoch-checkpoint",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "ottla-void-recovery",
    "t-0/partition.metadata",
];

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let files = files(&mut input, flags);
    let world = world(flags);
    let process = world.add_process("broker");
    world.with_disk(process, |disk| fill(disk, &files));
    let Ok(_) = recover_once(&world, process) else {
        return;
    };
    let image = world.with_disk(process, |disk| disk.image().clone());
    check_no_invention(&files, &image);
    let again = recover_once(&world, process).expect("a recovered directory is clean");
    assert_eq!(again.found, Found::CleanStop);
    let second = world.with_disk(process, |disk| disk.image().clone());
    assert_eq!(contents(&second), contents(&image));
    if flags & FLAG_OPEN != 0 {
        open(&world, process, &image);
    }
}

fn world(flags: u8) -> SimWorld {
    let flush_scope = if flags & FLAG_DEVICE == 0 {
        FlushScope::File
    } else {
        FlushScope::Device
    };
    SimWorld::new(
        1,
        SimOptions {
            flush_scope,
            ..SimOptions::default()
        },
    )
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(input: &mut Input<'_>, flags: u8) -> Files {
    let mut files = Files::new();
    let root = Path::new(ROOT);
    let metadata = format!("version: 0\ntopic_id: {TOPIC_ID}");
    files.insert(root.join("t-0/partition.metadata"), metadata.into_bytes());
    if flags & FLAG_CLEAN != 0 {
        files.insert(root.join(".kafka_cleanshutdown"), Vec::new());
    }
    for _ in 0..FILES_MAX {
        if input.is_empty() {
            break;
        }
        let name = input.byte();
        let index = (name & !FLAG_REPAIR) % (JOURNALS + NAMES.len() as u8);
        let Some(index) = index.checked_sub(JOURNALS) else {
            let bytes = journal::file(input);
            files.insert(root.join(format!("ottla-journal-{index}")), bytes);
            continue;
        };
        let path = root.join(NAMES[usize::from(index)]);
        let mut bytes = input.piece().to_vec();
        if name & FLAG_REPAIR != 0 && path.extension().is_some_and(|it| it == "log") {
            record::repair(&mut bytes);
        }
        files.insert(path, bytes);
    }
    files
}

fn fill(disk: &mut Disk, files: &Files) {
    disk.create_dir_all(&Path::new(ROOT).join("t-0"));
    for (path, bytes) in files {
        let inode = disk.create(path, true).expect("the disk is empty");
        let write = disk
            .write(inode, 0, bytes.clone())
            .expect("the disk is not full");
        disk.complete(write);
    }
    disk.sync_all();
}

fn recover_once(world: &SimWorld, process: ProcessId) -> Result<RecoveryReport, StoreError> {
    let runtime = world.runtime(process);
    runtime.block_on(async { recover(Path::new(ROOT), IoMode::Auto, |_| {}).await })
}

fn contents(image: &Image) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let folder = Path::new(ROOT).join("t-0");
    for directory in [Path::new(ROOT), &folder] {
        for (path, entry) in image.children(directory) {
            if matches!(entry, Entry::File(_)) {
                all.push((path.to_path_buf(), image.file(path).unwrap_or_default()));
            }
        }
    }
    all
}

fn check_no_invention(files: &Files, image: &Image) {
    for (path, bytes) in contents(image) {
        if path.extension().is_none_or(|it| it != "log") {
            continue;
        }
        let before = files.get(&path).map_or(&[][..], Vec::as_slice);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let base: i64 = name.parse().expect("the names are ours");
        let inlines = inlines(files, base);
        for (position, &byte) in bytes.iter().enumerate() {
            let stood = before.get(position) == Some(&byte);
            let restored = || {
                inlines
                    .iter()
                    .any(|inline| inline_byte(inline, position) == Some(byte))
            };
            assert!(
                stood || restored(),
                "{}: byte {position} is invented",
                path.display()
            );
        }
    }
}

type OwnedInline = (u64, Vec<u8>);

fn inline_byte((start, bytes): &OwnedInline, position: usize) -> Option<u8> {
    let at = (position as u64).checked_sub(*start)?;
    bytes.get(usize::try_from(at).ok()?).copied()
}

/// Everything that a journal holds of the segment with this base offset.
fn inlines(files: &Files, base: i64) -> Vec<OwnedInline> {
    let mut found = Vec::new();
    for (path, bytes) in files {
        if !path.to_string_lossy().contains("ottla-journal-") {
            continue;
        }
        let scan = FileScan::new(bytes.clone());
        for entry in &scan.entries {
            let mut reader = Reader::new(scan.payload(entry));
            while let Ok(record) = read_record(&mut reader) {
                let (segment, inline) = match record.body {
                    Body::Unit(unit) => (unit.segment_base, unit.inline),
                    Body::Truncated(cut) => (cut.segment_base, cut.inline),
                    Body::Image {
                        segment_base,
                        inline,
                    } => (segment_base, inline),
                    Body::State(_) | Body::Trimmed { .. } => continue,
                };
                if segment == base {
                    found.push((inline.position, inline.bytes.to_vec()));
                }
            }
        }
    }
    found
}

/// A store over the recovered directory, if its partition is the one we know.
fn open(world: &SimWorld, process: ProcessId, image: &Image) {
    let metadata = image.file(&Path::new(ROOT).join("t-0/partition.metadata"));
    let is_ours = metadata
        .is_some_and(|text| text == format!("version: 0\ntopic_id: {TOPIC_ID}").into_bytes());
    if !is_ours {
        return;
    }
    let mut config = StoreConfig::new(ROOT, ShardId(0));
    config.cache_size_bytes = 64 << 10;
    config.sizes.journal_first_file_size_bytes = 48 << 10;
    config.sizes.journal_file_size_bytes = 64 << 10;
    let partition = PartitionDir {
        topic: "t".to_owned(),
        partition: 0,
        topic_id: TOPIC_ID,
        config: LogConfig::default(),
    };
    let runtime = world.runtime(process);
    let _ = runtime.block_on(async move {
        let (store, logs) = LogStore::open(config, vec![partition], |_| {}).await?;
        for log in &logs {
            assert!(log.log_start_offset() <= log.durable_end_offset());
            // A store and its logs hold one another while there are logs.
            store.delete_log(log).await?;
        }
        Ok::<_, StoreError>(())
    });
}

/// Directories as a crash leaves them: ours with a journal, Kafka's without, and damaged ones.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let segment = some_batches().concat();
    let mut ours = vec![FLAG_DEVICE, 0];
    journal::put_file(&mut ours, 1, 0, &some_payloads());
    let mut kafkas = vec![0];
    put_named(&mut kafkas, 0, &segment);
    let mut with_segment = ours.clone();
    put_named(&mut with_segment, 0, &segment);
    let mut torn = ours.clone();
    put_named(&mut torn, 0, &segment[..segment.len() - 20]);
    let mut with_files = kafkas.clone();
    put_named(&mut with_files, 8, b"0\n1\n0 0\n");
    put_named(&mut with_files, 9, b"0\n1\nt 0 1\n");
    put_named(&mut with_files, 10, b"0\n1\nt 0 1\n");
    let mut clean = with_files.clone();
    clean[0] = FLAG_CLEAN;
    let mut stale = ours.clone();
    put_named(&mut stale, 11, b"0\nottla-journal-0\n");
    let mut seeds = vec![ours, kafkas, with_segment, torn, with_files, clean, stale];
    for index in 0..seeds.len() {
        let mut opened = seeds[index].clone();
        opened[0] |= FLAG_OPEN;
        seeds.push(opened);
    }
    seeds
}

fn put_named(out: &mut Vec<u8>, name: u8, bytes: &[u8]) {
    out.push(JOURNALS + name);
    put_piece(out, bytes);
}

/// Two batches, offsets 0 and 1.
fn some_batches() -> Vec<Vec<u8>> {
    (0..2)
        .map(|base_offset| {
            let mut builder = BatchBuilder::new(BatchOptions {
                base_offset,
                leader_epoch: 0,
                ..BatchOptions::default()
            });
            builder.append(1_700_000_000_000, Some(b"k"), Some(b"value"), &[]);
            builder.finish()
        })
        .collect()
}

/// Entries of a journal: a log is introduced, two batches are committed, one is cut, the start
/// moves.
pub(crate) fn some_payloads() -> Vec<Vec<u8>> {
    let batches = some_batches();
    let mut payloads = vec![payload(Body::State(State {
        generation: 1,
        start_offset: 0,
        end_offset: 0,
        synced_position: 0,
        segments: vec![(0, 0)],
    }))];
    let mut position = 0;
    for (offset, batch) in (0..).zip(&batches) {
        payloads.push(payload(Body::Unit(Unit {
            generation: 1,
            segment_base: 0,
            first_offset: offset,
            next_offset: offset + 1,
            position,
            size: batch.len() as u32,
            crc: engine_codec::crc32c(batch),
            is_flushed: true,
            inline: Inline {
                position,
                bytes: batch,
            },
        })));
        position += batch.len() as u64;
    }
    let first = batches[0].len() as u64;
    payloads.push(payload(Body::Image {
        segment_base: 0,
        inline: Inline {
            position: 0,
            bytes: &batches[0],
        },
    }));
    payloads.push(payload(Body::Truncated(Truncated {
        generation: 2,
        end_offset: 1,
        start_offset: 0,
        segment_base: 0,
        position: first,
        inline: Inline {
            position: 0,
            bytes: &batches[0],
        },
    })));
    payloads.push(payload(Body::Trimmed { start_offset: 1 }));
    payloads
}

fn payload(body: Body<'_>) -> Vec<u8> {
    let log = TopicPartition {
        topic_id: TOPIC_ID,
        partition: 0,
    };
    let record = CommitRecord { log, body };
    let inline = match &record.body {
        Body::Unit(Unit { inline, .. })
        | Body::Truncated(Truncated { inline, .. })
        | Body::Image { inline, .. } => inline.bytes,
        Body::State(_) | Body::Trimmed { .. } => &[],
    };
    let mut bytes = Vec::new();
    record.put_head(&mut bytes, inline.len());
    bytes.extend_from_slice(inline);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of batches that a seed leaves in its first segment, and what recovery found.
    fn left(seed: &[u8]) -> (Found, usize) {
        let mut input = Input::new(seed);
        let flags = input.byte();
        let files = files(&mut input, flags);
        let world = world(flags);
        let process = world.add_process("broker");
        world.with_disk(process, |disk| fill(disk, &files));
        let report = recover_once(&world, process).unwrap();
        let image = world.with_disk(process, |disk| disk.image().clone());
        let segment = Path::new(ROOT).join(NAMES[0]);
        let bytes = image.file(&segment).unwrap_or_default();
        (report.found, engine_record::Batches::new(&bytes).count())
    }

    #[test]
    fn seeds_reach_the_rows_of_the_decision_table() {
        let seeds = seeds();
        assert_eq!(
            left(&seeds[0]),
            (Found::OurCrash, 1),
            "two batches, one cut"
        );
        assert_eq!(left(&seeds[1]), (Found::KafkasCrash, 2));
        assert_eq!(left(&seeds[2]), (Found::OurCrash, 1));
        assert_eq!(left(&seeds[5]), (Found::CleanStop, 2));
    }
}
