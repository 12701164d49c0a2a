//! The five compressions behind one enum: encoding of buffers and streams, and decoding as a
//! bounded stream.
//!
//! A [`Decompressor`] and a [`Compressor`] hold the contexts that are dear to make; a shard owns
//! one of each and uses them for every batch. A compressed batch is hostile: what it becomes is
//! capped ([`crate::limits`]), a length that it declares reserves nothing, and decoding hands
//! out one window at a time. Never reads or writes anything but the bytes it was given.

mod decode;
mod encode;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;

pub use decode::{Decoder, Decompressor};
pub use encode::Compressor;
pub(crate) use encode::Encoder;

/// How the records of a batch are compressed (`compression.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, possibly of several members.
    Gzip,
    /// Snappy: raw, or in the xerial framing of Java clients.
    Snappy,
    /// An LZ4 frame of independent blocks.
    Lz4,
    /// A Zstandard frame (KIP-110).
    Zstd,
}

impl Compression {
    /// The id in a batch's attributes.
    #[must_use]
    pub fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The compression with this id; 5 to 7 name none.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// Kafka's name, as in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The compression with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|compression| compression.name() == name)
    }
}

/// Why compressed bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressError {
    /// The stream is not what its compression says, or its own checksum is wrong.
    Corrupt(Compression),
    /// The stream ends before its end mark.
    Truncated(Compression),
    /// The stream uses a feature that Kafka's readers do not have (LZ4 linked blocks, a
    /// dictionary, a zstd window above the limit).
    Unsupported(Compression),
    /// The data would grow beyond the cap, in bytes.
    TooLarge {
        /// The cap for this batch.
        limit_bytes: u64,
    },
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(compression) => write!(f, "corrupt {} data", compression.name()),
            Self::Truncated(compression) => write!(f, "{} data ends early", compression.name()),
            Self::Unsupported(compression) => {
                write!(f, "{} data uses an unsupported feature", compression.name())
            }
            Self::TooLarge { limit_bytes } => {
                write!(f, "data decompresses to more than {limit_bytes} bytes")
            }
        }
    }
}

impl std::error::Error for CompressError {}

#[cfg(test)]
mod tests;
