//! The result of an experiment: named numbers, as lines or as one JSON object.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::usage::Cost;

const GIB: f64 = (1_u64 << 30) as f64;
const MIB: f64 = (1_u64 << 20) as f64;
const QUANTILES: [(&str, f64); 4] = [("p50", 0.50), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// Named numbers in the order in which they were found. Units are in the names.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(String, f64)>,
}

impl Report {
    /// Adds a number.
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        self.rows.push((name.to_owned(), value));
    }

    /// Rates of what was done, and its cost for the broker per unit.
    pub(crate) fn put_work(&mut self, cost: &Cost, requests: u64, records: u64, bytes: u64) {
        let seconds = cost.elapsed.as_secs_f64();
        self.put("seconds", seconds);
        self.put("requests", requests as f64);
        self.put("requests_per_s", requests as f64 / seconds);
        self.put("records_per_s", records as f64 / seconds);
        self.put("mib_per_s", bytes as f64 / MIB / seconds);
        self.put_cost(cost);
        let Some(broker) = cost.broker else { return };
        self.put(
            "broker_cpu_s_per_gib",
            broker.cpu_seconds / (bytes as f64 / GIB),
        );
        self.put(
            "broker_cpu_s_per_million_requests",
            broker.cpu_seconds * 1e6 / requests as f64,
        );
        self.put(
            "broker_written_bytes_per_byte",
            broker.written_bytes as f64 / bytes as f64,
        );
        self.put(
            "broker_context_switches_per_request",
            broker.context_switches as f64 / requests as f64,
        );
    }

    /// What the broker and we used.
    pub(crate) fn put_cost(&mut self, cost: &Cost) {
        let seconds = cost.elapsed.as_secs_f64();
        self.put("load_cpu_cores", cost.own_cpu_seconds / seconds);
        let Some(broker) = cost.broker else { return };
        self.put("broker_cpu_seconds", broker.cpu_seconds);
        self.put("broker_cpu_cores", broker.cpu_seconds / seconds);
        self.put("broker_rss_mib", broker.rss_bytes as f64 / MIB);
        self.put("broker_written_mib", broker.written_bytes as f64 / MIB);
        let foreign = broker.machine_busy_seconds - broker.cpu_seconds - cost.own_cpu_seconds;
        self.put("foreign_cpu_cores", (foreign / seconds).max(0.0));
    }

    /// Quantiles of a histogram of nanoseconds, in milliseconds.
    pub(crate) fn put_latency(&mut self, latency: &Histogram<u64>) {
        for (name, quantile) in QUANTILES {
            self.put(
                &format!("latency_{name}_ms"),
                latency.value_at_quantile(quantile) as f64 / 1e6,
            );
        }
    }

    /// One line for each number, or one JSON object.
    pub(crate) fn text(&self, json: bool) -> String {
        let mut out = String::new();
        if json {
            let rows = self
                .rows
                .iter()
                .map(|(name, value)| format!("\"{name}\": {}", number(*value)));
            let _ = writeln!(out, "{{{}}}", rows.collect::<Vec<_>>().join(", "));
            return out;
        }
        for (name, value) in &self.rows {
            let _ = writeln!(out, "{name:<40} {}", number(*value));
        }
        out
    }
}

/// As many digits as mean something; JSON knows neither infinity nor NaN.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_number_and_no_infinity() {
        let mut report = Report::default();
        report.put("a", 1.5);
        report.put("b", f64::INFINITY);
        assert_eq!(report.text(true), "{\"a\": 1.50000, \"b\": null}\n");
    }
}
