//! Variable-length integers: seven bits a byte, least significant first, high bit "more follow".
//!
//! Two flavours share the bits: unsigned (lengths and tags of flexible messages) and zig-zag
//! (signed fields inside record batches, where small negative numbers should be short too).

use crate::{DecodeError, Reader, Sink};

/// Bytes of the longest 32-bit varint.
pub const VARINT_SIZE_MAX: usize = 5;
/// Bytes of the longest 64-bit varint.
pub const VARLONG_SIZE_MAX: usize = 10;

/// Bytes that `value` takes as an unsigned varint: 1 to 5.
#[must_use]
pub const fn uvarint_size(value: u32) -> usize {
    uvarlong_size(value as u64)
}

/// Bytes that `value` takes as an unsigned varlong: 1 to 10.
#[must_use]
pub const fn uvarlong_size(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Bytes that `value` takes as a zig-zag varint: 1 to 5.
#[must_use]
pub const fn varint_size(value: i32) -> usize {
    uvarint_size(zigzag(value))
}

/// Bytes that `value` takes as a zig-zag varlong: 1 to 10.
#[must_use]
pub const fn varlong_size(value: i64) -> usize {
    uvarlong_size(zigzag_long(value))
}

/// 0, -1, 1, -2, … become 0, 1, 2, 3, …
const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

const fn unzigzag_long(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

impl Reader<'_> {
    /// An unsigned varint of at most five bytes and 32 bits.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in (0..).step_by(7).take(VARINT_SIZE_MAX) {
            let byte = self.u8()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(DecodeError::VarintOverflow);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintOverflow)
    }

    /// An unsigned varint of at most ten bytes and 64 bits.
    pub fn uvarlong(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..).step_by(7).take(VARLONG_SIZE_MAX) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::VarintOverflow);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintOverflow)
    }

    /// A zig-zag varint of at most five bytes.
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        self.uvarint().map(unzigzag)
    }

    /// A zig-zag varint of at most ten bytes.
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        self.uvarlong().map(unzigzag_long)
    }
}

/// Writes `value` as an unsigned varint.
pub fn put_uvarint<S: Sink>(sink: &mut S, value: u32) {
    put_uvarlong(sink, u64::from(value));
}

/// Writes `value` as an unsigned varlong.
pub fn put_uvarlong<S: Sink>(sink: &mut S, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        sink.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    sink.put_u8(rest as u8);
}

/// Writes `value` as a zig-zag varint.
pub fn put_varint<S: Sink>(sink: &mut S, value: i32) {
    put_uvarint(sink, zigzag(value));
}

/// Writes `value` as a zig-zag varlong.
pub fn put_varlong<S: Sink>(sink: &mut S, value: i64) {
    put_uvarlong(sink, zigzag_long(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn zigzag_varints_return(value: i32, long: i64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_size(value));
            put_varlong(&mut bytes, long);
            prop_assert_eq!(bytes.len(), varint_size(value) + varlong_size(long));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.varlong(), Ok(long));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn unsigned_varints_return(value: u32, long: u64) {
            let mut bytes = Vec::new();
            put_uvarint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), uvarint_size(value));
            put_uvarlong(&mut bytes, long);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.uvarint(), Ok(value));
            prop_assert_eq!(reader.uvarlong(), Ok(long));
        }
    }

    #[test]
    fn small_negatives_are_short() {
        assert_eq!(varint_size(-1), 1);
        assert_eq!(varint_size(-64), 1);
        assert_eq!(varint_size(-65), 2);
        assert_eq!(varint_size(i32::MIN), VARINT_SIZE_MAX);
        assert_eq!(varlong_size(i64::MIN), VARLONG_SIZE_MAX);
    }

    #[test]
    fn overlong_and_overfull_are_refused() {
        let overlong = [0x80u8; 11];
        assert_eq!(
            Reader::new(&overlong).uvarint(),
            Err(DecodeError::VarintOverflow)
        );
        assert_eq!(
            Reader::new(&overlong).uvarlong(),
            Err(DecodeError::VarintOverflow)
        );
        let overfull = [0xff, 0xff, 0xff, 0xff, 0x10];
        assert_eq!(
            Reader::new(&overfull).uvarint(),
            Err(DecodeError::VarintOverflow)
        );
        let largest = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(Reader::new(&largest).uvarint(), Ok(u32::MAX));
        assert_eq!(
            Reader::new(&largest[..4]).uvarint(),
            Err(DecodeError::Truncated)
        );
    }
}
