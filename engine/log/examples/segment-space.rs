//! What it costs to have space for a segment's data: the figures of "Pre-written space" in
//! `ARCHITECTURE.md`.
//!
//! `cargo run --release -p engine-log --example segment-space DIRECTORY [MIB] [ROUNDS]` appends so
//! many mebibytes (default 1024) to a segment as the engine does: a commit is a unit of 1 MiB in
//! four direct writes, then one durable write of 4 KiB to a pre-written journal. The ways to have
//! space take turns, so that a change of the machine's mood meets all of them. CPU is the
//! process's with the kernel's workers for it; bytes are what it handed to the block layer.
#![allow(clippy::unwrap_used, reason = "a measurement stops where it fails")]

use std::path::{Path, PathBuf};
use std::rc::Rc;

use engine_base::{KIB, MIB};
use engine_runtime::{
    BlockBuf, File, OpenOptions, Runtime, RuntimeOptions, Slice, WriteMode, fs, now, spawn,
};

const UNIT: u64 = MIB as u64;
const STEP: u64 = 16 * MIB as u64;
const JOURNAL: u64 = 16 * MIB as u64;
const PIECE: usize = 256 * KIB;
const BLOCK: usize = 4 * KIB;

/// How the segment comes by its space, and what makes a commit durable.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Written once before: the files of the pool.
    Recycled,
    /// Zeroes ahead of the end, 16 MiB at once when they are needed.
    Zeroes { piece: usize, lanes: u64 },
    /// The same by a task of its own, one step ahead.
    Beside { piece: usize, lanes: u64 },
    /// Unwritten extents, a step ahead; each commit syncs the segment, because turning an extent
    /// into a written one is a change of metadata, and the journal's flush does not cover it.
    Unwritten,
    /// The same without that sync: what it would cost if it were safe. It is not.
    UnwrittenUnsafe,
    /// Nothing ahead; each commit syncs the segment.
    Extending,
}

const WAYS: [Way; 9] = [
    Way::Recycled,
    Way::Zeroes {
        piece: PIECE,
        lanes: 4,
    },
    Way::Beside {
        piece: PIECE,
        lanes: 4,
    },
    Way::Beside {
        piece: MIB,
        lanes: 4,
    },
    Way::Beside {
        piece: MIB,
        lanes: 1,
    },
    Way::Beside {
        piece: 4 * MIB,
        lanes: 1,
    },
    Way::Unwritten,
    Way::UnwrittenUnsafe,
    Way::Extending,
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let mut number = |default: u64| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let (size, rounds) = (number(1024) * MIB as u64, number(3));
    let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
    runtime.block_on(async move {
        for round in 0..rounds {
            for way in WAYS {
                let line = measure(&directory, way, size).await;
                println!("round {round}  {line}");
            }
        }
    });
}

async fn measure(directory: &Path, way: Way, size: u64) -> String {
    let segment = open(&directory.join("segment-space.segment")).await;
    let journal = open(&directory.join("segment-space.journal")).await;
    write(&journal, 0, JOURNAL, PIECE, 4).await;
    journal.sync_all().await.unwrap();
    if matches!(way, Way::Recycled) {
        write(&segment, 0, size, PIECE, 4).await;
        segment.sync_all().await.unwrap();
    }
    let (cpu, bytes, began) = (cpu_seconds().await, written_bytes().await, now());
    let mut latencies = append(way, &segment, &journal, size).await;
    let wall = now().since(began).as_secs_f64();
    let (cpu, bytes) = (cpu_seconds().await - cpu, written_bytes().await - bytes);
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    fs::remove_file(segment.path()).await.unwrap();
    fs::remove_file(journal.path()).await.unwrap();
    let gib = size as f64 / (1 << 30) as f64;
    format!(
        "{:<36} {:>5.0} MiB/s  {:.2} CPU s/GiB  {:.2} bytes per byte  commit p50 {} p99 {} us",
        format!("{way:?}"),
        gib * 1024.0 / wall,
        cpu / gib,
        bytes / size as f64,
        at(50),
        at(99)
    )
}

/// Appends `size` bytes in commits; returns what each took, in microseconds.
async fn append(way: Way, segment: &Rc<File>, journal: &Rc<File>, size: u64) -> Vec<u128> {
    let mut latencies = Vec::new();
    let mut space = 0;
    let mut beside = None;
    let mut position = 0;
    while position < size {
        let began = now();
        if position == space && !matches!(way, Way::Recycled | Way::Extending) {
            match way {
                Way::Zeroes { piece, lanes } => {
                    write(segment, space, STEP, piece, lanes).await;
                    segment.sync_data().await.unwrap();
                }
                Way::Beside { piece, lanes } => {
                    let step = |from: u64| {
                        let segment = Rc::clone(segment);
                        spawn(async move {
                            write(&segment, from, STEP, piece, lanes).await;
                            segment.sync_data().await.unwrap();
                        })
                    };
                    beside.take().unwrap_or_else(|| step(space)).await.unwrap();
                    if space + STEP < size {
                        beside = Some(step(space + STEP));
                    }
                }
                _ => {
                    segment.allocate(space, STEP).await.unwrap();
                    segment.sync_data().await.unwrap();
                }
            }
            space += STEP;
        }
        write(segment, position, UNIT, PIECE, 4).await;
        if matches!(way, Way::Unwritten | Way::Extending) {
            segment.sync_data().await.unwrap();
        }
        let entry = BlockBuf::new(BLOCK).freeze();
        let at = position / UNIT * BLOCK as u64 % JOURNAL;
        let committed = journal.write_at(at, [entry], WriteMode::Durable).await;
        committed.unwrap();
        position += UNIT;
        latencies.push(now().since(began).as_micros());
    }
    latencies
}

/// Writes `size` bytes at `position`, so many pieces in flight.
async fn write(file: &Rc<File>, position: u64, size: u64, piece: usize, lanes: u64) {
    let bytes: Slice = BlockBuf::new(piece).freeze();
    let lane = |lane: u64| {
        let (file, bytes) = (Rc::clone(file), bytes.clone());
        spawn(async move {
            let mut at = lane * piece as u64;
            while at < size {
                let part = bytes.slice(0..piece.min((size - at) as usize));
                let written = file.write_at(position + at, [part], WriteMode::Plain).await;
                written.unwrap();
                at += lanes * piece as u64;
            }
        })
    };
    let running: Vec<_> = (0..lanes).map(lane).collect();
    for lane in running {
        lane.await.unwrap();
    }
}

async fn open(path: &Path) -> Rc<File> {
    let options = OpenOptions {
        truncate: true,
        ..OpenOptions::writing().direct()
    };
    Rc::new(File::open(path, options).await.unwrap())
}

async fn cpu_seconds() -> f64 {
    let text = read("/proc/self/stat").await;
    // User and system time, in hundredths, are the 12th and 13th fields behind the name.
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .map(|it| it.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

async fn written_bytes() -> f64 {
    let text = read("/proc/self/io").await;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}

/// A file of the kernel's, which has no length.
async fn read(path: &str) -> String {
    let file = File::open(path, OpenOptions::reading()).await.unwrap();
    let (count, bytes) = file.read_at(0, Vec::new(), 4096).await;
    count.unwrap();
    String::from_utf8(bytes).unwrap()
}
