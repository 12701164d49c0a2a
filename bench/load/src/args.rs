//! The command line.

use clap::{Args, Parser, Subcommand};

/// Puts one kind of load on a broker and says what it cost the broker.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) experiment: Experiment,
}

/// Whom to load, for how long, and how to tell the result.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// The broker's address.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap: String,
    /// The broker's process, to count what it uses; without it only the client's side is told.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// The topic; it is created when it does not exist.
    #[arg(long, default_value = "load")]
    pub(crate) topic: String,
    /// Its partitions.
    #[arg(long, default_value_t = 1)]
    pub(crate) partitions: i32,
    /// A configuration key of the topic; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) topic_config: Vec<String>,
    /// Connections that carry the load.
    #[arg(long, default_value_t = 1)]
    pub(crate) connections: usize,
    /// Seconds of load that are not measured.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) warm_up: f64,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// One JSON object instead of a line for each metric.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The kinds of load.
#[derive(Debug, Subcommand)]
pub(crate) enum Experiment {
    /// Writes batches.
    Produce(Produce),
    /// Reads what was written just before, again and again.
    Fetch(Fetch),
    /// Writes single records at a fixed rate and measures until a consumer has them.
    EndToEnd(EndToEnd),
    /// Parks long polls and measures what waiting costs.
    Park(Park),
}

/// What a produced batch looks like.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Shape {
    /// Bytes of a record's value.
    #[arg(long, default_value_t = 1024)]
    pub(crate) record_bytes: usize,
    /// Bytes of records in a batch; at least one record is in it.
    #[arg(long, default_value_t = 1024)]
    pub(crate) batch_bytes: usize,
}

/// Options of `produce`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Produce {
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// 0, 1 or -1 (all).
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) acks: i16,
    /// Requests in flight on each connection; ignored with `--rate`.
    #[arg(long, default_value_t = 1)]
    pub(crate) depth: usize,
    /// Requests a second over all connections, due by the clock (open loop).
    #[arg(long)]
    pub(crate) rate: Option<f64>,
}

/// Options of `fetch`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Bytes that one fetch asks for.
    #[arg(long, default_value_t = 1 << 20)]
    pub(crate) fetch_bytes: i32,
    /// MiB written to each partition before, and then read in a circle.
    #[arg(long, default_value_t = 16)]
    pub(crate) preload_mib: usize,
}

/// Options of `end-to-end`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EndToEnd {
    /// Bytes of a record's value; at least 8.
    #[arg(long, default_value_t = 1024)]
    pub(crate) record_bytes: usize,
    /// 1 or -1 (all).
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) acks: i16,
    /// Records a second, due by the clock.
    #[arg(long, default_value_t = 1000.0)]
    pub(crate) rate: f64,
}

/// Options of `park`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Park {
    /// How long a poll may wait, in milliseconds; longer than the measurement.
    #[arg(long, default_value_t = 600_000)]
    pub(crate) wait_ms: i32,
}
