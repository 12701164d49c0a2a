//! Where all that a command prints goes.
//!
//! Owns what happens when nobody reads any more: `head` closes its end when it has enough, which
//! is no fault of ours and no reason to say anything.

use std::io::{self, Write, stderr, stdout};

use crate::failure::Failure;

/// Prints to standard output.
///
/// # Errors
/// [`Failure::Unread`] when nobody reads it, else the system's.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if still_read(written)? {
        Ok(())
    } else {
        Err(Failure::Unread)
    }
}

/// Prints a line to standard error. That it cannot be written is nothing we could tell anybody.
pub fn note(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}

/// So many of a thing, in words: `1 line`, `2 lines`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Whether somebody still reads our output.
///
/// # Errors
/// When it cannot be written for another reason.
pub(crate) fn still_read(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::io("cannot print")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(0, "record"), "0 records");
        assert_eq!(counted(2, "line"), "2 lines");
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        assert!(still_read(Ok(())).unwrap());
        assert!(!still_read(Err(io::ErrorKind::BrokenPipe.into())).unwrap());
        assert!(still_read(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
