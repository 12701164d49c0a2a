//! The broker's counters as the families of the metrics page.

use net_broker::metrics::{ApiMetrics, Snapshot as BrokerSnapshot};
use tools_http::{Family, HistogramValue, Sample, Snapshot, Value};

/// Upper bounds of the latency buckets, in microseconds: from a hot answer to a long poll.
const LATENCY_BOUNDS_US: [u64; 16] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 5_000_000, 30_000_000,
];

/// Everything the broker counts.
pub(crate) fn families(broker: &BrokerSnapshot) -> Snapshot {
    let mut families = Vec::new();
    let apis = || broker.requests.iter();
    let by_api = |name: &str, help: &str, value: &dyn Fn(&ApiMetrics) -> Value| Family {
        name: name.to_owned(),
        help: help.to_owned(),
        samples: apis()
            .map(|(api, metrics)| Sample {
                labels: vec![("api", (*api).to_owned())],
                value: value(metrics),
            })
            .collect(),
    };
    families.push(by_api("ottla_requests", "Requests answered.", &|api| {
        Value::Counter(api.requests)
    }));
    families.push(by_api(
        "ottla_request_closes",
        "Connections closed over a request that could not be understood.",
        &|api| Value::Counter(api.closes),
    ));
    families.push(by_api(
        "ottla_request_latency_seconds",
        "From a request's arrival to its answer.",
        &|api| Value::Histogram(latency(api)),
    ));
    for (name, value) in &broker.counters {
        let help = format!("{}, since the start.", sentence(name));
        families.push(Family::single(
            &format!("ottla_{name}"),
            &help,
            Value::Counter(*value),
        ));
    }
    for (name, value) in &broker.gauges {
        let help = format!("{}, now.", sentence(name));
        // 2^53 and above lose their last bits: no count or size comes near.
        let value = Value::Gauge(*value as f64);
        families.push(Family::single(&format!("ottla_{name}"), &help, value));
    }
    Snapshot { families }
}

/// `produced_bytes` as "Produced bytes".
fn sentence(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn latency(api: &ApiMetrics) -> HistogramValue {
    let histogram = &api.latency_us;
    let mut buckets: Vec<(f64, u64)> = LATENCY_BOUNDS_US
        .into_iter()
        .map(|bound| (bound as f64 / 1e6, 0))
        .collect();
    for recorded in histogram.iter_recorded() {
        let bucket =
            LATENCY_BOUNDS_US.partition_point(|&bound| bound < recorded.value_iterated_to());
        // What is above the last bound is in the count alone.
        if let Some((_, count)) = buckets.get_mut(bucket) {
            *count += recorded.count_since_last_iteration();
        }
    }
    HistogramValue {
        sum: histogram.mean() * histogram.len() as f64 / 1e6,
        count: histogram.len(),
        buckets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_latencies_become_families() {
        let mut api = ApiMetrics {
            requests: 2,
            ..ApiMetrics::default()
        };
        api.latency_us.record(80).unwrap();
        api.latency_us.record(50_000_000).unwrap();
        let mut broker = BrokerSnapshot::default();
        broker.requests.insert("Fetch", api);
        broker.counters.insert("produced_bytes", 9);
        broker.gauges.insert("connections", 3);
        let text = tools_http::render(families(&broker));
        for line in [
            "ottla_requests_total{api=\"Fetch\"} 2",
            "ottla_request_latency_seconds_count{api=\"Fetch\"} 2",
            "ottla_request_latency_seconds_bucket{le=\"0.0001\",api=\"Fetch\"} 1",
            "ottla_request_latency_seconds_bucket{le=\"30.0\",api=\"Fetch\"} 1",
            "ottla_request_latency_seconds_bucket{le=\"+Inf\",api=\"Fetch\"} 2",
            "# HELP ottla_produced_bytes Produced bytes, since the start.",
            "ottla_produced_bytes_total 9",
            "ottla_connections 3.0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn buckets_count_each_request_once() {
        let mut api = ApiMetrics::default();
        for latency in 1..=3000 {
            api.latency_us.record(latency).unwrap();
        }
        let value = latency(&api);
        let counted: u64 = value.buckets.iter().map(|(_, count)| count).sum();
        assert_eq!((counted, value.count), (3000, 3000));
    }
}
