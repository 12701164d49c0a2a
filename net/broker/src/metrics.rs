//! What a core counts. Plain cells on the data path; summed over the shards when somebody asks.

mod errors;
mod shard;
mod table;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use engine_base::ShardId;
use hdrhistogram::Histogram;
use net_wire::{ApiKey, ErrorCode};

pub(crate) use errors::Errors;
pub(crate) use shard::of_shard;
pub use table::{Kind, Metric};

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
    /// How often answers told which error; one answer may tell several.
    pub errors: BTreeMap<ErrorCode, u64>,
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
            errors: BTreeMap::new(),
            latency_us,
        }
    }
}

/// What a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The whole process.
    Broker,
    /// One shard.
    Shard(ShardId),
    /// The groups that are in this state.
    GroupState(&'static str),
}

/// The counters of some shards, summed.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By API name.
    pub requests: BTreeMap<&'static str, ApiMetrics>,
    /// Everything else.
    pub values: BTreeMap<(Metric, Of), u64>,
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

    /// Notes one error of an answer; no error is none to note.
    pub(crate) fn note_error(&self, api_key: ApiKey, error_code: ErrorCode) {
        if !error_code.is_none() {
            let mut requests = self.requests.borrow_mut();
            let errors = &mut requests.entry(api_key).or_default().errors;
            *errors.entry(error_code).or_default() += 1;
        }
    }

    fn by_api(&self) -> BTreeMap<&'static str, ApiMetrics> {
        let requests = self.requests.borrow();
        let by_name = |(api_key, api): (&ApiKey, &ApiMetrics)| (api_key.name(), api.clone());
        requests.iter().map(by_name).collect()
    }
}

impl Snapshot {
    /// Adds another shard's counters.
    pub fn merge(&mut self, other: Self) {
        for (name, api) in other.requests {
            let sum = self.requests.entry(name).or_default();
            sum.requests += api.requests;
            sum.closes += api.closes;
            for (error_code, count) in api.errors {
                *sum.errors.entry(error_code).or_default() += count;
            }
            sum.latency_us
                .add(&api.latency_us)
                .expect("all histograms have the same bounds");
        }
        for (metric, value) in other.values {
            *self.values.entry(metric).or_default() += value;
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
        let of_shard = |metrics: &Metrics, shard| Snapshot {
            requests: metrics.by_api(),
            values: BTreeMap::from([
                (
                    (Metric::FetchedBytes, Of::Broker),
                    metrics.fetched_bytes.get(),
                ),
                ((Metric::Partitions, Of::Shard(ShardId(shard))), 3),
            ]),
        };
        let (one, two) = (Metrics::default(), Metrics::default());
        one.note_request(ApiKey::Fetch, Duration::from_micros(10), false);
        two.note_request(ApiKey::Fetch, Duration::from_secs(600), true);
        for metrics in [&one, &two] {
            metrics.note_error(ApiKey::Fetch, ErrorCode::OFFSET_OUT_OF_RANGE);
            metrics.note_error(ApiKey::Fetch, ErrorCode::NONE);
            add(&metrics.fetched_bytes, 7);
        }
        let mut sum = of_shard(&one, 0);
        sum.merge(of_shard(&two, 1));
        let fetch = &sum.requests["Fetch"];
        assert_eq!((fetch.requests, fetch.closes), (2, 1));
        assert!(fetch.latency_us.max() >= LATENCY_US_MAX);
        let errors = BTreeMap::from([(ErrorCode::OFFSET_OUT_OF_RANGE, 2)]);
        assert_eq!(fetch.errors, errors);
        assert_eq!(sum.values[&(Metric::FetchedBytes, Of::Broker)], 14);
        assert_eq!(sum.values[&(Metric::Partitions, Of::Shard(ShardId(1)))], 3);
    }
}
