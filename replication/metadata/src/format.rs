//! Formatting: the files a new log directory gets, those of Kafka's own storage tool.
//!
//! `kafka-storage format --standalone` on a combined node writes two files: `meta.properties`,
//! and the bootstrap snapshot in the metadata log's folder, which holds the voters (this node)
//! and the feature levels. Further log directories of the node get the first one only. The log
//! itself is empty: the first controller appends the snapshot's records in a transaction when it
//! activates (`replication-controller`).

use engine_base::{Timestamp, Uuid};

use crate::MetadataVersion;
use crate::batch::standalone_voters;
use crate::error::RecordError;
use crate::features::bootstrap_levels;
use crate::meta_properties::MetaProperties;
use crate::record::{FeatureLevel, Record};
use crate::snapshot::{Snapshot, SnapshotId};
use engine_codec::IntoOwned;

/// The folder of the metadata log.
pub const METADATA_LOG_FOLDER: &str = "__cluster_metadata-0";

/// What a standalone node is formatted with.
#[derive(Clone, Debug)]
pub struct Standalone<'a> {
    /// The cluster's id.
    pub cluster_id: &'a str,
    /// `node.id`.
    pub node_id: i32,
    /// The id of the directory that gets the metadata log: a draw.
    pub directory_id: Uuid,
    /// Name, host and port of the controller's listener.
    pub controller_listener: (&'a str, &'a str, u16),
    /// The level to start with, [`MetadataVersion::MAX`] unless the operator says otherwise.
    pub metadata_version: MetadataVersion,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormattedFile {
    /// Its path below the log directory.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Kafka leaves snapshots readable by their owner only, and writable by nobody.
    pub read_only: bool,
}

/// The records of a new cluster, which the first controller appends.
#[must_use]
pub fn bootstrap_records(metadata_version: MetadataVersion) -> Vec<Record<'static>> {
    bootstrap_levels(metadata_version)
        .into_iter()
        .map(|(name, feature_level)| {
            FeatureLevel {
                name: name.into(),
                feature_level,
            }
            .into()
        })
        .collect()
}

/// The files of the directory that holds the metadata log, in the order to write them:
/// `meta.properties` last, so that a directory that has it is complete.
///
/// # Errors
/// A name that is too long to write.
pub fn standalone(
    node: &Standalone<'_>,
    now: Timestamp,
) -> Result<Vec<FormattedFile>, RecordError> {
    let voters = standalone_voters(node.node_id, node.directory_id, node.controller_listener);
    let snapshot = Snapshot {
        last_contained_log_timestamp: now,
        kraft_version: 1,
        voters: Some(voters.into_owned()),
        records: bootstrap_records(node.metadata_version),
    };
    let id = SnapshotId::BOOTSTRAP;
    Ok(vec![
        FormattedFile {
            path: format!("{METADATA_LOG_FOLDER}/{}", id.file_name()),
            bytes: snapshot.to_bytes(id, node.metadata_version, now)?,
            read_only: true,
        },
        meta_properties(node.cluster_id, node.node_id, node.directory_id, now),
    ])
}

/// The one file of every other log directory of the node.
#[must_use]
pub fn meta_properties(
    cluster_id: &str,
    node_id: i32,
    directory_id: Uuid,
    now: Timestamp,
) -> FormattedFile {
    let properties = MetaProperties {
        cluster_id: cluster_id.to_owned(),
        node_id,
        directory_id: Some(directory_id),
    };
    FormattedFile {
        path: "meta.properties".to_owned(),
        bytes: properties.to_text(now).into_bytes(),
        read_only: false,
    }
}
