//! Kafka's requests and responses: keys, versions, error codes, headers, frames, messages.
//!
//! Bytes in, typed messages out, and back. Called by connections, handlers and clients on every
//! core; holds no state, reads no socket, decides nothing.
//!
//! Reading order: `versions` (the one table), `header`, `frame`, then any file of `message`;
//! `view` is the hot path of Produce and Fetch.

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod api_key;
mod error_code;
pub mod frame;
pub mod header;
pub mod message;
pub mod versions;
pub mod view;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use header::{RequestError, RequestHeader};
pub use message::{Request, Response};
