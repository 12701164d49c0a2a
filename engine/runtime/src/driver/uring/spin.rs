//! How long to look for work before sleeping.
//!
//! Waking a halted core costs some 25 us and CPU on both sides; finding the message while still
//! awake costs nothing. So a core that was woken soon after it slept spins a little next time, and
//! a core that spun in vain spins half as long: an idle one not at all.

use std::cell::Cell;
use std::time::Duration;

/// Below this a spin is not worth its clock reads.
const SPIN_MIN_NS: u64 = 2_000;

pub(super) struct Spin {
    max_ns: u64,
    current_ns: Cell<u64>,
}

impl Spin {
    pub(super) fn new(max: Duration) -> Self {
        Self {
            max_ns: max.as_nanos() as u64,
            current_ns: Cell::new(0),
        }
    }

    /// How long to spin now; `None` for not at all.
    pub(super) fn duration(&self) -> Option<Duration> {
        let current = self.current_ns.get();
        (current > 0).then(|| Duration::from_nanos(current))
    }

    /// A spin ended, with work or in vain.
    pub(super) fn on_spun(&self, found_work: bool) {
        let current = self.current_ns.get();
        self.current_ns.set(if found_work {
            (current + current / 4).min(self.max_ns)
        } else {
            let shorter = current / 2;
            if shorter < SPIN_MIN_NS { 0 } else { shorter }
        });
    }

    /// The core slept this long: if a spin would have bridged it, spin next time.
    pub(super) fn on_slept(&self, slept: Duration) {
        if slept.as_nanos() as u64 <= self.max_ns {
            let current = self.current_ns.get();
            let longer = (current * 2).max(SPIN_MIN_NS);
            self.current_ns.set(longer.min(self.max_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_short_sleeps_and_ends_when_idle() {
        let spin = Spin::new(Duration::from_micros(50));
        assert_eq!(spin.duration(), None);
        for _ in 0..10 {
            spin.on_slept(Duration::from_micros(20));
        }
        assert_eq!(spin.duration(), Some(Duration::from_micros(50)));
        spin.on_slept(Duration::from_millis(500));
        for _ in 0..5 {
            spin.on_spun(false);
        }
        assert_eq!(spin.duration(), None);
    }

    #[test]
    fn never_spins_when_told_not_to() {
        let spin = Spin::new(Duration::ZERO);
        spin.on_slept(Duration::ZERO);
        assert_eq!(spin.duration(), None);
    }
}
