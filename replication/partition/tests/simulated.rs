//! Partitions over a log store in the simulated world: who appends first, who waits for what.

// A test fails by panic.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use engine_base::{ShardId, Uuid};
use engine_log::{
    IoMode, Log, LogConfig, LogStore, PartitionDir, StoreConfig, begin_use, find_partitions,
    recover,
};
use engine_record::validate::{Origin, Rules, validate_batch};
use engine_record::{
    BatchBuilder, BatchInfo, BatchOptions, Batches, Decompressor, EndTxnMarker, TxnOutcome,
};
use engine_runtime::{Either, SimOptions, SimWorld, fs, race, random_u64, sleep, spawn, yield_now};
use replication_partition::{Begun, Deleted, Isolation, Partition, Turn, Watcher};

const EPOCH: i32 = 3;
const PARTITIONS: i32 = 2;
const NOW_MS: i64 = 1_000;
const OLD: u32 = 1_000_000;

type Partitions = Rc<Vec<Rc<Partition>>>;

/// Makes or opens the partitions of one shard, and runs their commit loop.
async fn start() -> Partitions {
    let directory = Path::new("/data");
    fs::create_dir_all(directory).await.unwrap();
    recover(directory, IoMode::Auto, |_| {}).await.unwrap();
    begin_use(directory).await.unwrap();
    let config = StoreConfig::new(directory, ShardId(0));
    let dirs = (0..PARTITIONS).map(|partition| PartitionDir {
        topic: "topic".to_owned(),
        partition,
        topic_id: Uuid([7; 16]),
        config: LogConfig::default(),
    });
    let is_first = find_partitions(directory).await.unwrap().is_empty();
    let (to_make, to_open): (Vec<_>, Vec<_>) = dirs.partition(|_| is_first);
    let (store, mut logs) = LogStore::open(config, to_open, |_| {}).await.unwrap();
    for dir in to_make {
        logs.push(store.create_log(dir).await.unwrap());
    }
    let lead = |log: Log| Partition::new(log.id(), "topic".into(), log, EPOCH);
    let partitions: Vec<_> = logs.into_iter().map(lead).collect();
    let partitions = Rc::new(partitions);
    let moved = partitions.clone();
    spawn(async move {
        let on_commit = |logs: &[Log]| {
            for log in logs {
                moved[log.id().partition as usize].on_committed();
            }
        };
        store.run_commits(on_commit).await.unwrap();
    })
    .detach();
    partitions
}

/// Runs `work` with the partitions of a fresh machine.
fn with_partitions<F>(seed: u64, work: impl FnOnce(Partitions) -> F + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let world = SimWorld::new(seed, SimOptions::default());
    let machine = world.add_process("machine");
    world
        .runtime(machine)
        .block_on(async move { work(start().await).await });
}

/// The same with partitions that held a record, [`OLD`], when the machine was started again: they
/// are busy until the last block has been read.
fn with_busy_partitions<F>(seed: u64, work: impl FnOnce(Partitions) -> F + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let world = SimWorld::new(seed, SimOptions::default());
    let machine = world.add_process("machine");
    world.runtime(machine).block_on(async {
        for partition in &*start().await {
            append(partition, OLD).await;
            partition.committed(1).await.unwrap();
        }
    });
    world.kill(machine);
    world
        .runtime(machine)
        .block_on(async move { work(start().await).await });
}

/// A batch of one record that holds `number`.
fn batch(number: u32, size_bytes: usize) -> (Vec<u8>, BatchInfo) {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(size_bytes.max(4), 0);
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NOW_MS, None, Some(&value), &[]);
    let bytes = builder.finish();
    let (rules, mut decompressor) = (Rules::default(), Decompressor::new());
    let info = validate_batch(&bytes, Origin::Client, &rules, NOW_MS, &mut decompressor);
    (bytes, info.unwrap())
}

/// Appends and gives the offset, whenever the log takes it.
async fn append(partition: &Rc<Partition>, number: u32) -> i64 {
    let (bytes, info) = batch(number, 500);
    let appended = match partition.begin_append(&bytes, &info, NOW_MS) {
        Begun::Done(done) => done,
        Begun::Queued(turn) => turn.append(&bytes, &info, NOW_MS).await,
    };
    appended.unwrap().base_offset
}

/// A place in the queue of a log that is busy.
fn queue(partition: &Rc<Partition>, number: u32) -> (Turn, Vec<u8>, BatchInfo) {
    let (bytes, info) = batch(number, 500);
    match partition.begin_append(&bytes, &info, NOW_MS) {
        Begun::Queued(turn) => (turn, bytes, info),
        Begun::Done(done) => panic!("the log is not busy: {done:?}"),
    }
}

/// The numbers that a reader may see.
async fn numbers(partition: &Partition, isolation: Isolation) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut offset = partition.log_start_offset();
    let end = partition.end_offset(isolation);
    while offset < end {
        let read = partition.read(offset, 1 << 20, isolation, true).await;
        let data = read.unwrap();
        let bytes: Vec<u8> = data.slices.iter().flat_map(|it| it.to_vec()).collect();
        for batch in Batches::new(&bytes) {
            for record in batch.unwrap().records() {
                let value = record.unwrap().value.unwrap();
                numbers.push(u32::from_be_bytes(*value.first_chunk().unwrap()));
            }
        }
        assert!(data.next_offset > offset);
        offset = data.next_offset;
    }
    numbers
}

