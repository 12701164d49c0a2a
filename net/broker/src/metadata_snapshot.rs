//! The newest snapshot in the metadata log's folder.

use std::path::Path;

use engine_record::Voters;
use engine_runtime::fs;
use replication_metadata::format::{METADATA_LOG_FOLDER, bootstrap_records};
use replication_metadata::{
    MetadataImage, MetadataLoader, MetadataVersion, QuorumRecords, Record, Snapshot, SnapshotId,
};

use crate::error::StartError;

const SNAPSHOT_SIZE_BYTES_MAX: usize = 1 << 30;

/// What the newest snapshot says.
pub(crate) struct Found {
    image: MetadataImage,
    /// The log goes on from here.
    pub(crate) end_offset: i64,
    pub(crate) kraft_version: i16,
    pub(crate) voters: Option<Voters<'static>>,
    /// What the first controller of a new cluster appends.
    pub(crate) bootstrap: Vec<Record<'static>>,
}

impl Found {
    /// A loader that goes on where the snapshot ends.
    pub(crate) fn loader(&self) -> MetadataLoader {
        let quorum = QuorumRecords {
            kraft_version: self.kraft_version,
            voters: self.voters.clone(),
            leader_id: None,
        };
        MetadataLoader::new(self.image.clone(), quorum)
    }
}

/// Reads it. The bootstrap snapshot contains nothing of the log: its records are still to be
/// appended.
///
/// # Errors
/// It cannot be read, or holds what this program does not know.
pub(crate) async fn find_snapshot(directory: &Path) -> Result<Found, StartError> {
    let folder = directory.join(METADATA_LOG_FOLDER);
    let entries = fs::read_dir(&folder).await;
    let entries = entries.map_err(|error| StartError::io("listing", &folder, error))?;
    let ids = entries
        .iter()
        .filter_map(|e| SnapshotId::from_file_name(&e.name.to_string_lossy()));
    let Some(id) = ids.max() else {
        return Ok(Found {
            image: MetadataImage::default(),
            end_offset: 0,
            kraft_version: 0,
            voters: None,
            bootstrap: bootstrap_records(MetadataVersion::MAX),
        });
    };
    let file = folder.join(id.file_name());
    let bytes = fs::read_file(&file, SNAPSHOT_SIZE_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| StartError::io("reading", &file, error))?;
    let damaged = |error| StartError::Damaged(format!("{}: {error}", file.display()));
    let snapshot = Snapshot::read(&bytes).map_err(damaged)?;
    let is_bootstrap = id == SnapshotId::BOOTSTRAP;
    let image = if is_bootstrap {
        MetadataImage::default()
    } else {
        snapshot.to_image(id).map_err(damaged)?
    };
    Ok(Found {
        image,
        end_offset: id.end_offset,
        kraft_version: snapshot.kraft_version,
        voters: snapshot.voters.clone(),
        bootstrap: if is_bootstrap {
            snapshot
                .records
                .into_iter()
                .map(engine_codec::IntoOwned::into_owned)
                .collect()
        } else {
            Vec::new()
        },
    })
}
