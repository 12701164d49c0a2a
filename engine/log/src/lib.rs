//! Partition logs in Kafka's layout: append, read, truncate, trim, retain, recover.
//!
//! **Contract.** [`Log::append`] accepts a batch in memory and gives it offsets; it is *kept* once
//! [`Log::durable_end_offset`] has passed it, and only code reached from a completed commit
//! ([`LogStore::run_commits`]) moves that. What is kept survives what the log's
//! [`Durability`] says: power loss, or the end of the process. What is not kept may be lost, always
//! as a suffix of the log. Bytes are served as they were appended, whole batches.
//!
//! Reading order: [`append`](Log::append), `commit.rs` (one journal entry for everything that
//! arrived), `destage.rs` (small units leave the journal), `derive.rs` (what can be rebuilt is
//! synced now and then), `hold.rs` (the guard of the last block), `recovery/` (the decision table). The pure parts, named as Kafka names them, stand
//! beside: indexes, epochs, producers, roll, retention.
//!
//! Everything lives on one shard's core and is `!Send`; no borrow is held across an await. Knows
//! nothing of leaders, followers and sockets.

#![forbid(unsafe_code)]

mod aborted_txns;
mod advance;
mod append;
pub mod checkpoint_file;
mod close;
mod commit;
mod commit_record;
mod config;
mod delete;
mod derive;
mod destage;
mod error;
mod extend;
mod hold;
mod journal_room;
#[cfg(test)]
mod kafka_files;
pub mod layout;
mod leader_epochs;
pub mod limits;
mod load;
mod log;
mod offset_index;
mod part;
mod pipeline;
mod pool;
pub mod producer_snapshot;
mod producer_state;
mod reader;
mod ready;
mod recent_batches;
mod recovery;
pub mod retention;
mod roll;
mod scan;
mod segment;
mod segment_files;
mod segment_lru;
mod shared;
mod space;
mod store;
mod sync;
mod time_index;
mod timestamps;
mod trim;
mod truncate;
pub mod txn_index;
mod usage;
mod write;

pub use append::Appended;
pub use close::{ClosedStore, complete_clean_stop};
pub use config::{Durability, FlushFiles, Guards, IoMode, LogConfig, Sizes, StoreConfig};
pub use error::{AppendError, Damage, ReadError, StoreError};
pub use leader_epochs::{EpochEntry, LeaderEpochs};
pub use log::{EpochEnd, Log};
pub use offset_index::OffsetIndex;
pub use producer_state::{
    CompletedTxn, PRODUCERS_PER_LOG_MAX, ProducerEntry, ProducerError, ProducerState,
    VerificationGuard,
};
pub use reader::{ReadData, ReadRequest};
pub use recent_batches::{BatchMetadata, RecentBatches};
pub use recovery::{Found, RecoveredLog, RecoveryReport, begin_use, recover};
pub use store::{FoundPartition, LogStore, PartitionDir, Progress, find_partitions};
pub use time_index::TimeIndex;
pub use timestamps::TimestampOffset;
pub use trim::{Maintenance, MaintenancePass};
pub use usage::StoreUsage;
