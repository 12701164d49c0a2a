//! The text of Kafka's checkpoint files.
//!
//! ```text
//! 0                     version
//! 2                     number of entries
//! topic-a 0 17          one entry a line: topic, partition, offset
//! topic-b 3 42
//! ```
//! Four files of a log directory have this form (`recovery-point-`, `log-start-`,
//! `replication-` and `cleaner-offset-checkpoint`); a partition's `leader-epoch-checkpoint` has
//! lines of epoch and start offset. The text has no checksum: a file that does not parse is
//! rebuilt from, never read as zeroes. Pure text; files are written by the log.

use std::fmt;

const VERSION: &str = "0";

/// An offset of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// What the file is about.
    pub offset: i64,
}

/// Why a checkpoint file cannot be read. Lines count from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// Not text.
    NotUtf8,
    /// The first line is not a version known here.
    UnknownVersion,
    /// A line does not have its form.
    BadLine {
        /// Which.
        line: usize,
    },
    /// The number of entries is not the one on the second line.
    WrongCount {
        /// What the second line says.
        expected: usize,
        /// What there is.
        found: usize,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not text"),
            Self::UnknownVersion => f.write_str("unknown version"),
            Self::BadLine { line } => write!(f, "line {line} is malformed"),
            Self::WrongCount { expected, found } => {
                write!(f, "{found} entries where {expected} are announced")
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

/// The text of an offset checkpoint.
#[must_use]
pub fn encode_offsets<'a>(offsets: impl IntoIterator<Item = (&'a str, i32, i64)>) -> String {
    encode(offsets.into_iter().map(|(topic, partition, offset)| {
        debug_assert!(!topic.contains(char::is_whitespace));
        format!("{topic} {partition} {offset}")
    }))
}

/// Reads an offset checkpoint. An empty file holds nothing: Kafka creates it so.
///
/// # Errors
/// When the text does not have the form.
pub fn decode_offsets(bytes: &[u8]) -> Result<Vec<PartitionOffset>, CheckpointError> {
    decode(bytes, |words| {
        let [topic, partition, offset] = words[..] else {
            return None;
        };
        Some(PartitionOffset {
            topic: topic.to_owned(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    })
}

/// Version, count, lines.
pub(crate) fn encode(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The entries, each read from the words of its line.
pub(crate) fn decode<T>(
    bytes: &[u8],
    read: impl Fn(&[&str]) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CheckpointError::NotUtf8)?;
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok(Vec::new()),
        Some(VERSION) => {}
        Some(_) => return Err(CheckpointError::UnknownVersion),
    }
    let Some(count) = lines.next() else {
        return Ok(Vec::new());
    };
    let expected: usize = count
        .parse()
        .map_err(|_| CheckpointError::BadLine { line: 2 })?;
    let mut entries = Vec::new();
    for (line, text) in (3..).zip(lines) {
        let words: Vec<&str> = text.split_whitespace().collect();
        entries.push(read(&words).ok_or(CheckpointError::BadLine { line })?);
    }
    let found = entries.len();
    if found != expected {
        return Err(CheckpointError::WrongCount { expected, found });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_kafkas() {
        let text = encode_offsets([("topic-a", 0, 17), ("topic-b", 3, 42)]);
        assert_eq!(text, "0\n2\ntopic-a 0 17\ntopic-b 3 42\n");
        assert_eq!(encode_offsets([]), "0\n0\n");
    }

    #[test]
    fn empty_files_hold_nothing() {
        for text in ["", "0\n", "0\n0\n"] {
            assert_eq!(decode_offsets(text.as_bytes()), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn bad_lines_are_named() {
        let wrong = |text: &str| decode_offsets(text.as_bytes()).unwrap_err();
        assert_eq!(wrong("1\n0\n"), CheckpointError::UnknownVersion);
        assert_eq!(wrong("0\nx\n"), CheckpointError::BadLine { line: 2 });
        assert_eq!(wrong("0\n1\na 0\n"), CheckpointError::BadLine { line: 3 });
        assert_eq!(
            wrong("0\n2\na 0 1\na 0 1 2\n"),
            CheckpointError::BadLine { line: 4 }
        );
        assert_eq!(wrong("0\n1\na x 1\n"), CheckpointError::BadLine { line: 3 });
        assert_eq!(
            wrong("0\n1\na 0 99999999999999999999\n"),
            CheckpointError::BadLine { line: 3 }
        );
        assert_eq!(
            wrong("0\n99999999\na 0 1\n"),
            CheckpointError::WrongCount {
                expected: 99_999_999,
                found: 1
            }
        );
        assert_eq!(decode_offsets(&[0xff]), Err(CheckpointError::NotUtf8));
    }

    proptest! {
        #[test]
        fn round_trip_and_every_cut(
            offsets in proptest::collection::vec(("[a-z._-]{1,9}", 0..99i32, any::<i64>()), 0..6),
        ) {
            let entries = offsets.iter().map(|(topic, index, offset)| (&topic[..], *index, *offset));
            let text = encode_offsets(entries);
            let read = decode_offsets(text.as_bytes()).unwrap();
            prop_assert_eq!(read.len(), offsets.len());
            for (read, (topic, partition, offset)) in read.iter().zip(&offsets) {
                let same = (&read.topic, read.partition, read.offset) == (topic, *partition, *offset);
                prop_assert!(same);
            }
            // A cut may take digits off the last number, which no text can tell; it must not
            // invent or lose entries otherwise.
            for size in 0..text.len() {
                if let Ok(cut) = decode_offsets(&text.as_bytes()[..size]) {
                    prop_assert!(cut.is_empty() || cut.len() == offsets.len());
                }
            }
        }
    }
}
