//! What a shard keeps of its logs in memory: the tails of all of them, and pages of what was read
//! cold.
//!
//! [`Tail`] owns the last appended bytes of one log, in chunks from the shard's [`ChunkPool`];
//! most fetches end here and every direct write begins here. [`PageCache`] owns what catch-up
//! readers read, under its own bound, so that they cannot take memory from the tails. Both live
//! on the shard's core and are called by `engine/log` only. Neither opens a file, knows what a
//! record is, or waits.

#![forbid(unsafe_code)]

mod budget;
pub mod limits;
mod page;
mod tail;

pub use budget::{ChunkKey, ChunkPool};
pub use page::{PageCache, PageKey};
pub use tail::{Eviction, Tail};
