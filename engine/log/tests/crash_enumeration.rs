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
        workloads: 0..12,
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
    for guards in [
        Guards::without_tail_image(),
        Guards::without_segment_before_entry(),
        Guards::without_generation(),
    ] {
        let plan = Plan {
            workloads: 0..20,
            images_per_prefix: 1,
            crash_in_recovery_one_in: 4,
            guards,
        };
        let outcome = enumerate(&plan, |_, _| {});
        assert!(!outcome.violations.is_empty(), "{guards:?} is not missed");
    }
}
