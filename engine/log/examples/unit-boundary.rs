//! Where the boundary between small and large units should lie: what each costs, by size.
//!
//! `cargo run --release -p engine-log --example unit-boundary [ROUNDS] [MILLISECONDS] [DIRECTORY]`
//! (defaults 5, 400, `target/unit-boundary`) commits units of 4 to 256 KiB on the real disk, by the
//! real commit loop, durably, with 1, 4 and 16 partitions pending in each commit: once as small
//! units (in the journal, destaged later), once as large ones (to the segment first). It prints for
//! both the CPU seconds per GiB of all threads of the process (median and least of the rounds), the
//! time from append to durable (p50, p99; medians of the rounds), and the bytes written to the device per byte appended in all
//! of them together (segments are pre-written in steps of up to 16 MiB, which one round may lack).
//!
//! Rounds interleave the two, so that a machine that others use harms both alike; times mean
//! something on a quiet machine only. What is destaged and pre-written while a run lasts is in its
//! figures: a run begins with memory, journal and segments warm. (Kernel threads that complete
//! direct writes are in no process's time.)

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use engine_base::{KIB, MIB, ShardId, Uuid};
use engine_log::{
    AppendError, Durability, Log, LogConfig, LogStore, PartitionDir, Sizes, StoreConfig,
};
use engine_record::validate::{Origin, Rules, validate_batch};
use engine_record::{BatchBuilder, BatchInfo, BatchOptions, Decompressor};
use engine_runtime::{Notify, Runtime, RuntimeOptions, fs, now};

type AnyError = Box<dyn std::error::Error>;

const GIB: f64 = (1 << 30) as f64;
const UNIT_SIZES_BYTES: [usize; 7] = [
    4 * KIB,
    8 * KIB,
    16 * KIB,
    32 * KIB,
    64 * KIB,
    128 * KIB,
    256 * KIB,
];
const PARTITIONS: [usize; 3] = [1, 4, 16];

/// Small, so that what is measured appends into memory that is used again.
const CACHE_SIZE_BYTES: usize = 16 * MIB;

/// Appended to a store before anything counts: the journal has its files, the segments their
/// largest step of pre-writing.
const WARM_UP_BYTES: usize = 24 * MIB;

/// In units of this size: many small ones would take long.
const WARM_UP_UNIT_SIZE_BYTES: usize = 256 * KIB;

/// More than the kernel writes about a process.
const STATUS_SIZE_BYTES_MAX: usize = 64 * KIB;

/// The process's threads, the ring's workers among them.
const THREADS: &str = "/proc/self/task";

/// How a run's units travel.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Small,
    Large,
}

/// One run's figures.
struct Figures {
    cpu_s_per_gib: f64,
    p50_us: f64,
    p99_us: f64,
    written_bytes: f64,
    bytes: f64,
}

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, run_for) = (number(5), Duration::from_millis(number(400)));
    let directory = arguments.next().map_or_else(
        || PathBuf::from("target/unit-boundary"),
        |path| Path::new(&path).join("unit-boundary"),
    );
    println!(
        "             small: s/GiB      p50 us  p99 us  written | large: s/GiB      p50 us  p99 us  written"
    );
    for partitions in PARTITIONS {
        for size in UNIT_SIZES_BYTES {
            let mut figures = [Vec::new(), Vec::new()];
            for round in 0..rounds {
                let order = match round % 2 {
                    0 => [Kind::Small, Kind::Large],
                    _ => [Kind::Large, Kind::Small],
                };
                for kind in order {
                    let directory = directory.clone();
                    let run = run(directory, kind, size, partitions, run_for);
                    let options = RuntimeOptions {
                        // Spinning costs CPU time that says nothing of a unit.
                        spin_max: Duration::ZERO,
                        ..RuntimeOptions::default()
                    };
                    let found = Runtime::uring(&options)?.block_on(run)?;
                    figures[kind as usize].push(found);
                }
            }
            let [small, large] = figures.map(|runs| text_of(&runs));
            println!("{:>3} KiB x {partitions:>2} {small} | {large}", size / KIB);
        }
    }
    Ok(())
}

