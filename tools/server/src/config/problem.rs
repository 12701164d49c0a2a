//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;

use super::layers::Origin;
use super::limits::{KEY_CHARS_SHOWN_MAX, VALUE_CHARS_SHOWN_MAX};
use super::shown::shown;

/// One finding. An error stops the start, a warning does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    error: bool,
    origin: Origin,
    key: String,
    text: String,
    remedy: String,
}

impl Problem {
    /// The broker must not start like this.
    pub(crate) fn error(origin: Origin, key: &str, text: &str, remedy: &str) -> Self {
        Self {
            error: true,
            origin,
            key: key.to_owned(),
            text: text.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// The operator should know.
    pub(crate) fn warning(origin: Origin, key: &str, text: &str, remedy: &str) -> Self {
        Self {
            error: false,
            ..Self::error(origin, key, text, remedy)
        }
    }

    /// The key it is about; empty when it is about a line without one.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Where it stands among the others: the order of reading.
    pub(crate) fn place(&self) -> (u8, u32) {
        match &self.origin {
            Origin::File { line, .. } => (0, *line),
            Origin::Environment { .. } => (1, 0),
            Origin::CommandLine => (2, 0),
            Origin::Default => (3, 0),
        }
    }

    /// Whether it stops the start.
    pub(crate) fn is_error(&self) -> bool {
        self.error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(f, "{} ", shown(&self.key, KEY_CHARS_SHOWN_MAX))?;
        }
        // It may quote a value.
        let text = shown(&self.text, VALUE_CHARS_SHOWN_MAX);
        write!(f, "{text}; {}", self.remedy)
    }
}
