//! Why bytes are not a message, and why a message has no bytes.

use std::fmt;

/// The bytes are not what the schema of this version says. Whoever sent them is broken or
/// hostile: a connection is closed, a record on disk is damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A value reaches past the end of the bytes.
    Truncated,
    /// A varint is longer than its type allows, or holds more bits.
    VarintOverflow,
    /// A null where none is allowed, or a length beyond what the type allows.
    InvalidLength,
    /// An array announces more elements than the remaining bytes can hold.
    ArrayTooLong,
    /// The arrays of this reader hold more elements together than `ELEMENTS_MAX`.
    TooManyElements,
    /// More tagged fields in one struct than `TAGGED_FIELDS_MAX`.
    TooManyTags,
    /// Tags are not strictly increasing.
    TagsOutOfOrder,
    /// A tagged field's value is shorter or longer than its announced size.
    TaggedFieldSize,
    /// A known tag in a version that does not have it.
    TagNotInVersion {
        /// The tag.
        tag: u32,
    },
    /// Bytes follow the end of the message.
    TrailingBytes,
    /// The message does not exist in this version.
    UnsupportedVersion {
        /// The struct's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a value reaches past the end of the bytes"),
            Self::VarintOverflow => f.write_str("a varint is too long for its type"),
            Self::InvalidLength => f.write_str("a length is out of range"),
            Self::ArrayTooLong => f.write_str("an array is longer than the bytes that follow"),
            Self::TooManyElements => f.write_str("too many array elements"),
            Self::TooManyTags => f.write_str("too many tagged fields"),
            Self::TagsOutOfOrder => f.write_str("tags are not strictly increasing"),
            Self::TaggedFieldSize => f.write_str("a tagged field does not have its stated size"),
            Self::TagNotInVersion { tag } => write!(f, "tag {tag} does not exist in this version"),
            Self::TrailingBytes => f.write_str("bytes follow the end of the message"),
            Self::UnsupportedVersion { message, version } => {
                write!(f, "{message} has no version {version}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// The value cannot be said in this version. Always a fault of the caller, never of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The message does not exist in this version.
    UnsupportedVersion {
        /// The struct's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field has a value, the version has no place for it, and losing it would change the
    /// meaning (the field is not `ignorable`).
    FieldNotInVersion {
        /// The field's Rust name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Null for a field that cannot be null in this version.
    NullField {
        /// The field's Rust name.
        field: &'static str,
    },
    /// A string longer than `STRING_SIZE_BYTES_MAX`, or bytes or an array beyond 31 bits.
    TooLong,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedVersion { message, version } => {
                write!(f, "{message} has no version {version}")
            }
            Self::FieldNotInVersion { field, version } => {
                write!(f, "'{field}' is set but version {version} cannot carry it")
            }
            Self::NullField { field } => write!(f, "'{field}' is null and must not be"),
            Self::TooLong => f.write_str("a string, byte string or array is too long"),
        }
    }
}

impl std::error::Error for EncodeError {}
