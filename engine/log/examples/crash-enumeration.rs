//! The full crash-state enumeration of journal, log and recovery on the simulated disk.
//!
//! `cargo run --release -p engine-log --example crash-enumeration [WORKLOADS] [IMAGES] [FIRST]`
//! runs so many workloads (default 120) from seed FIRST (default 0) on, with so many crash images
//! for each prefix of each (default 4). With `--features broken-guards`, a fourth argument
//! (`tail-image`, `segment-before-entry`, `generation`, `names-before-reuse`, `end-of-data`,
//! `own-sync`) removes a guard: the run must then find violations.

#[path = "../tests/enumeration/mod.rs"]
mod enumeration;

use engine_log::Guards;
use enumeration::{Plan, enumerate};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        arguments
            .next()
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (workloads, images_per_prefix, first) = (number(120), number(4), number(0));
    let plan = Plan {
        workloads: first..first + workloads,
        images_per_prefix,
        crash_in_recovery_one_in: 4,
        guards: guards(std::env::args().nth(4).as_deref()),
    };
    let mut printed = 0;
    let outcome = enumerate(&plan, |seed, outcome| {
        for violation in &outcome.violations[printed..] {
            println!("{violation}");
        }
        printed = outcome.violations.len();
        if seed % 10 == 9 {
            let (states, violations) = (outcome.states, outcome.violations.len());
            eprintln!("workload {seed}: {states} states so far, {violations} violations");
        }
    });
    println!(
        "{} workloads, {} crash states ({} of them crashes inside recovery), {} violations",
        workloads,
        outcome.states,
        outcome.states_in_recovery,
        outcome.violations.len()
    );
    std::process::exit(i32::from(!outcome.violations.is_empty()));
}

#[cfg(feature = "broken-guards")]
fn guards(removed: Option<&str>) -> Guards {
    match removed {
        None => Guards::default(),
        Some("tail-image") => Guards::without_tail_image(),
        Some("segment-before-entry") => Guards::without_segment_before_entry(),
        Some("generation") => Guards::without_generation(),
        Some("names-before-reuse") => Guards::without_names_before_reuse(),
        Some("end-of-data") => Guards::without_end_of_data(),
        Some("own-sync") => Guards::without_own_sync(),
        Some(other) => panic!("{other} is no guard"),
    }
}

#[cfg(not(feature = "broken-guards"))]
fn guards(removed: Option<&str>) -> Guards {
    assert!(
        removed.is_none(),
        "guards are removed with --features broken-guards only"
    );
    Guards::default()
}
