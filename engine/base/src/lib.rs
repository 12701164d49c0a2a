//! Words all layers share: ids, times, sizes, hash maps that replay, limits.
//!
//! Owns no state and does no work; every crate may import it and it imports none of ours.
//! Log offsets, leader epochs and producer ids are bare `i64`/`i32` as in Kafka's protocol and
//! are told apart by name (`offset`, `position`, `index`, `leader_epoch`); identities that are
//! easily swapped are newtypes here.

#![forbid(unsafe_code)]

mod hash;
mod ids;
pub mod limits;
mod maybe;
mod size;
mod time;

pub use hash::{HashMap, HashSet, SeededState, set_hash_seed};
pub use ids::{BrokerId, ShardId, TopicId, TopicIdParseError, TopicPartition, Uuid};
pub use size::{GIB, KIB, MIB, align_down, align_up};
pub use time::{Instant, Timestamp};
