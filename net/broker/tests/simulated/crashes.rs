//! Every acknowledged record is there once and in order, no committed offset goes back, and a topic
//! that was created stays and one that was deleted does not come back, whatever happens to the
//! broker and to its connections.
//!
//! `OTTLA_SEEDS=1000` runs more seeds than the tests do by themselves, and `OTTLA_SEED=17` the one
//! that a failure named.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{Prng, ProcessId, SimShard};

use crate::behaviour::create_topic;
use crate::clients::{
    administer, committed_offsets, read, read_everything, read_in_group, topic_names, write,
};
use crate::oracle::Oracle;
use crate::stage::Stage;

/// Seeds of one test run.
const SEEDS: u64 = 20;
/// How many things happen in one run.
const MISHAPS: u32 = 6;

/// Runs `work` with each of so many seeds; a failure names its seed.
pub(crate) fn with_seeds(count: u64, mut work: impl FnMut(u64)) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match number("OTTLA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OTTLA_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(seed))) {
            eprintln!("failed with OTTLA_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// The clients of a run, each a process.
pub(crate) struct Clients {
    pub(crate) oracle: Rc<Oracle>,
    processes: Vec<ProcessId>,
    running: Vec<SimShard<()>>,
}

impl Clients {
    fn begin(stage: &Stage) -> Self {
        Self::begin_with(stage, Rc::new(Oracle::default()))
    }

    pub(crate) fn begin_with(stage: &Stage, oracle: Rc<Oracle>) -> Self {
        let mut clients = Self {
            oracle,
            processes: Vec::new(),
            running: Vec::new(),
        };
        clients.add(stage, write);
        clients.add(stage, write);
        clients.add(stage, read);
        clients.add(stage, administer);
        clients.add(stage, read_in_group);
        clients.add(stage, read_in_group);
        clients
    }

    fn add<F>(&mut self, stage: &Stage, work: impl Fn(Rc<Oracle>) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let process = stage.add_client("client");
        let oracle = self.oracle.clone();
        let shard = stage.begin(process, || work(oracle.clone()));
        self.processes.push(process);
        self.running.push(shard);
    }

    /// Lets every client finish what it is doing.
    pub(crate) fn end(&self, stage: &Stage) {
        self.oracle.is_over.set(true);
        let are_over = || self.running.iter().all(SimShard::is_finished);
        let limit = Duration::from_secs(300);
        assert!(stage.world.run_until(limit, are_over), "a client hangs");
    }
}

/// Shown when the run fails.
pub(crate) fn tell(stage: &Stage, what: &str) {
    let now = stage.world.now().0 / 1_000;
    eprintln!("{now} us: {what}");
}

pub(crate) fn kill(stage: &Stage) {
    tell(stage, "kill");
    stage.world.kill(stage.broker);
}

pub(crate) fn cut_power(stage: &Stage) {
    tell(stage, "power cut");
    stage.world.power_cut(stage.broker);
}

pub(crate) fn millis(prng: &mut Prng, max: u64) -> Duration {
    Duration::from_micros(prng.below(max * 1000))
}

/// The broker goes down, one way or another, and comes up again; sometimes only at the second try.
pub(crate) fn restart(stage: &Stage, prng: &mut Prng, with_power_cuts: bool) {
    let go_down = |way: u64| match way {
        _ if !with_power_cuts => kill(stage),
        0 => kill(stage),
        _ => cut_power(stage),
    };
    match prng.below(5) {
        0 => {
            tell(stage, "clean stop");
            stage.stop_clean();
        }
        1 | 2 => go_down(0),
        _ => go_down(1),
    }
    stage.world.run_for(millis(prng, 500));
    while prng.below(3) == 0 {
        tell(stage, "start");
        stage.begin_start();
        stage.world.run_for(millis(prng, 40));
        go_down(prng.below(2));
    }
    tell(stage, "start");
    stage.start();
}

pub(crate) fn break_network(stage: &Stage, clients: &Clients, prng: &mut Prng) {
    let client = clients.processes[prng.below(clients.processes.len() as u64) as usize];
    tell(stage, "broken connections");
    match prng.below(3) {
        0 => stage.world.reset_connections(client, stage.broker),
        1 => {
            stage.world.clog(client, stage.broker);
            stage.world.run_for(millis(prng, 3000));
            stage.world.unclog(client, stage.broker);
        }
        _ => {
            stage.world.clog(stage.broker, client);
            stage.world.run_for(millis(prng, 3000));
            stage.world.reset_connections(client, stage.broker);
            stage.world.unclog(stage.broker, client);
        }
    }
}

fn run(seed: u64) {
    let stage = Stage::new(seed);
    let mut prng = Prng::new(seed).stream(u64::MAX);
    stage.client(create_topic);
    let clients = Clients::begin(&stage);
    stage.world.run_for(Duration::from_millis(300));
    for _ in 0..MISHAPS {
        stage.world.run_for(millis(&mut prng, 600));
        match prng.below(3) {
            0 => break_network(&stage, &clients, &mut prng),
            _ => restart(&stage, &mut prng, true),
        }
    }
    stage.world.run_for(Duration::from_millis(300));
    clients.end(&stage);
    let oracle = &clients.oracle;
    assert!(oracle.acked_count() > 50, "{} acked", oracle.acked_count());
    assert!(oracle.seen_count() > 50, "{} seen", oracle.seen_count());
    oracle.assert_kept(&stage.client(read_everything));
    stage.world.power_cut(stage.broker);
    stage.start();
    oracle.assert_kept(&stage.client(read_everything));
    oracle.assert_topics(&stage.client(topic_names));
    oracle.assert_commits(&stage.client(committed_offsets));
    stage.assert_no_panics();
}

#[test]
fn what_was_acknowledged_outlives_crashes_and_broken_connections() {
    with_seeds(SEEDS, run);
}

#[test]
fn a_run_can_be_repeated() {
    let hash = |seed| {
        let stage = Stage::new(seed);
        stage.client(create_topic);
        let clients = Clients::begin(&stage);
        stage.world.run_for(Duration::from_millis(500));
        stage.world.kill(stage.broker);
        stage.start();
        clients.end(&stage);
        stage.world.trace_hash()
    };
    assert_eq!(hash(7), hash(7));
}
