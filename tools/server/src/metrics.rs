//! The broker's counters as the families of the metrics page.

use std::time::Duration;

use net_broker::metrics::{ApiMetrics, Kind, Metric, Of, Snapshot as BrokerSnapshot};
use net_wire::ErrorCode;
use tools_http::{Family, HistogramValue, Labels, Sample, Snapshot, Value};

/// Upper bounds of the latency buckets, in microseconds: from a hot answer to a long poll.
const LATENCY_BOUNDS_US: [u64; 16] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 5_000_000, 30_000_000,
];

/// Everything the broker counts.
pub(crate) fn families(broker: &BrokerSnapshot) -> Snapshot {
    let mut families = requests(broker);
    for &metric in Metric::ALL {
        let of_metric = broker
            .values
            .range((metric, Of::Broker)..)
            .take_while(|((found, _), _)| *found == metric);
        let samples = of_metric.map(|((_, of), value)| Sample {
            labels: labels(*of),
            value: value_of(metric.kind(), *value),
        });
        families.push(Family {
            name: metric.name().to_owned(),
            help: metric.help().to_owned(),
            samples: samples.collect(),
        });
    }
    Snapshot { families }
}

/// The families that are by API.
fn requests(broker: &BrokerSnapshot) -> Vec<Family> {
    let by_api = |name: &str, help: &str, value: &dyn Fn(&ApiMetrics) -> Value| Family {
        name: name.to_owned(),
        help: help.to_owned(),
        samples: broker
            .requests
            .iter()
            .map(|(api, metrics)| Sample {
                labels: vec![("api", (*api).to_owned())],
                value: value(metrics),
            })
            .collect(),
    };
    let errors = broker.requests.iter().flat_map(|(api, metrics)| {
        metrics.errors.iter().map(|(error_code, count)| Sample {
            labels: vec![("api", (*api).to_owned()), ("error", name_of(*error_code))],
            value: Value::Counter(*count),
        })
    });
    vec![
        by_api("ottla_requests", "Requests answered.", &|api| {
            Value::Counter(api.requests)
        }),
        Family {
            name: "ottla_request_errors".to_owned(),
            help: "Errors told in answers, by Kafka's name; one answer may tell several."
                .to_owned(),
            samples: errors.collect(),
        },
        by_api(
            "ottla_request_closes",
            "Connections closed over a request that could not be understood.",
            &|api| Value::Counter(api.closes),
        ),
        by_api(
            "ottla_request_latency_seconds",
            "From a request's arrival to its answer; that of Fetch includes its wait for records.",
            &|api| Value::Histogram(latency(api)),
        ),
    ]
}

fn name_of(error_code: ErrorCode) -> String {
    error_code
        .name()
        .map_or_else(|| error_code.0.to_string(), str::to_owned)
}

fn labels(of: Of) -> Labels {
    match of {
        Of::Broker => Labels::new(),
        Of::Shard(shard) => vec![("shard", shard.0.to_string())],
        Of::GroupState(state) => vec![("state", state.to_owned())],
    }
}

fn value_of(kind: Kind, value: u64) -> Value {
    match kind {
        Kind::Counter => Value::Counter(value),
        Kind::CounterNs => Value::CounterSeconds(Duration::from_nanos(value)),
        Kind::Gauge => Value::Gauge(value),
        Kind::GaugeNs => Value::GaugeSeconds(Duration::from_nanos(value)),
    }
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
    use std::collections::BTreeSet;

    use engine_base::ShardId;

    use super::*;

    /// A page with every family.
    fn page() -> String {
        let mut api = ApiMetrics {
            requests: 2,
            ..ApiMetrics::default()
        };
        api.latency_us.record(80).unwrap();
        api.latency_us.record(50_000_000).unwrap();
        api.errors.insert(ErrorCode::OFFSET_OUT_OF_RANGE, 4);
        api.errors.insert(ErrorCode(12_345), 1);
        let mut broker = BrokerSnapshot::default();
        broker.requests.insert("Fetch", api);
        for &metric in Metric::ALL {
            let of = match metric {
                Metric::ProducedBytes => Of::Broker,
                Metric::Groups => Of::GroupState("Stable"),
                _ => Of::Shard(ShardId(1)),
            };
            broker.values.insert((metric, of), 1_500_000_000);
        }
        tools_http::render(families(&broker))
    }

    #[test]
    fn counters_and_latencies_become_families() {
        let text = page();
        for line in [
            "ottla_requests_total{api=\"Fetch\"} 2",
            "ottla_request_errors_total{api=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"} 4",
            "ottla_request_errors_total{api=\"Fetch\",error=\"12345\"} 1",
            "ottla_request_latency_seconds_count{api=\"Fetch\"} 2",
            "ottla_request_latency_seconds_bucket{le=\"0.0001\",api=\"Fetch\"} 1",
            "ottla_request_latency_seconds_bucket{le=\"30.0\",api=\"Fetch\"} 1",
            "ottla_request_latency_seconds_bucket{le=\"+Inf\",api=\"Fetch\"} 2",
            "# HELP ottla_produced_bytes Bytes of batches appended for producers.",
            "ottla_produced_bytes_total 1500000000",
            "ottla_connections{shard=\"1\"} 1500000000",
            "ottla_groups{state=\"Stable\"} 1500000000",
            "ottla_reactor_busy_seconds_total{shard=\"1\"} 1.5",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }

    /// A row begins with the name in backticks, then the type; a counter's name has its `_total`.
    #[test]
    fn every_metric_of_the_page_is_in_the_table_and_no_other() {
        let text = page();
        let of_page = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .map(|(name, kind)| match kind {
                "counter" => (format!("{name}_total"), kind),
                _ => (name.to_owned(), kind),
            });
        let of_table = include_str!("../METRICS.md").lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((name.to_owned(), rest.split_once(' ')?.0))
        });
        assert_eq!(
            of_page.collect::<BTreeSet<_>>(),
            of_table.collect::<BTreeSet<_>>()
        );
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
