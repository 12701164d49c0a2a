//! The `quorum-state` file: what a voter must not forget between elections.

use std::fmt::Write as _;

use engine_base::Uuid;

use crate::error::FileError;
use crate::json::{self, Value};

const FILE: &str = "quorum-state";

/// Whom this node last knew as leader, and for whom it voted. Written, and made durable, before
/// the vote or the leadership it records is acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// The leader of the epoch, or -1.
    pub leader_id: i32,
    /// The epoch.
    pub leader_epoch: i32,
    /// Whom this node voted for in the epoch, or -1.
    pub voted_id: i32,
    /// The directory id of whom it voted for; zero when unknown.
    pub voted_directory_id: Uuid,
}

impl QuorumState {
    /// A node that has seen no election.
    pub const EMPTY: Self = Self {
        leader_id: -1,
        leader_epoch: 0,
        voted_id: -1,
        voted_directory_id: Uuid::ZERO,
    };

    /// This node leads an epoch.
    #[must_use]
    pub fn leader(leader_id: i32, leader_epoch: i32) -> Self {
        Self {
            leader_id,
            leader_epoch,
            ..Self::EMPTY
        }
    }

    /// The file's text in data version 1 (kraft.version 1).
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        write!(
            text,
            "{{\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},\
             \"votedDirectoryId\":\"{}\",\"data_version\":1}}",
            self.leader_id, self.leader_epoch, self.voted_id, self.voted_directory_id
        )
        .expect("writing to a string does not fail");
        text
    }

    /// Reads the file's text, of data version 1 or of version 0 (kraft.version 0), whose list of
    /// voters is not needed: they stand in the configuration.
    ///
    /// # Errors
    /// The text is malformed, or of a later version.
    pub fn read(text: &str) -> Result<Self, FileError> {
        let fields =
            json::object(text).map_err(|reason| FileError::Malformed { file: FILE, reason })?;
        let number = |field: &'static str| match fields.get(field) {
            Some(Value::Number(number)) => Ok(*number),
            _ => Err(FileError::Field { file: FILE, field }),
        };
        let number_i32 = |field| {
            i32::try_from(number(field)?).map_err(|_| FileError::Field { file: FILE, field })
        };
        let version = number("data_version")?;
        if !(0..=1).contains(&version) {
            return Err(FileError::UnknownVersion {
                file: FILE,
                version,
            });
        }
        let field = "votedDirectoryId";
        let voted_directory_id = match fields.get(field) {
            Some(Value::Text(id)) => id
                .parse()
                .map_err(|_| FileError::Field { file: FILE, field })?,
            None if version == 0 => Uuid::ZERO,
            _ => return Err(FileError::Field { file: FILE, field }),
        };
        Ok(Self {
            leader_id: number_i32("leaderId")?,
            leader_epoch: number_i32("leaderEpoch")?,
            voted_id: number_i32("votedId")?,
            voted_directory_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN_BY_KAFKA: &str = "{\"leaderId\":1,\"leaderEpoch\":3,\"votedId\":-1,\
         \"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}";

    #[test]
    fn the_text_is_kafkas() {
        let state = QuorumState::leader(1, 3);
        assert_eq!(state.to_text(), WRITTEN_BY_KAFKA);
        assert_eq!(QuorumState::read(WRITTEN_BY_KAFKA), Ok(state));
    }

    #[test]
    fn version_0_is_read() {
        let text = r#"{"clusterId":"","leaderId":2,"leaderEpoch":7,"votedId":-1,
            "appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#;
        assert_eq!(QuorumState::read(text), Ok(QuorumState::leader(2, 7)));
    }

    #[test]
    fn what_is_broken_or_newer_is_refused() {
        let newer = WRITTEN_BY_KAFKA.replace("version\":1", "version\":2");
        let expected = Err(FileError::UnknownVersion {
            file: FILE,
            version: 2,
        });
        assert_eq!(QuorumState::read(&newer), expected);
        for end in 0..WRITTEN_BY_KAFKA.len() {
            assert!(
                QuorumState::read(&WRITTEN_BY_KAFKA[..end]).is_err(),
                "cut at {end}"
            );
        }
        let wide = WRITTEN_BY_KAFKA.replace("\"leaderEpoch\":3", "\"leaderEpoch\":3000000000");
        let expected = Err(FileError::Field {
            file: FILE,
            field: "leaderEpoch",
        });
        assert_eq!(QuorumState::read(&wide), expected);
    }
}
