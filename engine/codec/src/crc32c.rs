//! The one checksum: CRC-32C (Castagnoli), as in Kafka's batches.
//!
//! The fast implementation chooses its instructions at run time; `self_check` proves at start
//! that on this machine it computes the right thing.

use crc_fast::{CrcAlgorithm, Digest, checksum};

/// The CRC-32C of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// The CRC-32C of bytes that arrive in pieces.
#[derive(Clone, Debug)]
pub struct Crc32c {
    digest: Digest,
}

impl Crc32c {
    /// Of no bytes yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            digest: Digest::new(CrcAlgorithm::Crc32Iscsi),
        }
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    /// The checksum of all pieces so far.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.digest.finalize() as u32
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// The checksum of this machine is wrong: it must not write or vouch for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfCheckError;

impl std::fmt::Display for SelfCheckError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CRC-32C gives wrong results on this machine; refusing to handle data")
    }
}

impl std::error::Error for SelfCheckError {}

/// Compares the implementation with known vectors (RFC 3720 B.4) and, at sizes around every
/// width it may use, with a bit-by-bit computation. The server calls it once, before any data.
pub fn self_check() -> Result<(), SelfCheckError> {
    for (bytes, expected) in known_vectors() {
        if crc32c(&bytes) != expected {
            return Err(SelfCheckError);
        }
    }
    let pattern: Vec<u8> = (0..1100u32).map(|i| (i * 31 + (i >> 8)) as u8).collect();
    for size in [
        1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 1023, 1100,
    ] {
        let bytes = pattern.get(..size).ok_or(SelfCheckError)?;
        let (head, tail) = bytes.split_at(size / 3);
        let mut digest = Crc32c::new();
        digest.update(head);
        digest.update(tail);
        let expected = bit_by_bit(bytes);
        if crc32c(bytes) != expected || digest.value() != expected {
            return Err(SelfCheckError);
        }
    }
    Ok(())
}

fn known_vectors() -> [(Vec<u8>, u32); 5] {
    [
        (b"123456789".to_vec(), 0xe306_9283),
        (vec![0; 32], 0x8a91_36aa),
        (vec![0xff; 32], 0x62a8_ab43),
        ((0..32).collect(), 0x46dd_794e),
        ((0..32).rev().collect(), 0x113f_db5c),
    ]
}

/// The definition: the reflected polynomial, one bit at a time.
fn bit_by_bit(bytes: &[u8]) -> u32 {
    const POLYNOMIAL_REFLECTED: u32 = 0x82f6_3b78;
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (POLYNOMIAL_REFLECTED * carry);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_machine_passes() {
        assert_eq!(self_check(), Ok(()));
    }

    #[test]
    fn the_definition_agrees_with_the_vectors() {
        for (bytes, expected) in known_vectors() {
            assert_eq!(bit_by_bit(&bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(bytes: Vec<u8>, cut: usize) {
            let expected = ::crc32c::crc32c(&bytes);
            prop_assert_eq!(crc32c(&bytes), expected);
            let (head, tail) = bytes.split_at(cut % (bytes.len() + 1));
            let mut digest = Crc32c::new();
            digest.update(head);
            digest.update(tail);
            prop_assert_eq!(digest.value(), expected);
        }
    }
}
