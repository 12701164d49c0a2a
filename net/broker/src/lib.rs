//! The broker: every API, and one core's whole state.
//!
//! [`run`] starts a shard on each core. Reading order: `core` (what a shard holds), `lifecycle`
//! (start and stop; `opening` and `stopping` are its halves), `dispatch` (a line for each API),
//! `api` (the handlers), `controller_host` and `group_host` (what performs the decisions of
//! `replication`).

#![forbid(unsafe_code)]

mod acceptor;
mod api;
mod catalog;
mod cluster;
pub mod config;
mod context;
mod controller_client;
mod controller_host;
mod core;
mod directory;
mod dispatch;
mod door;
mod error;
mod fetch_session;
mod group_host;
mod lifecycle;
mod listeners;
mod maintenance;
mod metadata_log;
mod metadata_snapshot;
pub mod metrics;
mod missing;
mod opening;
mod order;
mod parking;
mod producer_ids;
mod read;
mod running;
mod scatter;
mod stopping;
mod topic_creation;
mod topic_settings;

pub use config::BrokerConfig;
pub use directory::format_directory;
pub use error::StartError;
pub use lifecycle::{run, simulate};
pub use running::{MetricsHandle, Ready, StopHandle};

/// Where groups keep their state.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
