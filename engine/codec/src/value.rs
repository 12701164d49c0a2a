//! What may stand as a field: Kafka's primitive types, arrays, and structs made by the derive.

use std::borrow::Cow;

use engine_base::Uuid;

use crate::limits::FIRST_CAPACITY_BYTES_MAX;
use crate::writer::{put_bytes, put_length, put_string};
use crate::{DecodeError, EncodeError, Form, Reader, Sink};

/// A value that can be read in any form. Implemented for the primitive types, `Vec<T>`, and by
/// `#[derive(Codec)]` for structs.
pub trait Decode<'a>: Sized {
    /// The fewest bytes a value takes in this form: the divisor that makes array bombs fail
    /// before anything is built.
    fn size_min(form: Form) -> usize;

    /// Reads one value.
    fn decode(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError>;
}

/// A value that can be written in any form.
pub trait Encode {
    /// Writes the value to `sink`.
    fn encode<S: Sink>(&self, sink: &mut S, form: Form) -> Result<(), EncodeError>;
}

/// Where a nullable value stands. A struct says null by a byte among the ordinary fields and by
/// a varint in a tagged one; all other types have one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the fields that are always written.
    Ordinary,
    /// Inside a tagged field.
    Tagged,
}

/// A value that can be null: strings, bytes, arrays, structs.
pub trait DecodeNullable<'a>: Decode<'a> {
    /// The fewest bytes of a null or a value.
    fn nullable_size_min(form: Form) -> usize {
        Self::size_min(form)
    }

    /// Reads a value or null.
    fn decode_nullable(
        reader: &mut Reader<'a>,
        form: Form,
        place: Place,
    ) -> Result<Option<Self>, DecodeError>;
}

/// The counterpart of [`DecodeNullable`].
pub trait EncodeNullable: Encode {
    /// Writes a value or null.
    fn encode_nullable<S: Sink>(
        value: Option<&Self>,
        sink: &mut S,
        form: Form,
        place: Place,
    ) -> Result<(), EncodeError>;
}

/// A value that can be cut loose from the frame it was read from.
pub trait IntoOwned {
    /// The same type without a borrow.
    type Owned;

    /// Copies what is borrowed.
    fn into_owned(self) -> Self::Owned;
}

macro_rules! fixed_width {
    ($($type:ident),*) => { $(
        impl Decode<'_> for $type {
            fn size_min(_form: Form) -> usize {
                size_of::<Self>()
            }

            fn decode(reader: &mut Reader<'_>, _form: Form) -> Result<Self, DecodeError> {
                reader.$type()
            }
        }

        impl Encode for $type {
            fn encode<S: Sink>(&self, sink: &mut S, _form: Form) -> Result<(), EncodeError> {
                sink.put(&self.to_be_bytes());
                Ok(())
            }
        }
    )* };
}
fixed_width!(i8, i16, u16, i32, u32, i64, f64);

macro_rules! owned_already {
    ($($type:ty),*) => { $(
        impl IntoOwned for $type {
            type Owned = Self;

            fn into_owned(self) -> Self {
                self
            }
        }
    )* };
}
owned_already!(bool, i8, i16, u16, i32, u32, i64, f64, Uuid);

impl Decode<'_> for bool {
    fn size_min(_form: Form) -> usize {
        1
    }

    fn decode(reader: &mut Reader<'_>, _form: Form) -> Result<Self, DecodeError> {
        reader.bool()
    }
}

impl Encode for bool {
    fn encode<S: Sink>(&self, sink: &mut S, _form: Form) -> Result<(), EncodeError> {
        sink.put_u8(u8::from(*self));
        Ok(())
    }
}

impl Decode<'_> for Uuid {
    fn size_min(_form: Form) -> usize {
        16
    }

    fn decode(reader: &mut Reader<'_>, _form: Form) -> Result<Self, DecodeError> {
        reader.uuid()
    }
}

impl Encode for Uuid {
    fn encode<S: Sink>(&self, sink: &mut S, _form: Form) -> Result<(), EncodeError> {
        sink.put_uuid(*self);
        Ok(())
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    fn size_min(form: Form) -> usize {
        if form.flexible { 1 } else { 2 }
    }

    fn decode(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        reader
            .nullable_string(form.flexible)?
            .ok_or(DecodeError::InvalidLength)
    }
}

impl<'a> DecodeNullable<'a> for Cow<'a, str> {
    fn decode_nullable(
        reader: &mut Reader<'a>,
        form: Form,
        _place: Place,
    ) -> Result<Option<Self>, DecodeError> {
        reader.nullable_string(form.flexible)
    }
}

