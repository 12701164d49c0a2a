//! Connections: frames in, answers out in order.
//!
//! A connection lives on one shard from its hand-off to its end. Two tasks serve it: one reads
//! frames and starts requests, one sends answers in the order the requests came. What a request
//! means is the [`Handler`]'s business; this crate knows a frame's length, no more.

#![forbid(unsafe_code)]

mod budget;
mod connection;
mod frames;
pub mod limits;
mod pipeline;
mod registry;
mod transport;

pub use budget::{Budget, Reservation};
pub use connection::{ConnectionLimits, serve};
pub use frames::FrameError;
pub use pipeline::{Answer, Close, Handled, Handler, LocalFuture};
pub use registry::{ConnectionHandle, ConnectionId, Registry};
pub use transport::Transport;
