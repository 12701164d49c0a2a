//! Transactions on the real ring: what readers must skip and where they must stop, after appends,
//! rolls, stops, crashes, cuts and trims. The model is a list of the transactions that ended.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test looks at the files")]

mod common;

use std::path::Path;

use common::{Directory, run};
use engine_base::{ShardId, Uuid};
use engine_log::layout::{TXN_INDEX_SUFFIX, parse_segment_file};
use engine_log::limits::TXN_INDEX_ENTRIES_MAX;
use engine_log::txn_index::{AbortedTxn, TXN_INDEX_ENTRY_SIZE_BYTES, TxnIndex};
use engine_log::{
    AppendError, IoMode, Log, LogConfig, LogStore, PartitionDir, Sizes, StoreConfig, StoreError,
    begin_use, complete_clean_stop, recover,
};
use engine_record::{BatchBuilder, BatchInfo, BatchOptions, EndTxnMarker, TxnOutcome};

const PRODUCERS: i64 = 4;

fn config() -> LogConfig {
    LogConfig {
        segment_size_bytes: 12_000,
        index_interval_bytes: 600,
        retention_ms: -1,
        ..LogConfig::default()
    }
}

/// What the model knows: open transactions, those that were aborted, and where each segment that
/// a roll began has its base.
#[derive(Clone, Default)]
struct Model {
    open: Vec<(i64, i64)>,
    aborted: Vec<AbortedTxn>,
    sequences: [i32; PRODUCERS as usize],
    round: u64,
}

impl Model {
    fn on_records(&mut self, producer: i64, base_offset: i64) {
        if !self.open.iter().any(|&(open, _)| open == producer) {
            self.open.push((producer, base_offset));
        }
    }

    fn on_marker(&mut self, producer: i64, offset: i64, outcome: TxnOutcome) {
        let at = self.open.iter().position(|&(open, _)| open == producer);
        let Some(at) = at else { return };
        let (producer_id, first_offset) = self.open.remove(at);
        if outcome == TxnOutcome::Abort {
            let first_open = self.open.iter().map(|&(_, first)| first).min();
            self.aborted.push(AbortedTxn {
                producer_id,
                first_offset,
                last_offset: offset,
                last_stable_offset: first_open.unwrap_or(offset + 1),
            });
        }
    }

    /// What Kafka would collect: in the order of markers, until one knows all below the bound.
    fn collect(&self, from: i64, bound: i64) -> Vec<AbortedTxn> {
        let mut found = Vec::new();
        for txn in &self.aborted {
            if txn.last_offset >= from && txn.first_offset < bound {
                found.push(*txn);
            }
            // Those before the segment of `from` are not looked at; they cannot matter.
            if txn.last_offset >= from && txn.last_stable_offset >= bound {
                break;
            }
        }
        found
    }

    fn first_unstable(&self) -> Option<i64> {
        self.open.iter().map(|&(_, first)| first).min()
    }
}