impl Encode for Cow<'_, str> {
    fn encode<S: Sink>(&self, sink: &mut S, form: Form) -> Result<(), EncodeError> {
        put_string(sink, Some(self), form.flexible)
    }
}

impl EncodeNullable for Cow<'_, str> {
    fn encode_nullable<S: Sink>(
        value: Option<&Self>,
        sink: &mut S,
        form: Form,
        _place: Place,
    ) -> Result<(), EncodeError> {
        put_string(sink, value.map(AsRef::as_ref), form.flexible)
    }
}

impl IntoOwned for Cow<'_, str> {
    type Owned = Cow<'static, str>;

    fn into_owned(self) -> Cow<'static, str> {
        Cow::Owned(self.into_owned())
    }
}

impl<'a> Decode<'a> for Cow<'a, [u8]> {
    fn size_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn decode(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        let bytes = reader.nullable_bytes(form.flexible)?;
        bytes.map(Cow::Borrowed).ok_or(DecodeError::InvalidLength)
    }
}

impl<'a> DecodeNullable<'a> for Cow<'a, [u8]> {
    fn decode_nullable(
        reader: &mut Reader<'a>,
        form: Form,
        _place: Place,
    ) -> Result<Option<Self>, DecodeError> {
        Ok(reader.nullable_bytes(form.flexible)?.map(Cow::Borrowed))
    }
}

impl Encode for Cow<'_, [u8]> {
    fn encode<S: Sink>(&self, sink: &mut S, form: Form) -> Result<(), EncodeError> {
        put_bytes(sink, Some(self), form.flexible)
    }
}

impl EncodeNullable for Cow<'_, [u8]> {
    fn encode_nullable<S: Sink>(
        value: Option<&Self>,
        sink: &mut S,
        form: Form,
        _place: Place,
    ) -> Result<(), EncodeError> {
        put_bytes(sink, value.map(AsRef::as_ref), form.flexible)
    }
}

impl IntoOwned for Cow<'_, [u8]> {
    type Owned = Cow<'static, [u8]>;

    fn into_owned(self) -> Cow<'static, [u8]> {
        Cow::Owned(self.into_owned())
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn size_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn decode(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        Self::decode_nullable(reader, form, Place::Ordinary)?.ok_or(DecodeError::InvalidLength)
    }
}

impl<'a, T: Decode<'a>> DecodeNullable<'a> for Vec<T> {
    fn decode_nullable(
        reader: &mut Reader<'a>,
        form: Form,
        _place: Place,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(length) = reader.array_length(form.flexible, T::size_min(form))? else {
            return Ok(None);
        };
        let first_capacity = FIRST_CAPACITY_BYTES_MAX / size_of::<T>().max(1);
        let mut elements = Self::with_capacity(length.min(first_capacity));
        for _ in 0..length {
            elements.push(T::decode(reader, form)?);
        }
        Ok(Some(elements))
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode<S: Sink>(&self, sink: &mut S, form: Form) -> Result<(), EncodeError> {
        self.as_slice().encode(sink, form)
    }
}

impl<T: Encode> Encode for [T] {
    fn encode<S: Sink>(&self, sink: &mut S, form: Form) -> Result<(), EncodeError> {
        put_length(sink, Some(self.len()), form.flexible)?;
        self.iter()
            .try_for_each(|element| element.encode(sink, form))
    }
}

impl<T: Encode> EncodeNullable for Vec<T> {
    fn encode_nullable<S: Sink>(
        value: Option<&Self>,
        sink: &mut S,
        form: Form,
        _place: Place,
    ) -> Result<(), EncodeError> {
        match value {
            Some(elements) => elements.encode(sink, form),
            None => put_length(sink, None, form.flexible),
        }
    }
}

impl<T: IntoOwned> IntoOwned for Vec<T> {
    type Owned = Vec<T::Owned>;

    fn into_owned(self) -> Self::Owned {
        self.into_iter().map(T::into_owned).collect()
    }
}

impl<T: IntoOwned> IntoOwned for Option<T> {
    type Owned = Option<T::Owned>;

    fn into_owned(self) -> Self::Owned {
        self.map(T::into_owned)
    }
}
