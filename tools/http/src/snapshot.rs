//! Numbers of one moment, as plain values.

use std::time::Duration;

/// Names and values of labels.
pub type Labels = Vec<(&'static str, String)>;

/// Everything there is to show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// In the order of the page.
    pub families: Vec<Family>,
}

/// What is measured, and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name, with the unit at the end: `ottla_produced_bytes`. Counters get Prometheus's
    /// `_total` themselves.
    pub name: String,
    /// A sentence.
    pub help: String,
    /// All of the same kind.
    pub samples: Vec<Sample>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What tells it from the family's other values.
    pub labels: Labels,
    /// The value.
    pub value: Value,
}

/// A value by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Only grows, from the start of the process.
    Counter(u64),
    /// A counter of time.
    CounterSeconds(Duration),
    /// Of this moment.
    Gauge(u64),
    /// A time of this moment.
    GaugeSeconds(Duration),
    /// How often which sizes came.
    Histogram(HistogramValue),
}

/// Counts by size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramValue {
    /// The sum of all sizes.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
    /// Upper bounds, ascending, with how many came above the bound before and at or below this
    /// one. What is above the last is in `count` alone.
    pub buckets: Vec<(f64, u64)>,
}

impl Family {
    /// A family of one value without labels.
    #[must_use]
    pub fn single(name: &str, help: &str, value: Value) -> Self {
        let samples = vec![Sample {
            labels: Labels::new(),
            value,
        }];
        Self {
            name: name.to_owned(),
            help: help.to_owned(),
            samples,
        }
    }
}
