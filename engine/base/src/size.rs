//! Sizes in bytes and their alignment.

/// 1,024 bytes.
pub const KIB: usize = 1024;
/// 1,024 KiB.
pub const MIB: usize = 1024 * KIB;
/// 1,024 MiB.
pub const GIB: usize = 1024 * MIB;

/// The largest multiple of `alignment` (a power of two) that is not above `value`.
#[must_use]
pub const fn align_down(value: u64, alignment: u64) -> u64 {
    assert!(alignment.is_power_of_two());
    value & !(alignment - 1)
}

/// The smallest multiple of `alignment` (a power of two) that is not below `value`.
///
/// # Panics
/// When the result exceeds `u64`: no file position or buffer size comes near it.
#[must_use]
pub const fn align_up(value: u64, alignment: u64) -> u64 {
    assert!(alignment.is_power_of_two());
    align_down(
        value
            .checked_add(alignment - 1)
            .expect("sizes stay far below 2^64"),
        alignment,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns() {
        assert_eq!((align_down(4097, 4096), align_up(4097, 4096)), (4096, 8192));
        assert_eq!((align_down(4096, 4096), align_up(4096, 4096)), (4096, 4096));
        assert_eq!((align_down(0, 512), align_up(0, 512)), (0, 0));
    }
}
