//! A struct that is a whole message or record: it knows its versions.

use crate::value::{Decode, Encode};
use crate::{Counter, DecodeError, EncodeError, Form, Reader, VersionRange};

/// A message of the protocol, or a record of an internal topic. Made by `#[derive(Codec)]` on a
/// struct with `#[codec(versions = "…", flexible = "…")]`.
pub trait Message: Encode + Default {
    /// The struct's name, for errors.
    const NAME: &'static str;
    /// The versions that exist.
    const VERSIONS: VersionRange;
    /// The versions in the flexible encoding.
    const FLEXIBLE: VersionRange;

    /// The form of a version, or `None` where the version does not exist.
    #[must_use]
    fn form(version: i16) -> Option<Form> {
        Self::VERSIONS.contains(version).then_some(Form {
            version,
            flexible: Self::FLEXIBLE.contains(version),
        })
    }

    /// Reads a message that fills `bytes` exactly.
    fn read<'a>(bytes: &'a [u8], version: i16) -> Result<Self, DecodeError>
    where
        Self: Decode<'a>,
    {
        let mut reader = Reader::new(bytes);
        let message = Self::read_from(&mut reader, version)?;
        reader.finish()?;
        Ok(message)
    }

    /// Reads a message and leaves what follows in the reader.
    fn read_from<'a>(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>
    where
        Self: Decode<'a>,
    {
        let form = Self::form(version).ok_or(DecodeError::UnsupportedVersion {
            message: Self::NAME,
            version,
        })?;
        Self::decode(reader, form)
    }

    /// Appends the message to `out`. On an error `out` is as before.
    fn write(&self, out: &mut Vec<u8>, version: i16) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.encode(out, Self::encode_form(version)?);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// The message's bytes.
    fn to_bytes(&self, version: i16) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.write(&mut out, version)?;
        Ok(out)
    }

    /// How many bytes `write` appends.
    fn encoded_size(&self, version: i16) -> Result<usize, EncodeError> {
        let mut counter = Counter::default();
        self.encode(&mut counter, Self::encode_form(version)?)?;
        Ok(counter.size)
    }

    #[doc(hidden)]
    fn encode_form(version: i16) -> Result<Form, EncodeError> {
        Self::form(version).ok_or(EncodeError::UnsupportedVersion {
            message: Self::NAME,
            version,
        })
    }
}
