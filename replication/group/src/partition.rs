//! Which partition of `__consumer_offsets` coordinates a group.

/// Kafka's placement: the group id's Java hash code, made non-negative, modulo the partitions.
/// Adopted logs hold their groups where Java put them, so the hash is over UTF-16 units.
///
/// # Panics
/// When there are no partitions.
#[must_use]
pub fn partition_for(group_id: &str, partition_count: i32) -> i32 {
    assert!(partition_count > 0);
    let hash = java_hash_code(group_id);
    // Kafka's `abs` maps the one value without a positive counterpart to zero.
    hash.checked_abs().unwrap_or(0) % partition_count
}

fn java_hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values printed by `"…".hashCode()` of a JDK.
    #[test]
    fn hash_is_javas() {
        assert_eq!(java_hash_code(""), 0);
        assert_eq!(java_hash_code("hello"), 99_162_322);
        assert_eq!(java_hash_code("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn the_smallest_hash_goes_to_partition_zero() {
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("hello", 50), 22);
        assert_eq!(partition_for("gruppe-\u{fc}", 50), 22);
        assert_eq!(partition_for("connect-cluster", 50), 13);
    }

    #[test]
    fn characters_beyond_the_basic_plane_count_as_two_units() {
        assert_eq!(java_hash_code("\u{1F600}"), 1_772_899);
    }
}
