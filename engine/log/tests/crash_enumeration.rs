//! A short run of the crash-state enumeration; the full one is
//! `cargo run --release -p engine-log --example crash-enumeration`. With
//! `--features broken-guards` it also proves that it finds what the guards prevent.
#![allow(clippy::unwrap_used, reason = "a test")]

mod enumeration;

use engine_log::Guards;
use enumeration::{Plan, enumerate};

#[test]
fn no_crash_loses_what_was_kept_or_invents_what_was_not() {
    let plan = Plan {
        workloads: 0..6,
        images_per_prefix: 1,
        crash_in_recovery_one_in: 4,
        guards: Guards::default(),
    };
    let outcome = enumerate(&plan, |_, _| {});
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
    assert!(outcome.states > 2_000, "{}", outcome.states);
}

#[cfg(feature = "broken-guards")]
#[test]
fn each_guard_that_is_removed_is_missed() {
    // Every sixth workload from 3 on is about recycled files, from 5 on about changed durability.
    let recycling: Vec<u64> = (3..80).step_by(6).collect();
    let switching = (5..80).step_by(6).collect();
    for (guards, workloads) in [
        (Guards::without_tail_image(), (0..20).collect()),
        (Guards::without_segment_before_entry(), (0..20).collect()),
        (Guards::without_generation(), (0..20).collect()),
        (Guards::without_names_before_reuse(), recycling.clone()),
        (Guards::without_end_of_data(), recycling),
        (Guards::without_own_sync(), switching),
    ] {
        let is_missed = workloads.iter().any(|&seed: &u64| {
            let plan = Plan {
                workloads: seed..seed + 1,
                images_per_prefix: 1,
                crash_in_recovery_one_in: 4,
                guards,
            };
            !enumerate(&plan, |_, _| {}).violations.is_empty()
        });
        assert!(is_missed, "{guards:?}");
    }
}
