//! What a core counts. Plain cells on the data path; summed over the shards when somebody asks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use net_wire::ApiKey;

/// Latencies are kept to two digits between a microsecond and a minute.
const LATENCY_US_MAX: u64 = 60_000_000;
const LATENCY_DIGITS: u8 = 2;

/// One core's counters.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: RefCell<BTreeMap<ApiKey, ApiMetrics>>,
    pub(crate) produced_bytes: Cell<u64>,
    pub(crate) produced_batches: Cell<u64>,
    pub(crate) fetched_bytes: Cell<u64>,
    pub(crate) connections_accepted: Cell<u64>,
    pub(crate) connections_refused: Cell<u64>,
}

/// One API on one core.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    /// Requests answered.
    pub requests: u64,
    /// Connections closed over a request that could not be understood.
    pub closes: u64,
    /// From the frame's arrival to its answer, in microseconds.
    pub latency_us: Histogram<u64>,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        let latency_us = Histogram::new_with_max(LATENCY_US_MAX, LATENCY_DIGITS)
            .expect("the bounds are constants that the histogram accepts");
        Self {
            requests: 0,
            closes: 0,
            latency_us,
        }
    }
}

/// The counters of some shards, summed.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By API name.
    pub requests: BTreeMap<&'static str, ApiMetrics>,
    /// Monotonic counters by name.
    pub counters: BTreeMap<&'static str, u64>,
    /// Values of this moment by name.
    pub gauges: BTreeMap<&'static str, u64>,
}

impl Metrics {
    /// Notes one request.
    pub(crate) fn note_request(&self, api_key: ApiKey, latency: Duration, is_close: bool) {
        let mut requests = self.requests.borrow_mut();
        let api = requests.entry(api_key).or_default();
        api.requests += 1;
        api.closes += u64::from(is_close);
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        api.latency_us.saturating_record(latency_us.max(1));
    }

    /// A copy of this core's counters.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let counters = [
            ("produced_bytes", &self.produced_bytes),
            ("produced_batches", &self.produced_batches),
            ("fetched_bytes", &self.fetched_bytes),
            ("connections_accepted", &self.connections_accepted),
            ("connections_refused", &self.connections_refused),
        ];
        let requests = self.requests.borrow();
        Snapshot {
            requests: requests
                .iter()
                .map(|(api_key, api)| (api_key.name(), api.clone()))
                .collect(),
            counters: counters
                .into_iter()
                .map(|(name, cell)| (name, cell.get()))
                .chain(of_reactor())
                .collect(),
            gauges: BTreeMap::new(),
        }
    }
}

/// What the reactor of the present core counts.
fn of_reactor() -> [(&'static str, u64); 9] {
    let metrics = engine_runtime::metrics();
    [
        ("reactor_turns", metrics.turns.value()),
        ("reactor_polls", metrics.polls.value()),
        ("reactor_operations", metrics.operations.value()),
        ("reactor_enters", metrics.enters.value()),
        ("reactor_sleeps", metrics.sleeps.value()),
        ("reactor_wakes_sent", metrics.wakes_sent.value()),
        ("reactor_stalls", metrics.stalls.value()),
        ("reactor_busy_nanoseconds", metrics.busy_ns.value()),
        ("reactor_spun_nanoseconds", metrics.polled_ns.value()),
    ]
}

impl Snapshot {
    /// Adds another shard's counters.
    pub fn merge(&mut self, other: Self) {
        for (name, api) in other.requests {
            let sum = self.requests.entry(name).or_default();
            sum.requests += api.requests;
            sum.closes += api.closes;
            sum.latency_us
                .add(&api.latency_us)
                .expect("all histograms have the same bounds");
        }
        for (name, value) in other.counters {
            *self.counters.entry(name).or_default() += value;
        }
        for (name, value) in other.gauges {
            *self.gauges.entry(name).or_default() += value;
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get().wrapping_add(count));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_summed() {
        let (one, two) = (Metrics::default(), Metrics::default());
        one.note_request(ApiKey::Fetch, Duration::from_micros(10), false);
        two.note_request(ApiKey::Fetch, Duration::from_secs(600), true);
        add(&two.fetched_bytes, 7);
        // The reactor's counters are read on a core.
        let world = engine_runtime::SimWorld::new(0, engine_runtime::SimOptions::default());
        let process = world.add_process("broker");
        let sum = world.runtime(process).block_on(async move {
            let mut sum = one.snapshot();
            sum.merge(two.snapshot());
            sum
        });
        assert_eq!(
            (sum.requests["Fetch"].requests, sum.requests["Fetch"].closes),
            (2, 1)
        );
        assert_eq!(sum.counters["fetched_bytes"], 7);
        assert!(sum.requests["Fetch"].latency_us.max() >= LATENCY_US_MAX);
    }
}
