//! The metadata log's records, and the image they build.
//!
//! `record` holds Kafka's record schemas, `image` what they add up to, `delta` and `loader` the
//! way from one to the other, `features` what the cluster may use. Pure functions and plain
//! structs: called by the controller and the broker on shard 0, and by tools that read a
//! directory. Nothing here reads a file, a clock or the network.

#![forbid(unsafe_code)]

mod delta;
mod error;
pub mod features;
pub mod image;
mod loader;
mod metadata_version;
pub mod record;
mod snapshot;
#[cfg(test)]
mod test_support;

pub use delta::{Changes, MetadataDelta};
pub use error::{ApplyError, RecordError};
pub use image::MetadataImage;
pub use loader::MetadataLoader;
pub use metadata_version::MetadataVersion;
pub use record::Record;
pub use snapshot::image_records;
