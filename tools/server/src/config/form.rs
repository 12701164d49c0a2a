//! Whether a file can be a properties file at all: the door before its keys are looked at.
//!
//! Owns what a text may be. Java takes any bytes; who names a program, a log or a directory's
//! index by mistake must be told so, and not get a broker with defaults and 700 warnings. Reads
//! no file: `commands::sources` does.

use std::fmt;

use super::limits::{FILE_SIZE_BYTES_MAX, KEY_CHARS_MAX, LINE_SIZE_BYTES_MAX};
use super::properties;

/// Bytes of a file to read: one more than it may have, by which a larger one is known.
pub(crate) const FILE_READ_BYTES_MAX: u64 = FILE_SIZE_BYTES_MAX as u64 + 1;

/// Why it is no properties file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotProperties {
    /// Larger than any.
    TooLarge,
    /// A control byte that stands in no text.
    ControlByte {
        /// From one.
        line: u32,
        /// It.
        byte: u8,
    },
    /// A line, or an entry over several lines, that nobody wrote.
    LongLine {
        /// From one; the entry's first.
        line: u32,
    },
    /// A key that nobody wrote.
    LongKey {
        /// From one.
        line: u32,
    },
}

impl fmt::Display for NotProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "it is larger than {FILE_SIZE_BYTES_MAX} bytes"),
            Self::ControlByte { line, byte } => {
                write!(f, "line {line} holds the control byte 0x{byte:02x}")
            }
            Self::LongLine { line } => {
                write!(f, "line {line} is longer than {LINE_SIZE_BYTES_MAX} bytes")
            }
            Self::LongKey { line } => {
                write!(
                    f,
                    "the key on line {line} is longer than {KEY_CHARS_MAX} characters"
                )
            }
        }
    }
}

/// Tells what is wrong first.
///
/// # Errors
/// The file is none that somebody wrote as properties.
pub(crate) fn check_form(bytes: &[u8]) -> Result<(), NotProperties> {
    if bytes.len() > FILE_SIZE_BYTES_MAX {
        return Err(NotProperties::TooLarge);
    }
    check_lines(bytes)?;
    // A malformed escape is told later, with the other faults.
    for entry in properties::parse(bytes).into_iter().flatten() {
        let line = entry.line;
        if entry.key.chars().nth(KEY_CHARS_MAX).is_some() {
            return Err(NotProperties::LongKey { line });
        }
        if entry.key.len() + entry.value.len() > LINE_SIZE_BYTES_MAX {
            return Err(NotProperties::LongLine { line });
        }
    }
    Ok(())
}

/// Control bytes and long lines. Bytes above 0x7f are letters, of ISO 8859-1 or of UTF-8.
fn check_lines(bytes: &[u8]) -> Result<(), NotProperties> {
    let mut line = 1;
    let mut start = 0;
    let mut before = 0;
    for (position, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' | b'\r' => {
                line += u32::from(before != b'\r' || byte != b'\n');
                start = position + 1;
            }
            b'\t' | b'\x0c' => {}
            0..b' ' | 0x7f => return Err(NotProperties::ControlByte { line, byte }),
            _ if position - start >= LINE_SIZE_BYTES_MAX => {
                return Err(NotProperties::LongLine { line });
            }
            _ => {}
        }
        before = byte;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_system_and_encoding_pass() {
        for text in [
            &b""[..],
            b"a=1\nb=2\r\nc=3\r\td\x0c=4",
            b"# \xc3\x80 in UTF-8, \xe9 in ISO 8859-1\n",
            br"k\u0000=\u001b",
            br"k=\u12",
        ] {
            assert_eq!(check_form(text), Ok(()), "{text:?}");
        }
        let long = format!("k={}", "v".repeat(LINE_SIZE_BYTES_MAX - 2));
        assert_eq!(check_form(long.as_bytes()), Ok(()));
    }

    #[test]
    fn a_control_byte_is_told_with_its_line() {
        for byte in [0, 1, 8, 0x0b, 0x1a, 0x1b, 0x1f, 0x7f] {
            let text = [b"a=1\r\nb=2\rc=3\n# ".as_slice(), &[byte]].concat();
            let error = NotProperties::ControlByte { line: 4, byte };
            assert_eq!(check_form(&text), Err(error));
        }
    }

    #[test]
    fn what_nobody_wrote_is_too_long() {
        let form = |text: String| check_form(text.as_bytes());
        let line = "a".repeat(80_000);
        let told = Err(NotProperties::LongLine { line: 2 });
        assert_eq!(form(format!("\n{line}")), told);
        // Over several lines too.
        let parts = format!("k={}", "0123456789\\\n".repeat(7000));
        assert_eq!(form(format!("\n{parts}")), told);
        let key = "a".repeat(KEY_CHARS_MAX + 1);
        let told = Err(NotProperties::LongKey { line: 2 });
        assert_eq!(form(format!("\n{key}=1")), told);
        assert_eq!(form(format!("\n{}=1", &key[1..])), Ok(()));
        let lines = "a=1\n".repeat(FILE_SIZE_BYTES_MAX / 4 + 1);
        assert_eq!(form(lines), Err(NotProperties::TooLarge));
    }
}
