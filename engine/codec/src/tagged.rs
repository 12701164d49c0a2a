//! Tagged fields (KIP-482): the optional tail of every struct of a flexible version.
//!
//! ```text
//! count:uvarint  ( tag:uvarint  size:uvarint  value:size bytes )*
//! ```

use crate::limits::TAGGED_FIELDS_MAX;
use crate::value::{Encode, EncodeNullable, Place};
use crate::varint::put_uvarint;
use crate::{Counter, DecodeError, EncodeError, Form, Reader, Sink};

impl Reader<'_> {
    /// Reads a struct's tail. `read` gets each tag and a reader of exactly its value; it returns
    /// false for a tag it does not know, which is then skipped and not kept.
    pub fn tagged_fields(
        &mut self,
        mut read: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        if count > TAGGED_FIELDS_MAX {
            return Err(DecodeError::TooManyTags);
        }
        let mut tag_min = 0u64;
        for _ in 0..count {
            let tag = self.uvarint()?;
            if u64::from(tag) < tag_min {
                return Err(DecodeError::TagsOutOfOrder);
            }
            tag_min = u64::from(tag) + 1;
            let size = self.uvarint()? as usize;
            self.nested(size, |value| {
                if !read(tag, value)? {
                    value.take(value.remaining())?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether a nullable struct is null: among ordinary fields one signed byte, below zero for
    /// null; in a tagged field a varint, zero for null.
    pub fn struct_is_null(&mut self, place: Place) -> Result<bool, DecodeError> {
        match place {
            Place::Ordinary => Ok(self.i8()? < 0),
            Place::Tagged => Ok(self.uvarint()? == 0),
        }
    }

    /// Skips a struct's tail of which no tag is known.
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(false))
    }
}

/// Writes one tagged field. `Sink` is asked twice: the size stands before the value.
pub fn put_tagged<S: Sink, T: Encode + ?Sized>(
    sink: &mut S,
    tag: u32,
    value: &T,
    form: Form,
) -> Result<(), EncodeError> {
    let mut counter = Counter::default();
    value.encode(&mut counter, form)?;
    put_tag(sink, tag, counter)?;
    value.encode(sink, form)
}

/// Writes one tagged field that is null or a value.
pub fn put_tagged_nullable<S: Sink, T: EncodeNullable>(
    sink: &mut S,
    tag: u32,
    value: Option<&T>,
    form: Form,
) -> Result<(), EncodeError> {
    let mut counter = Counter::default();
    T::encode_nullable(value, &mut counter, form, Place::Tagged)?;
    put_tag(sink, tag, counter)?;
    T::encode_nullable(value, sink, form, Place::Tagged)
}

/// Writes the mark before a nullable struct: the counterpart of `Reader::struct_is_null`.
pub fn put_struct_is_null<S: Sink>(sink: &mut S, is_null: bool, place: Place) {
    sink.put_u8(match (is_null, place) {
        (false, _) => 1,
        (true, Place::Ordinary) => 0xff,
        (true, Place::Tagged) => 0,
    });
}

fn put_tag<S: Sink>(sink: &mut S, tag: u32, value: Counter) -> Result<(), EncodeError> {
    put_uvarint(sink, tag);
    put_uvarint(
        sink,
        u32::try_from(value.size).map_err(|_| EncodeError::TooLong)?,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(bytes: &[u8]) -> Result<Vec<u32>, DecodeError> {
        let mut seen = Vec::new();
        let mut reader = Reader::new(bytes);
        reader.tagged_fields(|tag, _| {
            seen.push(tag);
            Ok(false)
        })?;
        reader.finish()?;
        Ok(seen)
    }

    #[test]
    fn unknown_tags_are_skipped_whole() {
        assert_eq!(tags(&[2, 0, 1, 9, 7, 2, 8, 8]), Ok(vec![0, 7]));
        assert_eq!(tags(&[0]), Ok(vec![]));
    }

    #[test]
    fn tags_must_increase() {
        assert_eq!(tags(&[2, 1, 0, 1, 0]), Err(DecodeError::TagsOutOfOrder));
        assert_eq!(tags(&[2, 1, 0, 0, 0]), Err(DecodeError::TagsOutOfOrder));
    }

    #[test]
    fn count_and_sizes_are_bounded() {
        assert_eq!(tags(&[0x81, 0x08]), Err(DecodeError::TooManyTags));
        assert_eq!(tags(&[1, 0, 5, 1]), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_value_must_fill_its_size() {
        let mut reader = Reader::new(&[1, 0, 2, 1, 1]);
        let read = reader.tagged_fields(|_, value| value.u8().map(|_| true));
        assert_eq!(read, Err(DecodeError::TaggedFieldSize));
    }
}
