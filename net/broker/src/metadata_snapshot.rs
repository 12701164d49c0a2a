//! Snapshots of the metadata log (KIP-630): `files` knows those in the log's folder, `found` picks
//! the one that a start goes on from, `generator` makes new ones while the broker runs, and removes
//! what lies behind the oldest that stays. All on shard 0.

mod files;
mod found;
mod generator;

pub(crate) use files::SnapshotFiles;
pub(crate) use found::Found;
pub(crate) use generator::SnapshotGenerator;
