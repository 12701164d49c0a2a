//! The snapshot that a start goes on from.
//!
//! The newest one that can be read. Kafka does not start when its newest snapshot is damaged; but
//! the log reaches back to the oldest one that is kept, so an older snapshot, or the whole log, and
//! the records behind it say the same.

use engine_record::Voters;
use replication_metadata::format::bootstrap_records;
use replication_metadata::{
    LogError, MetadataImage, MetadataLoader, MetadataVersion, QuorumRecords, Record, Snapshot,
    SnapshotId,
};

use super::files::SnapshotFiles;
use crate::error::StartError;

/// What the snapshot says.
pub(crate) struct Found {
    image: MetadataImage,
    /// The log goes on from here.
    pub(crate) end_offset: i64,
    pub(crate) kraft_version: i16,
    pub(crate) voters: Option<Voters<'static>>,
    /// What the first controller of a new cluster appends.
    pub(crate) bootstrap: Vec<Record<'static>>,
}

/// Why a snapshot is of no use.
enum Unusable {
    /// The bytes are not those that were written: anything else that says the same will do.
    Bytes(String),
    /// It says what this program does not know, and so will the log.
    Contents(LogError),
}

impl Found {
    /// Reads the newest snapshot that is whole, given where the log starts and ends.
    ///
    /// # Errors
    /// There is none from which the log goes on, or one holds what this program does not know.
    pub(crate) async fn find(
        files: &mut SnapshotFiles,
        (log_start_offset, log_end_offset): (i64, i64),
    ) -> Result<Self, StartError> {
        let mut damaged = Vec::new();
        let mut found = None;
        for file in files.list().into_iter().rev() {
            let (id, path) = (file.id, files.path(file.id));
            if id.end_offset > log_end_offset {
                return Err(StartError::Damaged(format!(
                    "{} contains offsets up to {}, and the metadata log ends at \
                     {log_end_offset}: records are lost; restore the log from a backup",
                    path.display(),
                    id.end_offset
                )));
            }
            match read(files, id).await {
                Ok(snapshot) => {
                    found = Some(snapshot);
                    break;
                }
                Err(Unusable::Contents(error)) => {
                    return Err(StartError::Damaged(format!("{}: {error}", path.display())));
                }
                Err(Unusable::Bytes(why)) => {
                    tracing::error!("{} is damaged ({why})", path.display());
                    damaged.push(id);
                }
            }
        }
        let has_whole_log = log_start_offset == 0 && (log_end_offset > 0 || damaged.is_empty());
        let found = match found {
            Some(found) => found,
            None if has_whole_log => Self::nothing(),
            None => {
                return Err(StartError::Damaged(format!(
                    "the metadata log begins at offset {log_start_offset}, and no snapshot of \
                     what was before can be read; restore one from a backup"
                )));
            }
        };
        for id in damaged {
            tracing::error!(
                "going on from offset {} instead, where the log says the same; the damaged \
                 snapshot is kept as {}",
                found.end_offset,
                id.damaged_file_name()
            );
            files.set_aside(id).await?;
        }
        Ok(found)
    }

    fn nothing() -> Self {
        Self {
            image: MetadataImage::default(),
            end_offset: 0,
            kraft_version: 0,
            voters: None,
            bootstrap: bootstrap_records(MetadataVersion::MAX),
        }
    }

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

/// The bootstrap snapshot contains nothing of the log: its records are still to be appended.
async fn read(files: &SnapshotFiles, id: SnapshotId) -> Result<Found, Unusable> {
    let bytes = files.read(id).await;
    let bytes = bytes.map_err(|error| Unusable::Bytes(error.to_string()))?;
    let snapshot = Snapshot::read(&bytes).map_err(judge)?;
    let (image, bootstrap) = if id == SnapshotId::BOOTSTRAP {
        let records = snapshot.records.into_iter();
        let records = records.map(engine_codec::IntoOwned::into_owned).collect();
        (MetadataImage::default(), records)
    } else {
        (snapshot.to_image(id).map_err(judge)?, Vec::new())
    };
    Ok(Found {
        image,
        end_offset: id.end_offset,
        kraft_version: snapshot.kraft_version,
        voters: snapshot.voters,
        bootstrap,
    })
}

fn judge(error: LogError) -> Unusable {
    match error {
        LogError::Record { .. } | LogError::Apply { .. } | LogError::Compressed { .. } => {
            Unusable::Contents(error)
        }
        _ => Unusable::Bytes(error.to_string()),
    }
}
