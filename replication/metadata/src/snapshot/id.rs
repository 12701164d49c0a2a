//! Which log offsets a snapshot stands for, and the names of its files.

/// Which log offsets a snapshot stands for. Ordered as Kafka orders them: by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// The offset after the last one contained.
    pub end_offset: i64,
    /// The epoch of the last record contained.
    pub epoch: i32,
}

/// What a file of the metadata log's folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFileKind {
    /// A finished snapshot.
    Finished(SnapshotId),
    /// One that was never finished (`.part`), or that was marked for removal (`.deleted`, Kafka's
    /// way): nobody misses it.
    Leftover,
}

const SUFFIX: &str = ".checkpoint";

impl SnapshotId {
    /// What a directory is formatted with: contains no offset of the log.
    pub const BOOTSTRAP: Self = Self {
        end_offset: 0,
        epoch: 0,
    };

    /// The file's name.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}{SUFFIX}", self.end_offset, self.epoch)
    }

    /// The name under which the file is written before it is whole.
    #[must_use]
    pub fn part_file_name(self) -> String {
        format!("{}.part", self.file_name())
    }

    /// The name of a file that was found damaged. Kafka passes over it.
    #[must_use]
    pub fn damaged_file_name(self) -> String {
        format!("{}.damaged", self.file_name())
    }

    /// The id in a finished file's name; `None` for any other name.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (end_offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let is_number =
            |text: &str, width| text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(end_offset, 20) || !is_number(epoch, 10) {
            return None;
        }
        Some(Self {
            end_offset: end_offset.parse().ok()?,
            epoch: epoch.parse().ok()?,
        })
    }
}

impl SnapshotFileKind {
    /// What a name says; `None` when the file is no snapshot's.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let is_leftover = |suffix| name.strip_suffix(suffix).is_some();
        if is_leftover(".checkpoint.part") || is_leftover(".checkpoint.deleted") {
            return Some(Self::Leftover);
        }
        SnapshotId::from_file_name(name).map(Self::Finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let id = SnapshotId {
            end_offset: 614,
            epoch: 2,
        };
        assert_eq!(id.file_name(), "00000000000000000614-0000000002.checkpoint");
        let kind = |name: &str| SnapshotFileKind::of(name);
        assert_eq!(kind(&id.file_name()), Some(SnapshotFileKind::Finished(id)));
        assert_eq!(kind(&id.part_file_name()), Some(SnapshotFileKind::Leftover));
        // Kafka draws a number for the unfinished file.
        let drawn = "00000000000000000614-0000000002-12345.checkpoint.part";
        assert_eq!(kind(drawn), Some(SnapshotFileKind::Leftover));
        let deleted = format!("{}.deleted", id.file_name());
        assert_eq!(kind(&deleted), Some(SnapshotFileKind::Leftover));
        let others = [
            id.damaged_file_name(),
            "00000000000000000614.log".to_owned(),
            "00000000000000000614.snapshot".to_owned(),
            "leader-epoch-checkpoint".to_owned(),
            "+0000000000000000614-0000000002.checkpoint".to_owned(),
            "614-2.checkpoint".to_owned(),
            ".checkpoint".to_owned(),
        ];
        for name in others {
            assert_eq!(kind(&name), None, "{name}");
        }
    }
}
