//! A short run of the crash-state enumeration; the full one is
//! `cargo run --release -p engine-log --example crash-enumeration`.

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