async fn stays_asleep(watcher: &Watcher) {
    let first = race(watcher.woken(), sleep(Duration::from_secs(1))).await;
    assert!(
        matches!(first, Either::Right(())),
        "nothing it watches moved"
    );
}

#[test]
fn appends_keep_the_order_of_their_beginning_while_the_log_is_busy() {
    for seed in 0..10 {
        with_busy_partitions(seed, move |partitions| async move {
            let partition = partitions[0].clone();
            let mut appends = Vec::new();
            for number in 0..200 {
                let (bytes, info) = batch(number, 100 + (random_u64() % 20_000) as usize);
                match partition.begin_append(&bytes, &info, NOW_MS) {
                    Begun::Queued(turn) => appends.push(spawn(async move {
                        turn.append(&bytes, &info, NOW_MS).await.unwrap();
                    })),
                    Begun::Done(done) => drop(done.unwrap()),
                }
                if random_u64().is_multiple_of(16) {
                    sleep(Duration::from_micros(random_u64() % 2_000)).await;
                }
            }
            assert!(!appends.is_empty(), "seed {seed}: the log was never busy");
            for append in appends {
                append.await.unwrap();
            }
            let expected: Vec<u32> = std::iter::once(OLD).chain(0..200).collect();
            assert_eq!(numbers(&partition, Isolation::LogEnd).await, expected);
        });
    }
}

#[test]
fn who_leaves_the_queue_is_passed_over() {
    with_busy_partitions(20, |partitions| async move {
        let partition = partitions[0].clone();
        let queued: Vec<_> = (0..6).map(|number| queue(&partition, number)).collect();
        let mut appends = Vec::new();
        for (number, (turn, bytes, info)) in queued.into_iter().enumerate() {
            if number % 3 == 0 {
                drop(turn);
                continue;
            }
            appends.push(spawn(async move {
                turn.append(&bytes, &info, NOW_MS).await.unwrap();
            }));
        }
        for append in appends {
            append.await.unwrap();
        }
        let kept = numbers(&partition, Isolation::LogEnd).await;
        assert_eq!(kept, [OLD, 1, 2, 4, 5]);
    });
}

#[test]
fn nobody_sees_a_record_before_it_is_kept() {
    for seed in 30..35 {
        with_partitions(seed, |partitions| async move {
            let partition = &partitions[0];
            for number in 0..50 {
                let offset = append(partition, number).await;
                assert_eq!(offset, i64::from(number));
                if number > 0 {
                    assert!(partition.high_watermark() <= offset, "not kept yet");
                }
                let seen = numbers(partition, Isolation::HighWatermark).await;
                let high_watermark = partition.high_watermark();
                assert!(high_watermark <= partition.log().durable_end_offset());
                assert!(seen.len() as i64 <= high_watermark);
                if number % 3 == 0 {
                    partition.committed(offset + 1).await.unwrap();
                    assert!(partition.high_watermark() > offset);
                }
            }
            partition.committed(50).await.unwrap();
            let seen = numbers(partition, Isolation::HighWatermark).await;
            assert_eq!(seen.len(), 50);
        });
    }
}

#[test]
fn who_waits_for_a_deleted_partition_learns_of_it() {
    with_partitions(40, |partitions| async move {
        let partition = partitions[0].clone();
        let waiting = partition.clone();
        let waiting = spawn(async move { waiting.committed(1).await });
        let watcher = Watcher::new();
        partition.watch(&watcher);
        yield_now().await;
        partition.on_deleted();
        assert_eq!(waiting.await.unwrap(), Err(Deleted));
        watcher.woken().await;
    });
}

#[test]
fn a_watcher_of_many_partitions_wakes_when_one_of_them_moves() {
    with_partitions(50, |partitions| async move {
        let watcher = Watcher::new();
        for partition in &*partitions {
            partition.watch(&watcher);
        }
        stays_asleep(&watcher).await;
        append(&partitions[1], 1).await;
        watcher.woken().await;
        assert_eq!(partitions[1].high_watermark(), 1);
        // It was forgotten there, and is still known to the other.
        append(&partitions[1], 2).await;
        partitions[1].committed(2).await.unwrap();
        stays_asleep(&watcher).await;
        append(&partitions[0], 3).await;
        watcher.woken().await;
    });
}

#[test]
fn the_last_stable_offset_waits_for_a_marker_that_is_kept() {
    with_partitions(60, |partitions| async move {
        let partition = &partitions[0];
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: true,
            ..BatchOptions::default()
        });
        builder.append(NOW_MS, None, Some(&1_u32.to_be_bytes()), &[]);
        partition.append_own(&builder.finish(), NOW_MS).unwrap();
        append(partition, 2).await;
        partition.committed(2).await.unwrap();
        assert_eq!(partition.last_stable_offset(), 0);
        assert_eq!(numbers(partition, Isolation::LastStable).await, []);
        let marker = EndTxnMarker {
            outcome: TxnOutcome::Abort,
            coordinator_epoch: 0,
        };
        let marker = marker.batch(7, 0, BatchOptions::default(), NOW_MS);
        partition.append_own(&marker, NOW_MS).unwrap();
        assert_eq!(partition.last_stable_offset(), 0, "the marker is not kept");
        partition.committed(3).await.unwrap();
        assert_eq!(partition.last_stable_offset(), 3);
        let aborted = partition.log().aborted_txns(0, 3).await.unwrap();
        let found: Vec<_> = aborted
            .iter()
            .map(|txn| (txn.producer_id, txn.first_offset))
            .collect();
        assert_eq!(found, [(7, 0)]);
    });
}
