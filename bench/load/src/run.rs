//! Phases of an experiment: threads begin, the warm-up passes unmeasured, then everything counts
//! until the end.

use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Target;
use crate::failure::Failure;
use crate::usage::{Cost, Meter};

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// What takes longer counts as this long.
const LATENCY_NANOSECONDS_MAX: u64 = 120_000_000_000;

/// Which phase it is, for every thread.
#[derive(Debug)]
pub(crate) struct Phase(AtomicU8);

impl Phase {
    /// Whether what happens now counts.
    pub(crate) fn measures(&self) -> bool {
        self.0.load(Ordering::Relaxed) == MEASURE
    }

    /// Whether the experiment is over.
    pub(crate) fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) == STOP
    }
}

/// What one thread has done in the measured time.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// Nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: 0,
            bytes: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_NANOSECONDS_MAX, 3)
                .expect("the bounds are in order and three digits are allowed"),
        }
    }
}

impl Tally {
    /// Counts one request that took from `began` until now.
    pub(crate) fn count(&mut self, began: Instant, bytes: usize) {
        self.requests += 1;
        self.bytes += bytes as u64;
        let nanoseconds = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanoseconds.max(1));
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.latency
            .add(&other.latency)
            .expect("all histograms have the same bounds");
    }
}

/// Runs one thread for each index below `threads` through the phases.
pub(crate) fn run<W>(target: &Target, threads: usize, work: W) -> Result<(Tally, Cost), Failure>
where
    W: Fn(usize, &Phase) -> Result<Tally, Failure> + Sync,
{
    let phase = Phase(AtomicU8::new(WARM_UP));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|index| {
                scope.spawn({
                    let (work, phase) = (&work, &phase);
                    move || work(index, phase)
                })
            })
            .collect();
        let failed = || workers.iter().any(thread::ScopedJoinHandle::is_finished);
        let cost = conduct(target, &phase, &failed);
        phase.0.store(STOP, Ordering::Relaxed);
        let mut sum = Tally::default();
        for worker in workers {
            sum.add(&worker.join().expect("a worker does not panic")?);
        }
        Ok((sum, cost?))
    })
}

/// Moves the phase along the clock. A worker that ends before its time has failed.
fn conduct(target: &Target, phase: &Phase, failed: &dyn Fn() -> bool) -> Result<Cost, Failure> {
    let bar = ProgressBar::new((target.warm_up + target.seconds).ceil() as u64);
    bar.set_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} s")
            .expect("the template is right"),
    );
    bar.set_message("warm-up");
    let began = Instant::now();
    let wait = |seconds: f64| {
        let until = began + Duration::from_secs_f64(seconds);
        while Instant::now() < until && !failed() {
            sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
            bar.set_position(began.elapsed().as_secs());
        }
    };
    wait(target.warm_up);
    let meter = Meter::start(target.pid)?;
    phase.0.store(MEASURE, Ordering::Relaxed);
    bar.set_message("measure");
    wait(target.warm_up + target.seconds);
    let cost = meter.stop()?;
    bar.finish_and_clear();
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_keeps_latencies_and_joins_others() {
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.count(Instant::now() - Duration::from_millis(5), 100);
        two.count(Instant::now() - Duration::from_secs(500), 100);
        one.add(&two);
        assert_eq!((one.requests, one.bytes), (2, 200));
        assert!(one.latency.min() >= 4_900_000);
        assert!(one.latency.max() >= LATENCY_NANOSECONDS_MAX);
    }
}
