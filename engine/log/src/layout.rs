//! Names of files and folders in a log directory; the only code that builds such a path.
//!
//! Everything here is Kafka's, but for the names that begin with `ottla-`, which Kafka ignores.

use std::path::{Path, PathBuf};

use engine_base::{ShardId, Uuid};

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
/// Ends the name of a folder whose topic nobody knows.
pub const STRAY_FOLDER_SUFFIX: &str = "-stray";
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

/// Kafka's longest topic name.
const TOPIC_NAME_SIZE_BYTES_MAX: usize = 249;

/// The folder name of a partition.
///
/// # Panics
/// When the topic's name is not a legal one: it would name another folder.
#[must_use]
pub fn partition_folder(topic: &str, partition: i32) -> String {
    assert!(is_topic_name(topic));
    assert!(partition >= 0);
    format!("{topic}-{partition}")
}

/// Topic and partition of a folder name; `None` when it is not a partition's folder.
#[must_use]
pub fn parse_partition_folder(name: &str) -> Option<(&str, i32)> {
    if name.ends_with(DELETED_FOLDER_SUFFIX) {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    // The plain form only: "01" is a number too, and would be a second folder of partition 1.
    let is_number = partition.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (partition == "0" || !partition.starts_with('0'));
    let partition = is_plain.then(|| partition.parse().ok()).flatten()?;
    is_topic_name(topic).then_some((topic, partition))
}

/// The rule that makes a topic's name a safe folder name. Requests are judged by it long before;
/// what a disk says is not believed.
fn is_topic_name(topic: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TOPIC_NAME_SIZE_BYTES_MAX).contains(&topic.len())
        && topic != "."
        && topic != ".."
        && topic.bytes().all(is_legal)
}

/// The name a partition's folder gets when it is deleted or set aside, by suffix. Kafka keeps it within
/// 255 bytes.
#[must_use]
pub fn marked_folder(topic: &str, partition: i32, unique: Uuid, suffix: &str) -> String {
    let unique: String = unique.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let suffix = format!("-{partition}.{unique}{suffix}");
    let kept = topic.len().min(255 - suffix.len());
    format!("{}{suffix}", &topic[..kept])
}

/// A file of a segment, named by its base offset.
#[must_use]
pub fn segment_file(directory: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    directory.join(format!("{base_offset:020}{suffix}"))
}

/// A recycled segment file of a shard, in the root.
#[must_use]
pub fn pool_file(root: &Path, shard: ShardId, number: u64) -> PathBuf {
    root.join(format!("{POOL_FILE_PREFIX}{}-{number}", shard.0))
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
    use proptest::prelude::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(partition_folder("a-b", 3), "a-b-3");
        assert_eq!(parse_partition_folder("a-b-3"), Some(("a-b", 3)));
        let foreigners = [
            "x",
            "-3",
            "a-",
            "a-x",
            "a-3.0011-delete",
            "a--delete",
            "a-01",
            "a-+1",
            "../x-0",
            "a b-0",
            "a-2147483648",
            "..-0",
            "a-0.0011-future",
            "a-0.0011-stray",
            "remote-log-index-cache",
        ];
        for foreign in foreigners {
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
            marked_folder(&"t".repeat(249), 0, Uuid([255; 16]), DELETED_FOLDER_SUFFIX).len(),
            255
        );
        let name = marked_folder("t", 0, Uuid([255; 16]), DELETED_FOLDER_SUFFIX);
        assert_eq!(name, format!("t-0.{}-delete", "ff".repeat(16)));
    }

    proptest! {
        #[test]
        fn every_name_is_read_back(topic in "[a-zA-Z0-9._-]{1,60}", partition in 0..=i32::MAX) {
            prop_assume!(topic != "." && topic != "..");
            let name = partition_folder(&topic, partition);
            prop_assert_eq!(parse_partition_folder(&name), Some((&topic[..], partition)));
            let deleted = marked_folder(&topic, partition, Uuid([7; 16]), DELETED_FOLDER_SUFFIX);
            prop_assert_eq!(parse_partition_folder(&deleted), None);
        }

        #[test]
        fn what_is_read_is_what_would_be_written(name in "[-a-z0-9.+ ]{0,12}") {
            if let Some((topic, partition)) = parse_partition_folder(&name) {
                prop_assert_eq!(partition_folder(topic, partition), name);
            }
        }
    }
}
