//! The active controller: commands in, metadata records out.

#![forbid(unsafe_code)]

mod answer;
pub mod command;
mod error;

pub use answer::{Answer, CreatedConfig, CreatedTopic, DeletedTopic, Outcome, PartitionResult};
pub use command::Command;
pub use error::{ApiError, ErrorKind};
