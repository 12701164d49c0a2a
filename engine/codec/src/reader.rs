//! The cursor over bytes that nobody has vouched for.

use std::borrow::Cow;

use engine_base::Uuid;

use crate::DecodeError;
use crate::limits::{ELEMENTS_MAX, STRING_SIZE_BYTES_MAX};

/// Reads big-endian values from borrowed bytes. It never panics and never allocates; what it
/// hands out borrows from the frame. It also carries the budget of array elements that one frame
/// may make us build, so that nesting cannot multiply past it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    elements_left: u32,
}

macro_rules! fixed_width {
    ($($name:ident -> $type:ty),*) => { $(
        #[doc = concat!("A big-endian `", stringify!($type), "`.")]
        pub fn $name(&mut self) -> Result<$type, DecodeError> {
            let (head, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            self.rest = rest;
            Ok(<$type>::from_be_bytes(*head))
        }
    )* };
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_elements_max(bytes, ELEMENTS_MAX)
    }

    /// A reader that lets through more, or fewer, array elements than `ELEMENTS_MAX`.
    #[must_use]
    pub fn with_elements_max(bytes: &'a [u8], elements_max: u32) -> Self {
        Self {
            rest: bytes,
            elements_left: elements_max,
        }
    }

    fixed_width!(u8 -> u8, i8 -> i8, i16 -> i16, u16 -> u16, i32 -> i32, u32 -> u32, i64 -> i64, u64 -> u64, f64 -> f64);

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes not read yet, without reading them.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that everything has been read: bytes behind a message are an error.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    /// The next `size` bytes.
    pub fn take(&mut self, size: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// A boolean: any byte but zero is true, as Kafka reads it.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8()? != 0)
    }

    /// Sixteen bytes of an id.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(Uuid(*head))
    }

    /// A string, or `None` for null. Bytes that are not UTF-8 become U+FFFD, as in Kafka: a
    /// client with a Latin-1 `client.id` works, and no rule on names lets U+FFFD through.
    pub fn nullable_string(&mut self, compact: bool) -> Result<Option<Cow<'a, str>>, DecodeError> {
        let size = if compact {
            self.compact_length()?
        } else {
            classic_length(i32::from(self.i16()?))
        };
        let Some(size) = size else { return Ok(None) };
        if size > STRING_SIZE_BYTES_MAX {
            return Err(DecodeError::InvalidLength);
        }
        let bytes = self.take(size)?;
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(Some(Cow::Borrowed(text)));
        }
        let replaced = String::from_utf8_lossy(bytes);
        if replaced.len() > STRING_SIZE_BYTES_MAX {
            return Err(DecodeError::InvalidLength); // an answer could not repeat it
        }
        Ok(Some(replaced))
    }

    /// Bytes, or `None` for null.
    pub fn nullable_bytes(&mut self, compact: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        let size = if compact {
            self.compact_length()?
        } else {
            classic_length(self.i32()?)
        };
        size.map(|size| self.take(size)).transpose()
    }

    /// The number of an array's elements, or `None` for null. Refuses an array whose elements,
    /// at `element_size_min` bytes each, cannot fit in what follows, and charges them to the
    /// reader's budget.
    pub fn array_length(
        &mut self,
        compact: bool,
        element_size_min: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let length = if compact {
            self.compact_length()?
        } else {
            classic_length(self.i32()?)
        };
        let Some(length) = length else {
            return Ok(None);
        };
        if length > self.remaining() / element_size_min.max(1) {
            return Err(DecodeError::ArrayTooLong);
        }
        let charge = u32::try_from(length).map_err(|_| DecodeError::TooManyElements)?;
        self.elements_left = self
            .elements_left
            .checked_sub(charge)
            .ok_or(DecodeError::TooManyElements)?;
        Ok(Some(length))
    }

    /// Runs `read` on exactly the next `size` bytes. Leaving some unread is an error.
    pub(crate) fn nested<T>(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let inner = self.take(size)?;
        let after = std::mem::replace(&mut self.rest, inner);
        let value = read(self)?;
        if !self.rest.is_empty() {
            return Err(DecodeError::TaggedFieldSize);
        }
        self.rest = after;
        Ok(value)
    }

    /// A compact length: the count plus one, zero for null.
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok((self.uvarint()? as usize).checked_sub(1))
    }
}

/// A classic length: below zero is null.
fn classic_length(length: i32) -> Option<usize> {
    usize::try_from(length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_end_and_not_past_it() {
        let mut reader = Reader::new(&[0, 1, 0, 0, 0, 2, 7]);
        assert_eq!(reader.i16(), Ok(1));
        assert_eq!(reader.i32(), Ok(2));
        assert_eq!(reader.finish(), Err(DecodeError::TrailingBytes));
        assert_eq!(reader.i16(), Err(DecodeError::Truncated));
        assert_eq!(reader.u8(), Ok(7));
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(reader.u8(), Err(DecodeError::Truncated));
    }

    #[test]
    fn strings_in_both_forms() {
        assert_eq!(
            Reader::new(&[0, 2, b'a', b'b']).nullable_string(false),
            Ok(Some("ab".into()))
        );
        assert_eq!(
            Reader::new(&[3, b'a', b'b']).nullable_string(true),
            Ok(Some("ab".into()))
        );
        assert_eq!(Reader::new(&[0xff, 0xff]).nullable_string(false), Ok(None));
        assert_eq!(Reader::new(&[0]).nullable_string(true), Ok(None));
        assert_eq!(
            Reader::new(&[2, 0xff]).nullable_string(true),
            Ok(Some("\u{fffd}".into()))
        );
    }

    #[test]
    fn compact_string_beyond_32767_bytes_is_refused() {
        let mut bytes = vec![0x81, 0x80, 0x02]; // 32769 = 32768 + 1
        bytes.resize(40_000, b'x');
        assert_eq!(
            Reader::new(&bytes).nullable_string(true),
            Err(DecodeError::InvalidLength)
        );
    }

    #[test]
    fn replacement_does_not_grow_a_string_past_its_bound() {
        let mut bytes = 20_000u16.to_be_bytes().to_vec();
        bytes.resize(20_002, 0xff);
        let read = Reader::new(&bytes).nullable_string(false);
        assert_eq!(read, Err(DecodeError::InvalidLength));
    }

    #[test]
    fn array_length_is_bounded_by_what_follows() {
        let bomb = [0x7f, 0xff, 0xff, 0xff];
        assert_eq!(
            Reader::new(&bomb).array_length(false, 1),
            Err(DecodeError::ArrayTooLong)
        );
        let three = [4, 0, 0, 0, 0, 0];
        assert_eq!(Reader::new(&three).array_length(true, 1), Ok(Some(3)));
        assert_eq!(
            Reader::new(&three).array_length(true, 2),
            Err(DecodeError::ArrayTooLong)
        );
    }

    #[test]
    fn elements_are_charged_to_one_budget() {
        let mut bytes = 600_000i32.to_be_bytes().to_vec();
        bytes.resize(700_000, 0);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.array_length(false, 1), Ok(Some(600_000)));
        reader.rest = &bytes;
        assert_eq!(
            reader.array_length(false, 1),
            Err(DecodeError::TooManyElements)
        );
    }
}
