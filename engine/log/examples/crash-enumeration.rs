//! The full crash-state enumeration of journal, log and recovery on the simulated disk.
//!
//! `cargo run --release -p engine-log --example crash-enumeration -- --help`

#[path = "../tests/enumeration/mod.rs"]
mod enumeration;

use engine_log::Guards;
use enumeration::{Plan, enumerate};

const USAGE: &str = "\
crash-enumeration [WORKLOADS [IMAGES [FIRST [GUARD]]]]

Runs workloads on the simulated disk. For every prefix of what each did to the disk, power is cut or
the process killed, some of them again inside the recovery, and what is found is compared with what
may be there. Exits with 1 when anything is lost or nobody's.

  WORKLOADS   how many (120)
  IMAGES      crash images of each prefix (4)
  FIRST       the seed of the first workload (0); the same seeds do the same
  GUARD       builds with --features broken-guards only: the guard to remove; violations must follow.
              tail-image, segment-before-entry, generation, names-before-reuse, end-of-data, own-sync

A core does some ten workloads of two images in a minute.";

/// The arguments' numbers, and the name of a guard.
fn arguments() -> Option<([u64; 3], Option<String>)> {
    let mut arguments = std::env::args().skip(1);
    let mut numbers = [120, 4, 0];
    for number in &mut numbers {
        let Some(text) = arguments.next() else {
            return Some((numbers, None));
        };
        *number = text.parse().ok()?;
    }
    Some((numbers, arguments.next()))
}

fn main() {
    let understood = arguments().and_then(|(numbers, removed)| {
        let guards = guards(removed.as_deref())?;
        Some((numbers, guards))
    });
    let Some(([workloads, images_per_prefix, first], guards)) = understood else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let plan = Plan {
        workloads: first..first + workloads,
        images_per_prefix,
        crash_in_recovery_one_in: 4,
        guards,
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
fn guards(removed: Option<&str>) -> Option<Guards> {
    Some(match removed {
        None => Guards::default(),
        Some("tail-image") => Guards::without_tail_image(),
        Some("segment-before-entry") => Guards::without_segment_before_entry(),
        Some("generation") => Guards::without_generation(),
        Some("names-before-reuse") => Guards::without_names_before_reuse(),
        Some("end-of-data") => Guards::without_end_of_data(),
        Some("own-sync") => Guards::without_own_sync(),
        Some(_) => return None,
    })
}

#[cfg(not(feature = "broken-guards"))]
fn guards(removed: Option<&str>) -> Option<Guards> {
    removed.is_none().then(Guards::default)
}
