//! The HTTP face of the broker: the metrics page.
//!
//! Owns one ordinary thread with a tokio runtime, away from the data cores: what is slow or fails
//! here costs no record anything. It knows nothing of the broker: a closure hands it a
//! [`Snapshot`] of plain numbers at each scrape, and how the shards make one without a lock is
//! their business.

#![forbid(unsafe_code)]
// The one place beside the runtime with a thread of its own; it never runs under simulation.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod page;
mod render;
mod snapshot;

pub use page::MetricsPage;
pub use render::render;
pub use snapshot::{Family, HistogramValue, Labels, Sample, Snapshot, Value};
