//! The metadata log's records, and the image they build.
//!
//! `record` holds Kafka's record schemas, `image` what they add up to, `delta` and `loader` the
//! way from one to the other, `features` what the cluster may use; `batch`, `snapshot`, `format`
//! and the small files are the forms all this takes on disk. Pure functions and plain
//! structs: called by the controller and the broker on shard 0, and by tools that read a
//! directory. Nothing here reads a file, a clock or the network.

#![forbid(unsafe_code)]

pub mod batch;
mod clean_shutdown;
mod delta;
mod error;
pub mod features;
pub mod format;
pub mod image;
mod json;
pub mod limits;
mod loader;
mod meta_properties;
mod metadata_version;
mod quorum_state;
pub mod record;
mod snapshot;
#[cfg(test)]
mod test_support;

pub use clean_shutdown::{clean_shutdown_text, read_clean_shutdown};
pub use delta::{Changes, MetadataDelta};
pub use error::{ApplyError, FileError, LogError, RecordError};
pub use image::MetadataImage;
pub use loader::{MetadataLoader, QuorumRecords};
pub use meta_properties::MetaProperties;
pub use metadata_version::MetadataVersion;
pub use quorum_state::QuorumState;
pub use record::Record;
pub use snapshot::{
    Snapshot, SnapshotFile, SnapshotFileKind, SnapshotHead, SnapshotId, SnapshotReason,
    SnapshotRetention, SnapshotRetentionReason, SnapshotSchedule, SnapshotWriter, image_records,
};
