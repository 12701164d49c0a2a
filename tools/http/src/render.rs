//! A snapshot as the text that Prometheus reads (OpenMetrics 1.0).

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::snapshot::{Family, HistogramValue, Snapshot, Value};

/// The page's text.
#[must_use]
pub fn render(snapshot: Snapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(snapshot)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a String cannot fail");
    text
}

#[derive(Debug)]
struct Page(Snapshot);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0.families {
            let Some(first) = family.samples.first() else {
                continue;
            };
            let kind = match first.value {
                Value::Counter(_) | Value::CounterSeconds(_) => MetricType::Counter,
                Value::Gauge(_) | Value::GaugeSeconds(_) => MetricType::Gauge,
                Value::Histogram(_) => MetricType::Histogram,
            };
            let metric = encoder.encode_descriptor(&family.name, &family.help, None, kind)?;
            encode_samples(family, metric)?;
        }
        Ok(())
    }
}

fn encode_samples(family: &Family, mut metric: MetricEncoder<'_>) -> fmt::Result {
    for sample in &family.samples {
        if sample.labels.is_empty() {
            encode_value(&sample.value, &mut metric)?;
        } else {
            encode_value(&sample.value, &mut metric.encode_family(&sample.labels)?)?;
        }
    }
    Ok(())
}

fn encode_value(value: &Value, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
        Value::CounterSeconds(time) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(&time.as_secs_f64(), None)
        }
        // No count or size comes near what does not fit.
        Value::Gauge(value) => encoder.encode_gauge(&i64::try_from(*value).unwrap_or(i64::MAX)),
        Value::GaugeSeconds(time) => encoder.encode_gauge(&time.as_secs_f64()),
        Value::Histogram(HistogramValue {
            sum,
            count,
            buckets,
        }) => {
            let counted: u64 = buckets.iter().map(|(_, count)| count).sum();
            assert!(counted <= *count);
            let mut all = buckets.clone();
            all.push((f64::INFINITY, count - counted));
            encoder.encode_histogram::<NoLabelSet>(*sum, *count, &all, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Sample;
    use std::time::Duration;

    #[test]
    fn shows_each_kind_as_prometheus_reads_it() {
        let latency = HistogramValue {
            sum: 2.5,
            count: 4,
            buckets: vec![(0.001, 1), (1.0, 2)],
        };
        let time = Duration::from_millis(1500);
        let snapshot = Snapshot {
            families: vec![
                Family::single("ottla_produced_bytes", "Bytes.", Value::Counter(7)),
                Family::single("ottla_size_bytes", "Bytes.", Value::Gauge(1 << 40)),
                Family::single("ottla_up_seconds", "Seconds.", Value::GaugeSeconds(time)),
                Family::single("ottla_busy_seconds", "Busy.", Value::CounterSeconds(time)),
                Family {
                    name: "ottla_latency_seconds".to_owned(),
                    help: "Time.".to_owned(),
                    samples: vec![Sample {
                        labels: vec![("api", "Fetch".to_owned())],
                        value: Value::Histogram(latency),
                    }],
                },
            ],
        };
        let text = render(snapshot);
        let expected = [
            "# TYPE ottla_produced_bytes counter",
            "ottla_produced_bytes_total 7",
            "# HELP ottla_produced_bytes Bytes.",
            "ottla_size_bytes 1099511627776",
            "# TYPE ottla_up_seconds gauge",
            "ottla_up_seconds 1.5",
            "# TYPE ottla_busy_seconds counter",
            "ottla_busy_seconds_total 1.5",
            "ottla_latency_seconds_sum{api=\"Fetch\"} 2.5",
            "ottla_latency_seconds_count{api=\"Fetch\"} 4",
            "ottla_latency_seconds_bucket{le=\"0.001\",api=\"Fetch\"} 1",
            "ottla_latency_seconds_bucket{le=\"1.0\",api=\"Fetch\"} 3",
            "ottla_latency_seconds_bucket{le=\"+Inf\",api=\"Fetch\"} 4",
            "# EOF",
        ];
        for line in expected {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} is not in\n{text}"
            );
        }
    }
}
