//! Which partition a key belongs to: Kafka's rule, so that our records join those of the Java
//! client.

/// The partition of `key` among `count`: the murmur2 of the key without its sign, modulo.
///
/// # Panics
/// When `count` is not positive: a topic has at least one partition.
#[must_use]
pub fn partition_for_key(key: &[u8], count: i32) -> i32 {
    assert!(count > 0);
    (murmur2(key).cast_signed() & i32::MAX) % count
}

/// 32-bit MurmurHash2 with the seed of Kafka's clients.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java counts in 32 bits; keys are far shorter.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("chunks of four"));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_kafkas_own_tests_expect() {
        let cases: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
        ];
        for (key, expected) in cases {
            assert_eq!(murmur2(key).cast_signed(), expected, "{key:?}");
        }
    }

    #[test]
    fn a_partition_is_always_one_of_the_topics() {
        for count in 1..50 {
            let partition = partition_for_key(format!("key-{count}").as_bytes(), count);
            assert!((0..count).contains(&partition));
        }
    }
}