fn text_of(runs: &[Figures]) -> String {
    let median = |value: fn(&Figures) -> f64| {
        let mut values: Vec<_> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let least = runs.iter().map(|run| run.cpu_s_per_gib).reduce(f64::min);
    let total = |value: fn(&Figures) -> f64| runs.iter().map(value).sum::<f64>();
    format!(
        "{:>6.3} [{:>6.3}] {:>7.0} {:>7.0} {:>8.2}",
        median(|run| run.cpu_s_per_gib),
        least.unwrap_or(f64::NAN),
        median(|run| run.p50_us),
        median(|run| run.p99_us),
        total(|run| run.written_bytes) / total(|run| run.bytes),
    )
}

/// A new store with so many logs, in a directory that is removed afterwards.
async fn run(
    directory: PathBuf,
    kind: Kind,
    unit_size: usize,
    partitions: usize,
    run_for: Duration,
) -> Result<Figures, AnyError> {
    if fs::exists(&directory).await? {
        fs::remove_dir_all(&directory).await?;
    }
    fs::create_dir_all(&directory).await?;
    let mut config = StoreConfig::new(&directory, ShardId(0));
    config.cache_size_bytes = CACHE_SIZE_BYTES;
    config.sizes = Sizes {
        small_unit_size_bytes_max: match kind {
            Kind::Small => usize::MAX,
            Kind::Large => 0,
        },
        ..Sizes::default()
    };
    let (store, _) = LogStore::open(config, Vec::new(), |_| {}).await?;
    let (looping, committed) = (store.clone(), Rc::new(Notify::new()));
    let told = Rc::clone(&committed);
    let commits =
        engine_runtime::spawn(async move { looping.run_commits(|_| told.notify_all()).await });
    let mut logs = Vec::new();
    for partition in 0..partitions {
        let partition = PartitionDir {
            topic: "units".to_owned(),
            partition: i32::try_from(partition)?,
            topic_id: Uuid([1; 16]),
            config: LogConfig {
                durability: Durability::Flush,
                ..LogConfig::default()
            },
        };
        logs.push(store.create_log(partition).await?);
    }
    let warm_up = batch_of(WARM_UP_UNIT_SIZE_BYTES);
    for _ in 0..WARM_UP_BYTES / (WARM_UP_UNIT_SIZE_BYTES * partitions) {
        commit(&logs, &committed, &warm_up).await?;
    }
    let batch = batch_of(unit_size);
    let figures = measure(&logs, &committed, &batch, run_for).await?;
    store.close().await?;
    commits.await??;
    fs::remove_dir_all(&directory).await?;
    Ok(figures)
}

async fn measure(
    logs: &[Log],
    committed: &Notify,
    batch: &(Vec<u8>, BatchInfo),
    run_for: Duration,
) -> Result<Figures, AnyError> {
    let (cpu_before, written_before) = usage().await?;
    let began = now();
    let mut times_ns = Vec::new();
    while now().since(began) < run_for {
        let started = now();
        commit(logs, committed, batch).await?;
        times_ns.push(now().since(started).as_nanos() as f64);
    }
    let (cpu, written) = usage().await?;
    let bytes = (times_ns.len() * logs.len() * batch.0.len()) as f64;
    times_ns.sort_by(f64::total_cmp);
    let quantile = |part: f64| times_ns[(part * (times_ns.len() - 1) as f64) as usize] / 1000.0;
    Ok(Figures {
        cpu_s_per_gib: (cpu - cpu_before) / (bytes / GIB),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        written_bytes: written - written_before,
        bytes,
    })
}

/// One unit for each log, all in one commit.
async fn commit(
    logs: &[Log],
    committed: &Notify,
    batch: &(Vec<u8>, BatchInfo),
) -> Result<(), AnyError> {
    for log in logs {
        while let Err(error) = log.append(&batch.0, &batch.1, 0, 0) {
            match error {
                AppendError::Busy => log.ready_to_append().await?,
                other => return Err(other.into()),
            }
        }
    }
    for log in logs {
        while log.durable_end_offset() < log.log_end_offset() {
            committed.wait().await;
        }
    }
    Ok(())
}

/// A batch of exactly `size` bytes, as the door hands it on.
fn batch_of(size: usize) -> (Vec<u8>, BatchInfo) {
    let of_value = |value_size: usize| {
        let value: Vec<u8> = (0..value_size).map(|at| (at * 7) as u8).collect();
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(1_000, None, Some(&value), &[]);
        builder.finish()
    };
    let overhead = of_value(size).len() - size;
    let bytes = of_value(size - overhead);
    let rules = Rules {
        timestamp_after_ms_max: i64::MAX,
        ..Rules::default()
    };
    let mut decompressor = Decompressor::default();
    let info = validate_batch(&bytes, Origin::Coordinator, &rules, 0, &mut decompressor);
    (bytes, info.expect("a batch just built is valid"))
}

/// CPU seconds of all threads of the process, and bytes it sent to the device.
async fn usage() -> Result<(f64, f64), AnyError> {
    let mut cpu_ns = 0;
    for thread in fs::read_dir(THREADS).await? {
        // Nanoseconds on a core come first. A worker may end between the two looks.
        let path = Path::new(THREADS).join(thread.name).join("schedstat");
        let status = text_at(&path).await.unwrap_or_default();
        let first = status.split_whitespace().next().unwrap_or("0");
        cpu_ns += first.parse::<u64>()?;
    }
    let io = text_at(Path::new("/proc/self/io")).await?;
    let written = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    let written: u64 = written.ok_or("no count of bytes written")?.parse()?;
    Ok((cpu_ns as f64 / 1e9, written as f64))
}

async fn text_at(path: &Path) -> Result<String, AnyError> {
    let file = engine_runtime::File::open(path, engine_runtime::OpenOptions::reading()).await?;
    let (count, bytes) = file.read_at(0, Vec::new(), STATUS_SIZE_BYTES_MAX).await;
    count?;
    Ok(String::from_utf8(bytes)?)
}
