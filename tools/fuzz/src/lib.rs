//! What each fuzz target proves, and the inputs it begins with.
//!
//! One module for each target: `check` takes any bytes and must return; it panics where an oracle
//! does not hold. `seeds` gives inputs made by the product's own encoders. The programs in
//! `targets/` only hand `check` to libFuzzer.

#![forbid(unsafe_code)]

pub mod checkpoints;
pub mod group;
pub mod journal;
pub mod metadata;
pub mod record;
pub mod recovery;
pub mod wire;

mod input;

// Two readers that no crate gives out stand here by their path, with what they ask of their crate.
#[allow(dead_code)]
#[path = "../../../engine/log/src/commit_record.rs"]
mod commit_record;
#[allow(dead_code, unused_imports)]
mod limits {
    pub(crate) use engine_log::limits::{SEGMENT_SIZE_BYTES_MAX, UNSYNCED_SEGMENTS_MAX};
}
#[allow(dead_code)]
#[path = "../../server/src/config/properties.rs"]
mod properties;

/// The seeds of every target, by its name.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    vec![
        ("checkpoints", checkpoints::seeds()),
        ("group", group::seeds()),
        ("journal", journal::seeds()),
        ("metadata", metadata::seeds()),
        ("record", record::seeds()),
        ("recovery", recovery::seeds()),
        ("wire", wire::seeds()),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_passes() {
        for (target, seeds) in crate::seeds() {
            let check = match target {
                "checkpoints" => crate::checkpoints::check,
                "group" => crate::group::check,
                "journal" => crate::journal::check,
                "metadata" => crate::metadata::check,
                "record" => crate::record::check,
                "recovery" => crate::recovery::check,
                _ => crate::wire::check,
            };
            seeds.iter().for_each(|seed| check(seed));
        }
    }
}
