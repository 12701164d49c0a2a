//! The snapshot files in the metadata log's folder.
//!
//! A snapshot is written as `<id>.checkpoint.part`, synced, renamed, and the folder synced: what
//! has its final name is whole. One that the log start has passed is of no use to anybody.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use engine_record::{Batches, ControlRecord};
use engine_runtime::{File, OpenOptions, WriteMode, fs, yield_now};
use replication_metadata::batch::{BatchContents, read_batch};
use replication_metadata::format::METADATA_LOG_FOLDER;
use replication_metadata::{Record, SnapshotFile, SnapshotFileKind, SnapshotId, SnapshotWriter};

use crate::error::StartError;

/// Snapshots are read whole when a broker starts.
const SNAPSHOT_SIZE_BYTES_MAX: usize = 1 << 30;
/// The first batch of a snapshot holds its header and the voters: some hundred bytes.
const HEAD_SIZE_BYTES_MAX: usize = 64 << 10;

/// See the module.
pub(crate) struct SnapshotFiles {
    folder: PathBuf,
    finished: BTreeMap<SnapshotId, SnapshotFile>,
}

/// Why a snapshot was not written.
pub(crate) enum WriteError {
    /// The image says something that the cluster's metadata.version has no words for.
    Record(replication_metadata::RecordError),
    /// The disk refuses.
    Io(io::Error),
    /// It was not to be finished.
    GivenUp,
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::GivenUp => f.write_str("given up"),
        }
    }
}

impl SnapshotFiles {
    /// The snapshots at or above the log's start; others, and what was never finished, are removed
    /// as Kafka does. Nothing is removed where none is left: an operator will want to look.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) async fn open(directory: &Path, log_start_offset: i64) -> Result<Self, StartError> {
        let folder = directory.join(METADATA_LOG_FOLDER);
        let entries = fs::read_dir(&folder).await;
        let entries = entries.map_err(|error| StartError::io("listing", &folder, error))?;
        let (mut finished, mut useless) = (BTreeMap::new(), Vec::new());
        for entry in entries {
            let path = folder.join(&entry.name);
            match SnapshotFileKind::of(&entry.name.to_string_lossy()) {
                Some(SnapshotFileKind::Finished(id)) if id.end_offset >= log_start_offset => {
                    let file = SnapshotFile {
                        id,
                        size_bytes: entry.len,
                        last_contained_log_timestamp: read_timestamp(&path).await,
                    };
                    finished.insert(id, file);
                }
                Some(_) => useless.push(path),
                None => {}
            }
        }
        if log_start_offset > 0 && finished.is_empty() {
            useless.clear();
        }
        for path in useless {
            tracing::info!("{} is not needed and is removed", path.display());
            let removed = fs::remove_file(&path).await;
            removed.map_err(|error| StartError::io("removing", &path, error))?;
        }
        Ok(Self { folder, finished })
    }

    /// Oldest first.
    pub(crate) fn list(&self) -> Vec<SnapshotFile> {
        self.finished.values().copied().collect()
    }

    /// The newest one's id.
    pub(crate) fn newest(&self) -> Option<SnapshotId> {
        self.finished.keys().next_back().copied()
    }

    /// Where a snapshot lies.
    pub(crate) fn path(&self, id: SnapshotId) -> PathBuf {
        self.folder.join(id.file_name())
    }

    /// Reads a snapshot whole.
    pub(crate) async fn read(&self, id: SnapshotId) -> io::Result<Vec<u8>> {
        fs::read_file(self.path(id), SNAPSHOT_SIZE_BYTES_MAX).await
    }

    /// Writes a snapshot, a batch at a time, for as long as `goes_on`.
    pub(crate) async fn write<'a>(
        &mut self,
        id: SnapshotId,
        last_contained_log_timestamp: i64,
        writer: SnapshotWriter<'a, impl Iterator<Item = Record<'a>>>,
        goes_on: impl Fn() -> bool,
    ) -> Result<SnapshotFile, WriteError> {
        let part = self.folder.join(id.part_file_name());
        let written = write_part(&part, writer, goes_on).await;
        if written.is_err() {
            // What cannot be removed now is removed by the next start.
            let _ = fs::remove_file(&part).await;
        }
        let size_bytes = written?;
        fs::rename(&part, &self.path(id)).await?;
        fs::sync_dir(&self.folder).await?;
        let file = SnapshotFile {
            id,
            size_bytes,
            last_contained_log_timestamp,
        };
        self.finished.insert(id, file);
        Ok(file)
    }

    /// Removes a snapshot. It may come back after a power cut, and is then removed by the start.
    pub(crate) async fn remove(&mut self, id: SnapshotId) -> io::Result<()> {
        match fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.finished.remove(&id);
                Ok(())
            }
        }
    }

    /// Takes a snapshot that cannot be read out of the way of whoever starts next: Kafka reads the
    /// newest one or does not start.
    pub(crate) async fn set_aside(&mut self, id: SnapshotId) -> Result<(), StartError> {
        let (path, target) = (self.path(id), self.folder.join(id.damaged_file_name()));
        let renamed = async {
            fs::rename(&path, &target).await?;
            fs::sync_dir(&self.folder).await
        };
        let renamed = renamed.await;
        renamed.map_err(|error| StartError::io("renaming", &path, error))?;
        self.finished.remove(&id);
        Ok(())
    }
}

async fn write_part<'a>(
    part: &Path,
    mut writer: SnapshotWriter<'a, impl Iterator<Item = Record<'a>>>,
    goes_on: impl Fn() -> bool,
) -> Result<u64, WriteError> {
    let options = OpenOptions {
        write: true,
        create: true,
        truncate: true,
        ..OpenOptions::default()
    };
    let file = File::open(part, options).await?;
    let mut position = 0;
    while let Some(batch) = writer.next_batch().map_err(WriteError::Record)? {
        let size_bytes = batch.len() as u64;
        file.write_at(position, [batch.into()], WriteMode::Plain)
            .await?;
        position += size_bytes;
        yield_now().await;
        if !goes_on() {
            return Err(WriteError::GivenUp);
        }
    }
    file.sync_all().await?;
    Ok(position)
}

/// What the header of a snapshot says of its age. One whose beginning cannot be read is as old as
/// can be: it is worth nothing beside a newer one.
async fn read_timestamp(path: &Path) -> i64 {
    let read = async {
        let file = File::open(path, OpenOptions::reading()).await.ok()?;
        let (count, mut bytes) = file.read_at(0, Vec::new(), HEAD_SIZE_BYTES_MAX).await;
        bytes.truncate(count.ok()?);
        let batch = Batches::new(&bytes).next()?.ok()?;
        let BatchContents::Control(controls) = read_batch(&batch).ok()? else {
            return None;
        };
        controls.iter().find_map(|(_, control)| match control {
            ControlRecord::SnapshotHeader(header) => Some(header.last_contained_log_timestamp),
            _ => None,
        })
    };
    read.await.unwrap_or(-1)
}
