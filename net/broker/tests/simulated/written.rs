//! `ottla.durability=written` and the power: the ends of logs may go, and nothing else happens to
//! them.

use std::rc::Rc;
use std::time::Duration;

use engine_runtime::Prng;
use net_client::Acks;

use crate::behaviour::create_topic_with;
use crate::clients::{read_everything, write_some};
use crate::crashes::{cut_power, kill, millis, with_seeds};
use crate::oracle::Oracle;
use crate::stage::Stage;

const SEEDS: u64 = 2;
const ROUNDS: u32 = 4;
/// More than one round has time for.
const RECORDS: u32 = 100_000;

const CONFIGS: &[(&str, &str)] = &[
    ("ottla.durability", "written"),
    ("internal.segment.bytes", "100000"),
];

/// Writers come and go with the broker: one whose records were lost could not go on, its sequence
/// numbers have a gap.
fn run(seed: u64) -> usize {
    let stage = Stage::new(seed);
    let mut prng = Prng::new(seed).stream(u64::MAX - 2);
    stage.client(|| create_topic_with(CONFIGS));
    let oracle = Rc::new(Oracle::default());
    let mut lost = 0;
    for _ in 0..ROUNDS {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (process, oracle) = (stage.add_client("writer"), oracle.clone());
                let work = move || write_some(oracle.clone(), Acks::All, RECORDS);
                (process, stage.begin(process, work))
            })
            .collect();
        stage.world.run_for(millis(&mut prng, 800));
        let has_power = prng.below(2) == 0;
        match has_power {
            true => kill(&stage),
            false => cut_power(&stage),
        }
        writers
            .iter()
            .for_each(|(process, _)| stage.world.kill(*process));
        stage.start();
        let held = stage.client(read_everything);
        let acked = oracle.acked_count();
        match has_power {
            true => oracle.assert_kept(&held),
            false => oracle.assert_kept_but_ends(&held),
        }
        lost += acked - oracle.acked_count();
        // What is read once the broker serves is on the disk: it is not lost by the next cut
        // before anything was written.
        stage.world.run_for(Duration::from_millis(10));
    }
    stage.stop_clean();
    stage.start();
    oracle.assert_kept(&stage.client(read_everything));
    stage.assert_no_panics();
    lost
}

#[test]
fn power_takes_the_ends_of_written_logs_and_kills_take_nothing() {
    let mut lost = 0;
    with_seeds(SEEDS, |seed| lost += run(seed));
    // Otherwise the cuts tested nothing.
    assert!(lost > 0);
}
