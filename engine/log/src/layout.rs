//! Names of files and folders in a log directory; the only code that builds such a path.
//!
//! Everything here is Kafka's, but for the names that begin with `ottla-`, which Kafka ignores.

use std::path::{Path, PathBuf};

use engine_base::Uuid;

/// Exists from a clean stop to the next start.
pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";
/// First offsets of all logs.
pub const LOG_START_OFFSET_CHECKPOINT: &str = "log-start-offset-checkpoint";
/// Offsets below which all logs are flushed.
pub const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
/// High watermarks of all logs.
pub const REPLICATION_OFFSET_CHECKPOINT: &str = "replication-offset-checkpoint";
/// In a partition's folder: epochs and their first offsets.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
/// In a partition's folder: the topic's id.
pub const PARTITION_METADATA_FILE: &str = "partition.metadata";
/// Ends the name of a folder that is being removed.
pub const DELETED_FOLDER_SUFFIX: &str = "-delete";
/// Ends the name of a file that is being removed.
pub const DELETED_FILE_SUFFIX: &str = ".deleted";
/// Begins the name of a recycled segment file in the root.
pub const POOL_FILE_PREFIX: &str = "ottla-pool-";
/// Suffix of segments.
pub const LOG_SUFFIX: &str = ".log";
/// Suffix of offset indexes.
pub const INDEX_SUFFIX: &str = ".index";
/// Suffix of time indexes.
pub const TIME_INDEX_SUFFIX: &str = ".timeindex";
/// Suffix of transaction indexes.
pub const TXN_INDEX_SUFFIX: &str = ".txnindex";
/// Suffix of producer snapshots.
pub const SNAPSHOT_SUFFIX: &str = ".snapshot";

/// The folder name of a partition.
#[must_use]
pub fn partition_folder(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// Topic and partition of a folder name; `None` when it is not a partition's folder.
#[must_use]
pub fn parse_partition_folder(name: &str) -> Option<(&str, i32)> {
    if name.ends_with(DELETED_FOLDER_SUFFIX) {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    let is_number = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let partition = is_number.then(|| partition.parse().ok()).flatten()?;
    (!topic.is_empty()).then_some((topic, partition))
}

/// The name a partition's folder gets when it is deleted. Kafka keeps it within 255 bytes.
#[must_use]
pub fn deleted_folder(topic: &str, partition: i32, unique: Uuid) -> String {
    let unique: String = unique.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let suffix = format!("-{partition}.{unique}{DELETED_FOLDER_SUFFIX}");
    let kept = topic.len().min(255 - suffix.len());
    format!("{}{suffix}", &topic[..kept])
}

/// A file of a segment, named by its base offset.
#[must_use]
pub fn segment_file(directory: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    directory.join(format!("{base_offset:020}{suffix}"))
}

/// The base offset in the name of a segment's file with this suffix.
#[must_use]
pub fn parse_segment_file(name: &str, suffix: &str) -> Option<i64> {
    let digits = name.strip_suffix(suffix)?;
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(partition_folder("a-b", 3), "a-b-3");
        assert_eq!(parse_partition_folder("a-b-3"), Some(("a-b", 3)));
        for foreign in ["x", "-3", "a-", "a-x", "a-3.0011-delete", "a--delete"] {
            assert_eq!(parse_partition_folder(foreign), None, "{foreign}");
        }
        let path = segment_file(Path::new("/d"), 42, LOG_SUFFIX);
        assert_eq!(path, Path::new("/d/00000000000000000042.log"));
        assert_eq!(
            parse_segment_file("00000000000000000042.log", LOG_SUFFIX),
            Some(42)
        );
        assert_eq!(parse_segment_file("42.log", LOG_SUFFIX), None);
        assert_eq!(
            deleted_folder(&"t".repeat(249), 0, Uuid([255; 16])).len(),
            255
        );
        let name = deleted_folder("t", 0, Uuid([255; 16]));
        assert_eq!(name, format!("t-0.{}-delete", "ff".repeat(16)));
    }
}
