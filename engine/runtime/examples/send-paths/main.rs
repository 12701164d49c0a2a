//! What it costs to send cached bytes over loopback TCP: by copy out of ordinary and huge pages, by
//! "zero copy", and by page references.
//!
//! `cargo run --release -p engine-runtime --example send-paths [ROUNDS] [ARENA-MIB] [MIB-PER-RUN]
//! [stream]` (defaults 7, 64, 256; the consumer asks for each answer, as in Kafka, or with `stream`
//! takes all it can get, which keeps the socket full) prints for each size of answer and each way the CPU seconds per GiB of the
//! sending and the receiving thread (getrusage of each), the threads' sum, and the throughput:
//! medians of the rounds, least and most. Ways are interleaved, so that a machine that others use
//! harms all of them alike; CPU time is what counts then, not throughput. A first round of small
//! runs checks every byte that arrives.
//!
//! The arena is the cache: bytes are sent from all over it, from positions that are no page
//! boundaries. Pages of the administrator's reserve (`vm.nr_hugepages`) are used when it has enough
//! for the arena. The sender is on the first core, the receiver on the last. A second table says
//! what it costs to fill such memory: again, and anew, as page references demand.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an experiment with system calls: it never runs under simulation"
)]

mod bare_ring;
mod receiver;
mod refill;
mod sender;
mod system;

use std::io;
use std::time::Duration;

use receiver::Consumer;
use sender::{Figures, Sender, Way};
use system::Pages;

const GIB: f64 = (1 << 30) as f64;
const SIZES_BYTES: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, 1 << 20];

const fn ring(pages: Pages, is_zero_copy: bool) -> Way {
    Way::Ring {
        pages,
        is_zero_copy,
    }
}

const fn runtime(pages: Pages, answers: usize) -> Way {
    Way::Runtime { pages, answers }
}

const WAYS: [(&str, Way); 11] = [
    ("SEND, 4 KiB pages", runtime(Pages::Ordinary, 1)),
    ("SEND, huge pages", runtime(Pages::Transparent, 1)),
    (
        "SEND of 8 answers, 4 KiB pages",
        runtime(Pages::Ordinary, 8),
    ),
    (
        "SEND of 8 answers, huge pages",
        runtime(Pages::Transparent, 8),
    ),
    ("bare ring SEND, 4 KiB pages", ring(Pages::Ordinary, false)),
    (
        "bare ring SEND, huge pages",
        ring(Pages::Transparent, false),
    ),
    (
        "bare ring SEND, reserved pages",
        ring(Pages::Reserved, false),
    ),
    (
        "bare ring SEND_ZC, 4 KiB pages",
        ring(Pages::Ordinary, true),
    ),
    (
        "bare ring SEND_ZC, huge pages",
        ring(Pages::Transparent, true),
    ),
    (
        "vmsplice, 4 KiB pages",
        Way::Splice {
            pages: Pages::Ordinary,
        },
    ),
    (
        "vmsplice, huge pages",
        Way::Splice {
            pages: Pages::Transparent,
        },
    ),
];

struct Options {
    rounds: usize,
    arena_bytes: usize,
    run_bytes: usize,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let options = Options {
        rounds: number(7),
        arena_bytes: number(64) << 20,
        run_bytes: number(256) << 20,
    };
    let is_asked = match arguments.next().as_deref() {
        None => true,
        Some("stream") => false,
        Some(other) => panic!("{other} is not `stream`"),
    };
    let cores = engine_runtime::usable_cores();
    system::pin_to(cores[0]);
    let consumer = Consumer::start(cores[cores.len() - 1])?;
    let mut sender = Sender::new(options.arena_bytes, is_asked)?;
    let mut ways = Vec::new();
    for (name, way) in WAYS {
        match sender.has(way) {
            Ok(()) => ways.push((name, way)),
            Err(error) => println!("left out: {name}: {error}"),
        }
    }
    println!(
        "size       way                               sender s/GiB        receiver  sum    GiB/s"
    );
    for size in SIZES_BYTES {
        compare_ways(&mut sender, &consumer, &ways, size, &options)?;
    }
    let (sent, copied) = sender.zero_copy_counts();
    println!("{copied} of {sent} SEND_ZC payloads were copied by the kernel");
    compare_refills(&options)
}

fn compare_ways(
    sender: &mut Sender,
    consumer: &Consumer,
    ways: &[(&str, Way)],
    size: usize,
    options: &Options,
) -> io::Result<()> {
    for (_, way) in ways {
        sender.run(consumer, *way, size, (8 << 20) / size, true)?;
    }
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); ways.len()];
    for round in 0..options.rounds {
        for step in 0..ways.len() {
            // There and back, so that no way always follows the same one.
            let index = match round % 2 {
                0 => step,
                _ => ways.len() - 1 - step,
            };
            let count = options.run_bytes / size;
            let run = sender.run(consumer, ways[index].1, size, count, false)?;
            figures[index].push(run);
        }
    }
    for ((name, _), runs) in ways.iter().zip(&figures) {
        print_row(size, name, runs);
    }
    Ok(())
}

fn print_row(size: usize, name: &str, runs: &[Figures]) {
    let per_gib = |cpu: Duration, run: &Figures| cpu.as_secs_f64() / (run.bytes as f64 / GIB);
    let of = |value: &dyn Fn(&Figures) -> f64| Spread::of(runs.iter().map(value).collect());
    let sender = of(&|run| per_gib(run.sender_cpu, run));
    let receiver = of(&|run| per_gib(run.receiver_cpu, run)).median;
    let sum = of(&|run| per_gib(run.sender_cpu + run.receiver_cpu, run)).median;
    let rate = of(&|run| run.bytes as f64 / GIB / run.elapsed.as_secs_f64()).median;
    let other = of(&|run| per_gib(run.other_cpu, run)).median;
    let workers = match other {
        0.01.. => format!("  workers {other:.3}"),
        _ => String::new(),
    };
    println!(
        "{:>4} KiB   {name:<32}  {sender}  {receiver:.3}     {sum:.3}  {rate:.2}{workers}",
        size >> 10
    );
}

fn compare_refills(options: &Options) -> io::Result<()> {
    const KINDS: [(&str, Pages, bool); 4] = [
        ("4 KiB pages again", Pages::Ordinary, false),
        ("huge pages again", Pages::Transparent, false),
        ("new 4 KiB pages", Pages::Ordinary, true),
        ("new huge pages", Pages::Transparent, true),
    ];
    let mut costs = [const { Vec::new() }; KINDS.len()];
    for _ in 0..options.rounds {
        for (kind, costs) in KINDS.iter().zip(&mut costs) {
            let cpu = refill::run(kind.1, kind.2, options.arena_bytes, options.run_bytes)?;
            costs.push(cpu.as_secs_f64() / (options.run_bytes as f64 / GIB));
        }
    }
    println!("filling memory, CPU s/GiB");
    for ((name, ..), costs) in KINDS.iter().zip(costs) {
        println!("{name:<20}  {}", Spread::of(costs));
    }
    Ok(())
}

/// The middle of some figures, and their ends.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            median: values[values.len() / 2],
            least: values[0],
            most: values[values.len() - 1],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} [{:.3}-{:.3}]", self.median, self.least, self.most)
    }
}