async fn append(log: &Log, (bytes, info): &(Vec<u8>, BatchInfo)) -> i64 {
    loop {
        match log.append(bytes, info, 2, 0) {
            Ok(appended) => return appended.base_offset,
            Err(AppendError::Busy) => log.ready_to_append().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn options(producer_id: i64, base_sequence: i32, transactional: bool) -> BatchOptions {
    BatchOptions {
        producer_id,
        producer_epoch: 1,
        base_sequence,
        transactional,
        ..BatchOptions::default()
    }
}

/// A few dozen batches of all kinds, from the model's round on.
async fn write(log: &Log, model: &mut Model, rounds: u64) {
    for _ in 0..rounds {
        let round = model.round;
        model.round += 1;
        if round.is_multiple_of(10) {
            until_kept(log).await;
        }
        // Any fixed mixture will do that leaves transactions open over rolls.
        let mixed = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let producer = (mixed % PRODUCERS as u64) as i64;
        match mixed / 16 % 8 {
            0 => {
                let mut builder = BatchBuilder::new(BatchOptions::default());
                builder.append(5_000, None, Some(&[1; 300]), &[]);
                append(log, &common::info_of(builder.finish())).await;
            }
            1 | 2 => {
                let outcome = match mixed / 1024 % 3 {
                    0 => TxnOutcome::Commit,
                    _ => TxnOutcome::Abort,
                };
                let marker = EndTxnMarker {
                    outcome,
                    coordinator_epoch: 0,
                };
                let batch = marker.batch(producer, 1, BatchOptions::default(), 6_000);
                let offset = append(log, &common::info_of(batch)).await;
                model.on_marker(producer, offset, outcome);
            }
            _ => {
                let sequence = &mut model.sequences[producer as usize];
                let mut builder = BatchBuilder::new(options(producer, *sequence, true));
                builder.append(7_000, None, Some(&[2; 200]), &[]);
                builder.append(7_001, None, Some(&[3; 200]), &[]);
                *sequence += 2;
                let offset = append(log, &common::info_of(builder.finish())).await;
                model.on_records(producer, offset);
            }
        }
    }
}

async fn until_kept(log: &Log) {
    while log.durable_end_offset() < log.log_end_offset() {
        engine_runtime::yield_now().await;
    }
    log.on_high_watermark(log.durable_end_offset());
}

async fn check(log: &Log, model: &Model) {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    let unstable = model.first_unstable();
    assert_eq!(
        log.first_unstable_offset(),
        unstable.map(|it| it.max(start))
    );
    for from in (start..end).step_by(7) {
        for bound in [from + 1, from + 20, from + 80, end] {
            let found = log.aborted_txns(from, bound).await.unwrap();
            let relevant: Vec<_> = found
                .into_iter()
                .filter(|txn| txn.last_offset >= from)
                .collect();
            assert_eq!(relevant, model.collect(from, bound), "{from}..{bound}");
        }
    }
}

/// Every entry of the `.txnindex` files, which must lie in the segment of its marker.
fn entries_on_disk(path: &Path) -> Vec<AbortedTxn> {
    let mut bases: Vec<i64> = Vec::new();
    let mut indexes = Vec::new();
    for entry in std::fs::read_dir(path.join("topic-0")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        bases.extend(parse_segment_file(&name, ".log"));
        if let Some(base) = parse_segment_file(&name, TXN_INDEX_SUFFIX) {
            let bytes = std::fs::read(path.join("topic-0").join(&name)).unwrap();
            assert!(!bytes.is_empty(), "a file without entries: {name}");
            indexes.push((base, TxnIndex::decode(base, &bytes).unwrap()));
        }
    }
    bases.sort_unstable();
    indexes.sort_by_key(|(base, _)| *base);
    let mut all = Vec::new();
    for (base, index) in indexes {
        let next = bases.iter().find(|&&it| it > base).copied();
        for txn in index.entries() {
            assert!(next.is_none_or(|next| txn.last_offset < next), "{txn:?}");
        }
        all.extend_from_slice(index.entries());
    }
    assert!(bases.len() > 3, "the test wants rolls");
    all
}

/// Producer snapshots that no segment begins at.
fn stray_snapshots(path: &Path) -> usize {
    let entries = std::fs::read_dir(path.join("topic-0")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let snapshots = names.filter(|name| parse_segment_file(name, ".snapshot").is_some());
    let segment_of = |name: &String| path.join("topic-0").join(name.replace(".snapshot", ".log"));
    snapshots.filter(|name| !segment_of(name).exists()).count()
}

struct Running {
    store: LogStore,
    log: Log,
    commits: engine_runtime::JoinHandle<Result<(), StoreError>>,
}

fn partition() -> PartitionDir {
    PartitionDir {
        topic: "topic".to_owned(),
        partition: 0,
        topic_id: Uuid([7; 16]),
        config: config(),
    }
}

async fn start(path: &Path, is_first: bool) -> Running {
    recover(path, IoMode::Auto, |_| {}).await.unwrap();
    begin_use(path).await.unwrap();
    // Small enough that indexes and snapshots are synced between the rolls, too.
    let mut store_config = StoreConfig::new(path, ShardId(0));
    store_config.sizes = Sizes {
        small_unit_size_bytes_max: 2_500,
        destage_size_bytes: 3_000,
        journal_first_file_size_bytes: 48 << 10,
        journal_file_size_bytes: 64 << 10,
        checkpoint_after_bytes: 10_000,
    };
    let found = match is_first {
        true => Vec::new(),
        false => vec![partition()],
    };
    let (store, mut logs) = LogStore::open(store_config, found, |_| {}).await.unwrap();
    assert!(is_first || stray_snapshots(path) <= 1);
    let log = match logs.pop() {
        Some(log) => log,
        None => store.create_log(partition()).await.unwrap(),
    };
    let looping = store.clone();
    let commits = engine_runtime::spawn(async move { looping.run_commits(|_| {}).await });
    engine_runtime::yield_now().await;
    Running {
        store,
        log,
        commits,
    }
}

async fn stop(path: &Path, running: Running) {
    let closed = running.store.close().await.unwrap();
    running.commits.await.unwrap().unwrap();
    complete_clean_stop(path, vec![closed], &[], None)
        .await
        .unwrap();
}

fn survives(name: &str, stops: bool) {
    let directory = Directory::new(name);
    let mut model = Model::default();
    for life in 0..4 {
        let path = directory.path().to_path_buf();
        let before = model.clone();
        model = run(async move {
            let mut model = before;
            let running = start(&path, life == 0).await;
            if life > 0 {
                check(&running.log, &model).await;
            }
            write(&running.log, &mut model, 150).await;
            until_kept(&running.log).await;
            check(&running.log, &model).await;
            if stops {
                stop(&path, running).await;
            }
            model
        });
        let path = directory.path().to_path_buf();
        run(async move { recover(&path, IoMode::Auto, |_| {}).await.unwrap() });
        assert!(model.aborted.len() > 5);
        assert_eq!(
            entries_on_disk(directory.path()),
            model.aborted,
            "life {life}"
        );
    }
}

#[test]
fn aborted_transactions_are_known_after_clean_stops() {
    survives("txns-clean", true);
}

#[test]
fn aborted_transactions_are_known_after_crashes() {
    survives("txns-crash", false);
}

#[test]
fn an_index_that_is_none_is_made_anew_from_the_segments() {
    let directory = Directory::new("txns-damage");
    let path = directory.path().to_path_buf();
    run(async move {
        let mut model = Model::default();
        let running = start(&path, true).await;
        write(&running.log, &mut model, 300).await;
        until_kept(&running.log).await;
        stop(&path, running).await;
        let mut damaged = 0;
        for entry in std::fs::read_dir(path.join("topic-0")).unwrap() {
            let file = entry.unwrap().path();
            if file.to_string_lossy().ends_with(TXN_INDEX_SUFFIX) {
                let mut bytes = std::fs::read(&file).unwrap();
                match damaged % 3 {
                    0 => bytes.truncate(bytes.len() - 1),
                    1 => bytes[1] = 9,
                    _ => bytes.extend_from_within(..34),
                }
                std::fs::write(&file, bytes).unwrap();
                damaged += 1;
            }
        }
        assert!(damaged >= 3);
        let running = start(&path, false).await;
        check(&running.log, &model).await;
        assert_eq!(entries_on_disk(&path), model.aborted);
    });
}

#[test]
fn an_index_and_a_segment_that_are_both_damaged_are_no_start() {
    let directory = Directory::new("txns-both");
    let path = directory.path().to_path_buf();
    run(async move {
        let mut model = Model::default();
        let running = start(&path, true).await;
        write(&running.log, &mut model, 300).await;
        until_kept(&running.log).await;
        stop(&path, running).await;
        let folder = path.join("topic-0");
        let names = std::fs::read_dir(&folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let bases = names.filter_map(|name| parse_segment_file(&name, TXN_INDEX_SUFFIX));
        let base = bases.min().unwrap();
        std::fs::write(folder.join(format!("{base:020}.txnindex")), [0; 5]).unwrap();
        // The second batch claims the first one's offset, which its checksum does not cover.
        let segment = folder.join(format!("{base:020}.log"));
        let mut bytes = std::fs::read(&segment).unwrap();
        let second = 12 + u32::from_be_bytes(*bytes[8..].first_chunk().unwrap()) as usize;
        bytes[second..second + 8].copy_from_slice(&base.to_be_bytes());
        std::fs::write(&segment, bytes).unwrap();
        recover(&path, IoMode::Auto, |_| {}).await.unwrap();
        let store_config = StoreConfig::new(&path, ShardId(0));
        let error = LogStore::open(store_config, vec![partition()], |_| {}).await;
        assert!(matches!(error, Err(StoreError::Damaged(_))), "{error:?}");
    });
}

#[test]
fn a_log_rolls_before_its_transaction_index_is_large() {
    let directory = Directory::new("txns-many");
    let path = directory.path().to_path_buf();
    run(async move {
        let running = start(&path, true).await;
        running.log.update_config(LogConfig::default());
        let abort = EndTxnMarker {
            outcome: TxnOutcome::Abort,
            coordinator_epoch: 0,
        };
        let marker = common::info_of(abort.batch(0, 1, BatchOptions::default(), 6_000));
        for sequence in 0..=TXN_INDEX_ENTRIES_MAX as i32 {
            let mut builder = BatchBuilder::new(options(0, sequence, true));
            builder.append(7_000, None, None, &[]);
            append(&running.log, &common::info_of(builder.finish())).await;
            append(&running.log, &marker).await;
        }
        let end = running.log.log_end_offset();
        let all = running.log.aborted_txns(0, end).await.unwrap();
        assert_eq!(all.len(), TXN_INDEX_ENTRIES_MAX + 1);
        until_kept(&running.log).await;
        stop(&path, running).await;
        let second = 2 * TXN_INDEX_ENTRIES_MAX;
        let index = std::fs::metadata(path.join(format!("topic-0/{second:020}.txnindex")));
        assert_eq!(index.unwrap().len(), TXN_INDEX_ENTRY_SIZE_BYTES as u64);
    });
}

#[test]
fn a_cut_log_forgets_the_transactions_that_ended_behind_the_cut() {
    let directory = Directory::new("txns-cut");
    let path = directory.path().to_path_buf();
    run(async move {
        let mut model = Model::default();
        let running = start(&path, true).await;
        let mut earlier = Vec::new();
        for _ in 0..12 {
            write(&running.log, &mut model, 30).await;
            until_kept(&running.log).await;
            earlier.push((running.log.log_end_offset(), model.clone()));
        }
        // Within the active segment, into sealed ones, and to the very beginning.
        for keep in [10, 5, 4, 0] {
            let (end_offset, then) = &earlier[keep];
            running.log.truncate_to(*end_offset).await.unwrap();
            running.log.on_high_watermark(*end_offset);
            assert_eq!(running.log.log_end_offset(), *end_offset);
            check(&running.log, then).await;
        }
        let mut model = earlier[0].1.clone();
        write(&running.log, &mut model, 200).await;
        until_kept(&running.log).await;
        check(&running.log, &model).await;
        stop(&path, running).await;
        assert_eq!(entries_on_disk(&path), model.aborted);
    });
}

#[test]
fn a_segment_goes_with_its_transaction_index() {
    let directory = Directory::new("txns-trim");
    let path = directory.path().to_path_buf();
    run(async move {
        let mut model = Model::default();
        let running = start(&path, true).await;
        write(&running.log, &mut model, 400).await;
        until_kept(&running.log).await;
        // Only synced segments are removed at once: those that a start found are.
        stop(&path, running).await;
        let running = start(&path, false).await;
        let middle = running.log.log_end_offset() / 2;
        assert_eq!(running.log.trim_before(middle).await.unwrap(), middle);
        check(&running.log, &model).await;
        let error = running.log.aborted_txns(middle - 1, middle).await;
        assert!(error.is_err());
        stop(&path, running).await;
        let left = entries_on_disk(&path);
        assert!(left.len() < model.aborted.len());
        assert!(model.aborted.ends_with(&left));
        let missing = &model.aborted[..model.aborted.len() - left.len()];
        assert!(missing.iter().all(|txn| txn.last_offset < middle));
    });
}
