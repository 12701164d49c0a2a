//! State machines over a log: handle a request, append records, answer once they are committed.
//!
//! One [`CoordinatorShard`] drives one [`Machine`] over one partition of an internal topic
//! (`__consumer_offsets` today). It lives on the core that owns that partition and is called only
//! there. It owns the order of things: what is speculative, what is committed, which answers wait
//! for which append, which deadlines run. It never reads a clock, never sends a byte and never
//! touches a log: it hands out [`Append`]s and is told what became of them.
//!
//! ```text
//!   request ─► handle ─► records ─► replay (speculative) ─► Append ─► log ─► high watermark
//!                 │                                                              │
//!                 └── parked tokens                 answers ◄── on_committed ◄───┘
//! ```

#![forbid(unsafe_code)]

mod append;
mod effects;
pub mod limits;
mod loader;
mod machine;
mod runtime;
mod timeline;
mod timers;
mod waiting;

pub use append::{
    Append, AppendBody, AppendError, AppendId, KeyValue, Producer, TransactionResult,
};
pub use effects::{Effects, Token};
pub use loader::{LoadError, LoadedBatch, LoadedRecord};
pub use machine::{Context, Decoded, Failure, Machine, Moment, Outcome, Position, Reply, Work};
pub use runtime::{CoordinatorShard, Lifecycle, OutOfSync, RuntimeConfig};
pub use timeline::{TimelineMap, Versions};
pub use timers::Timers;
