//! Shards: which core owns a partition, and how to ask that core.
//!
//! One [`Shards`] value lives on each core. It knows nothing of what is asked: a job is a closure
//! that runs on the owner with the owner's state. Nothing here takes a lock; jobs and replies
//! travel through the runtime's bounded mailboxes, one message for each shard and request.

#![forbid(unsafe_code)]

mod call;
pub mod limits;
mod placement;

pub use call::{Gone, Message, Shards};
pub use placement::Placement;
