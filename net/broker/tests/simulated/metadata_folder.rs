//! The metadata log's folder of a broker that is down, read without it.

use std::path::{Path, PathBuf};

use engine_log::{Found, IoMode, recover};
use engine_record::Batches;
use engine_runtime::fs;
use replication_metadata::{
    MetadataImage, MetadataLoader, QuorumRecords, Snapshot, SnapshotFileKind, SnapshotId,
};

const DIRECTORY: &str = "/data";

/// See the module.
pub(crate) struct MetadataFolder {
    pub(crate) found: Found,
    /// The offset of the first batch that is still there.
    pub(crate) log_start_offset: i64,
    pub(crate) log_size_bytes: usize,
    /// Oldest first, each with its size.
    pub(crate) snapshots: Vec<(SnapshotId, usize)>,
    /// Snapshots that were never finished.
    pub(crate) leftovers: usize,
    /// What each snapshot, the log behind it included, says.
    pub(crate) images: Vec<MetadataImage>,
}

impl MetadataFolder {
    /// Recovers the directory, and reads all that says anything about the cluster.
    pub(crate) async fn read() -> Self {
        let report = recover(Path::new(DIRECTORY), IoMode::Auto, |_| {}).await;
        let mut names: Vec<String> = fs::read_dir(folder())
            .await
            .unwrap()
            .into_iter()
            .map(|entry| entry.name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        let mut read = Self {
            found: report.unwrap().found,
            log_start_offset: i64::MAX,
            log_size_bytes: 0,
            snapshots: Vec::new(),
            leftovers: 0,
            images: Vec::new(),
        };
        let mut log = Vec::new();
        for name in names.iter().filter(|name| name.ends_with(".log")) {
            log.extend(file(name).await);
        }
        read.log_size_bytes = log.len();
        let first = Batches::new(&log).next().map(|batch| batch.unwrap());
        read.log_start_offset = first.map_or(0, |batch| batch.header().base_offset);
        for name in &names {
            match SnapshotFileKind::of(name) {
                // One that the log has passed is about to be removed.
                Some(SnapshotFileKind::Finished(id)) if id.end_offset < read.log_start_offset => {}
                Some(SnapshotFileKind::Finished(id)) => read.on_snapshot(id, &log).await,
                Some(SnapshotFileKind::Leftover) => read.leftovers += 1,
                None => {}
            }
        }
        read
    }

    async fn on_snapshot(&mut self, id: SnapshotId, log: &[u8]) {
        let bytes = file(&id.file_name()).await;
        self.snapshots.push((id, bytes.len()));
        let snapshot = Snapshot::read(&bytes).unwrap();
        let image = match id {
            SnapshotId::BOOTSTRAP => MetadataImage::default(),
            _ => snapshot.to_image(id).unwrap(),
        };
        let mut loader = MetadataLoader::new(image, QuorumRecords::default());
        for batch in Batches::new(log).map(Result::unwrap) {
            if batch.header().base_offset >= id.end_offset {
                loader.apply_batch(&batch).unwrap();
            }
        }
        loader.publish();
        self.images.push(loader.published().clone());
    }

    /// The one image that all of them are.
    pub(crate) fn image(&self) -> &MetadataImage {
        let newest = self.images.last().unwrap();
        for (image, (id, _)) in self.images.iter().zip(&self.snapshots) {
            assert_eq!(image, newest, "{id:?} says something else");
        }
        newest
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(DIRECTORY).join("__cluster_metadata-0")
}

async fn file(name: &str) -> Vec<u8> {
    fs::read_file(folder().join(name), 1 << 24).await.unwrap()
}
