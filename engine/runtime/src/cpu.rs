//! Which cores this process may use, and putting a thread on one.

use core_affinity::CoreId;

/// The cores of the process's affinity mask, cut to the CPU time its control group grants (a
/// container limited to 2 CPUs on a 64-core host gets two shards, not 64 that throttle each
/// other). At least one.
#[must_use]
pub fn usable_cores() -> Vec<usize> {
    let mut cores: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| core.id)
        .collect();
    if cores.is_empty() {
        cores.push(0);
    }
    // The standard library reads both: the mask and the quota of control groups v1 and v2.
    let granted = std::thread::available_parallelism().map_or(1, usize::from);
    cores.truncate(granted.max(1));
    cores
}

/// Puts the calling thread on one core. `false` when the system refuses: the thread then runs
/// wherever the scheduler puts it, which is slower but right.
pub(crate) fn pin_to(core: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: core })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_core_and_it_can_be_pinned_to() {
        let cores = usable_cores();
        assert!(!cores.is_empty());
        let pinned = std::thread::spawn(move || pin_to(cores[0])).join();
        assert_eq!(pinned.ok(), Some(true));
    }
}
