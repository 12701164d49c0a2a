//! The configuration: Kafka's `server.properties`, its environment form, and `--set`.
//!
//! Owns reading and checking; runs on the main thread before any shard exists. The broker sees
//! the result, [`net_broker::config::BrokerConfig`], and never a key's text.
//!
//! Order of reading: `form` (whether a file is one at all), `properties` (its format), `layers` (which source wins), `keys` (the
//! table), `values` (each value by itself), `refusals`, `host`,
//! `endpoints` and `settings` (values together), `check`.

mod check;
mod endpoints;
mod form;
mod host;
mod keys;
mod layers;
mod limits;
mod listeners;
mod problem;
mod properties;
mod refusals;
mod resolve;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use check::{report, without_effect};
pub(crate) use form::{FILE_READ_BYTES_MAX, check_form};
pub(crate) use layers::Sources;
pub(crate) use settings::{MetricsSettings, Settings, load};
