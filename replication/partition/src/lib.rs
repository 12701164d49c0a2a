//! A partition on its core: a log with a role.
//!
//! [`Partition`] adds to a log what more than one copy needs: the leader epoch it is led in, the
//! high watermark, and who waits for it to move. It lives on the shard that owns it and is never
//! behind a lock. It sends nothing and reads no clock; the commit loop tells it that its log moved.

#![forbid(unsafe_code)]

mod high_watermark;
mod partition;
mod turn;
mod waiting;

pub use high_watermark::advance;
pub use partition::{Deleted, EpochError, Isolation, Partition};
pub use turn::{Begun, Turn};
pub use waiting::Watcher;
