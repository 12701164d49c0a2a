//! The `.kafka_cleanshutdown` file, which a log directory has while no broker has it open.

use crate::error::FileError;
use crate::json::{self, Value};

const FILE: &str = ".kafka_cleanshutdown";

/// The file's text: under which epoch the broker stopped. Kafka's controller compares it with
/// the registration it knows, and takes any other for an unclean stop.
#[must_use]
pub fn clean_shutdown_text(broker_epoch: i64) -> String {
    format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}")
}

/// The epoch under which the broker stopped; -1 from an empty file, as releases before 4.0 left
/// it.
///
/// # Errors
/// The text is malformed, or of a later version.
pub fn read_clean_shutdown(text: &str) -> Result<i64, FileError> {
    if text.trim().is_empty() {
        return Ok(-1);
    }
    let fields =
        json::object(text).map_err(|reason| FileError::Malformed { file: FILE, reason })?;
    match fields.get("version") {
        Some(Value::Number(0)) => {}
        Some(Value::Number(version)) => {
            return Err(FileError::UnknownVersion {
                file: FILE,
                version: *version,
            });
        }
        _ => {
            return Err(FileError::Field {
                file: FILE,
                field: "version",
            });
        }
    }
    match fields.get("brokerEpoch") {
        Some(Value::Number(broker_epoch)) => Ok(*broker_epoch),
        _ => Err(FileError::Field {
            file: FILE,
            field: "brokerEpoch",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        assert_eq!(
            clean_shutdown_text(30),
            "{\"version\":0,\"brokerEpoch\":30}"
        );
        assert_eq!(
            read_clean_shutdown("{\"version\":0,\"brokerEpoch\":30}"),
            Ok(30)
        );
        assert_eq!(read_clean_shutdown(""), Ok(-1));
        let newer = read_clean_shutdown("{\"version\":1,\"brokerEpoch\":30}");
        assert_eq!(
            newer,
            Err(FileError::UnknownVersion {
                file: FILE,
                version: 1
            })
        );
        let lacking = read_clean_shutdown("{\"version\":0}");
        assert_eq!(
            lacking,
            Err(FileError::Field {
                file: FILE,
                field: "brokerEpoch"
            })
        );
        assert!(read_clean_shutdown("{").is_err());
    }
}
