//! Big-endian values appended to a vector: the counterpart of `Reader` for hand-written formats.

use engine_base::Uuid;

use crate::limits::STRING_SIZE_BYTES_MAX;
use crate::varint::{put_uvarint, put_varint, put_varlong};
use crate::{EncodeError, Sink};

/// Appends to a borrowed vector, so that a connection's buffer is filled without a copy.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
}

macro_rules! fixed_width {
    ($($name:ident($type:ty)),*) => { $(
        #[doc = concat!("Appends a big-endian `", stringify!($type), "`.")]
        pub fn $name(&mut self, value: $type) {
            self.out.extend_from_slice(&value.to_be_bytes());
        }
    )* };
}

impl<'b> Writer<'b> {
    /// A writer at the end of `out`.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out }
    }

    fixed_width!(
        u8(u8),
        i8(i8),
        i16(i16),
        u16(u16),
        i32(i32),
        u32(u32),
        i64(i64),
        u64(u64),
        f64(f64)
    );

    /// Bytes in the vector, with those that were there before.
    #[must_use]
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// Appends a boolean as one byte.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Appends the sixteen bytes of an id.
    pub fn uuid(&mut self, value: Uuid) {
        self.bytes(&value.0);
    }

    /// Appends bytes without a length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends an unsigned varint.
    pub fn uvarint(&mut self, value: u32) {
        put_uvarint(self.out, value);
    }

    /// Appends a zig-zag varint.
    pub fn varint(&mut self, value: i32) {
        put_varint(self.out, value);
    }

    /// Appends a zig-zag varlong.
    pub fn varlong(&mut self, value: i64) {
        put_varlong(self.out, value);
    }

    /// Appends a string with its length, or null.
    pub fn nullable_string(
        &mut self,
        value: Option<&str>,
        compact: bool,
    ) -> Result<(), EncodeError> {
        put_string(self.out, value, compact)
    }

    /// Appends the length of an array or of bytes, or null.
    pub fn length(&mut self, length: Option<usize>, compact: bool) -> Result<(), EncodeError> {
        put_length(self.out, length, compact)
    }

    /// Appends bytes with their length, or null.
    pub fn nullable_bytes(
        &mut self,
        value: Option<&[u8]>,
        compact: bool,
    ) -> Result<(), EncodeError> {
        put_bytes(self.out, value, compact)
    }
}

/// The length of an array or of bytes: compact is count plus one, zero for null; classic is
/// 32 bits, minus one for null.
pub(crate) fn put_length<S: Sink>(
    sink: &mut S,
    length: Option<usize>,
    compact: bool,
) -> Result<(), EncodeError> {
    let length = length
        .map(|length| i32::try_from(length).map_err(|_| EncodeError::TooLong))
        .transpose()?;
    if compact {
        put_uvarint(sink, length.map_or(0, |length| length.cast_unsigned() + 1));
    } else {
        sink.put(&length.unwrap_or(-1).to_be_bytes());
    }
    Ok(())
}

/// A string: as `put_length`, but the classic form has 16 bits, and both have their bound.
pub(crate) fn put_string<S: Sink>(
    sink: &mut S,
    value: Option<&str>,
    compact: bool,
) -> Result<(), EncodeError> {
    let size = value.map(str::len);
    if size.is_some_and(|size| size > STRING_SIZE_BYTES_MAX) {
        return Err(EncodeError::TooLong);
    }
    if compact {
        put_length(sink, size, true)?;
    } else {
        let size = size.map_or(-1, |size| size as i16); // bounded above
        sink.put(&size.to_be_bytes());
    }
    sink.put(value.unwrap_or_default().as_bytes());
    Ok(())
}

pub(crate) fn put_bytes<S: Sink>(
    sink: &mut S,
    value: Option<&[u8]>,
    compact: bool,
) -> Result<(), EncodeError> {
    put_length(sink, value.map(<[u8]>::len), compact)?;
    sink.put(value.unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;

    #[test]
    fn what_is_written_is_read() {
        for compact in [false, true] {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            writer.i64(-5);
            writer.nullable_string(Some("topic"), compact).unwrap();
            writer.nullable_string(None, compact).unwrap();
            writer.nullable_bytes(Some(b"xyz"), compact).unwrap();
            writer.length(None, compact).unwrap();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.i64(), Ok(-5));
            assert_eq!(reader.nullable_string(compact), Ok(Some("topic".into())));
            assert_eq!(reader.nullable_string(compact), Ok(None));
            assert_eq!(reader.nullable_bytes(compact), Ok(Some(b"xyz".as_slice())));
            assert_eq!(reader.array_length(compact, 1), Ok(None));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_string_that_kafka_cannot_read_is_not_written() {
        let long = "x".repeat(STRING_SIZE_BYTES_MAX + 1);
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        assert_eq!(
            writer.nullable_string(Some(&long), true),
            Err(EncodeError::TooLong)
        );
        assert!(bytes.is_empty());
    }
}
