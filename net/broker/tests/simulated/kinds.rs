//! The crash runs again, on topics of other kinds and on a disk that becomes full.

use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{Prng, wall_clock_ms};

use crate::behaviour::create_topic_with;
use crate::clients::{committed_offsets, connect, read_everything, topic_names};
use crate::crashes::{Clients, break_network, millis, restart, tell, with_seeds};
use crate::oracle::{Held, Oracle};
use crate::stage::Stage;

/// Seeds of each kind in one test run.
const SEEDS: u64 = 1;
const MISHAPS: u32 = 6;

/// What is special about a run.
#[derive(Clone, Copy, Default)]
struct Kind {
    configs: &'static [(&'static str, &'static str)],
    /// Without power cuts: what is promised does not outlive them.
    is_written: bool,
    removes: bool,
    /// Times are the broker's.
    has_append_time: bool,
    disk_fills: bool,
}

/// A disk that has little room for a while. What cannot be written is refused or waits; the broker
/// goes on, and so does everything else when there is room again.
fn fill_disk(stage: &Stage, prng: &mut Prng) {
    tell(stage, "the disk is full");
    stage.world.with_disk(stage.broker, |disk| {
        disk.set_capacity(disk.used_bytes() + prng.below(100_000));
    });
    stage.world.run_for(millis(prng, 4000));
    // It still answers.
    let cluster = stage.client(connect);
    assert!(cluster.is_ok(), "{:?}", cluster.err());
    tell(stage, "the disk has room");
    let has_room = |disk: &mut engine_runtime::disk::Disk| disk.set_capacity(u64::MAX);
    stage.world.with_disk(stage.broker, has_room);
}

fn run(seed: u64, kind: Kind) -> Held {
    let stage = Stage::with(seed, |config| {
        config.maintenance_delay = Duration::from_millis(50);
        config.retention_check_interval = Duration::from_millis(50);
    });
    let mut prng = Prng::new(seed).stream(u64::MAX - 1);
    stage.client(|| create_topic_with(kind.configs));
    let began_ms = stage.client(async || wall_clock_ms());
    let oracle = Rc::new(Oracle::default());
    oracle.removes.set(kind.removes);
    let clients = Clients::begin_with(&stage, oracle.clone());
    stage.world.run_for(Duration::from_millis(300));
    for _ in 0..MISHAPS {
        stage.world.run_for(millis(&mut prng, 600));
        match prng.below(4) {
            0 => break_network(&stage, &clients, &mut prng),
            1 if kind.disk_fills => fill_disk(&stage, &mut prng),
            _ => restart(&stage, &mut prng, !kind.is_written),
        }
    }
    stage.world.run_for(Duration::from_millis(300));
    clients.end(&stage);
    assert!(oracle.acked_count() > 50, "{} acked", oracle.acked_count());
    oracle.assert_kept(&stage.client(read_everything));
    match kind.is_written {
        true => stage.world.kill(stage.broker),
        false => stage.world.power_cut(stage.broker),
    }
    stage.start();
    let held = stage.client(read_everything);
    oracle.assert_kept(&held);
    for record in &held.records {
        let is_append_time = record.timestamp >= began_ms;
        assert_eq!(is_append_time, kind.has_append_time, "{record:?}");
    }
    oracle.assert_topics(&stage.client(topic_names));
    oracle.assert_commits(&stage.client(committed_offsets));
    stage.assert_no_panics();
    held
}

#[test]
fn small_segments_roll() {
    let kind = Kind {
        configs: &[("internal.segment.bytes", "100000")],
        ..Kind::default()
    };
    with_seeds(SEEDS, |seed| drop(run(seed, kind)));
}

#[test]
fn retention_removes_segments_and_nothing_else() {
    let kind = Kind {
        configs: &[
            ("internal.segment.bytes", "100000"),
            ("segment.ms", "300"),
            ("retention.bytes", "1"),
        ],
        removes: true,
        ..Kind::default()
    };
    let mut removed = 0;
    with_seeds(SEEDS, |seed| {
        let held = run(seed, kind);
        removed += held.starts.values().sum::<i64>();
    });
    assert!(removed > 0, "nothing was old enough");
}

#[test]
fn what_is_written_outlives_kills() {
    let kind = Kind {
        configs: &[("ottla.durability", "written")],
        is_written: true,
        ..Kind::default()
    };
    with_seeds(SEEDS, |seed| drop(run(seed, kind)));
}

#[test]
fn what_is_written_in_small_segments_outlives_kills() {
    let kind = Kind {
        configs: &[
            ("ottla.durability", "written"),
            ("internal.segment.bytes", "100000"),
            ("segment.ms", "300"),
            ("retention.bytes", "1"),
        ],
        is_written: true,
        removes: true,
        ..Kind::default()
    };
    with_seeds(SEEDS, |seed| drop(run(seed, kind)));
}

#[test]
fn append_times_and_another_compression_are_the_topics() {
    let kind = Kind {
        configs: &[
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "lz4"),
        ],
        has_append_time: true,
        ..Kind::default()
    };
    with_seeds(SEEDS, |seed| drop(run(seed, kind)));
}

#[test]
fn a_full_disk_is_waited_out() {
    let kind = Kind {
        configs: &[("internal.segment.bytes", "100000")],
        disk_fills: true,
        ..Kind::default()
    };
    with_seeds(SEEDS, |seed| drop(run(seed, kind)));
}
