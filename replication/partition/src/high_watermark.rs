//! Up to where a partition's records are kept by all who must keep them.

/// The high watermark after the positions of the in-sync replicas changed: the lowest of them,
/// and never below where it was (it does not move back within an epoch).
///
/// A replica's position is what its log's durability mode calls done: the durable end in `flush`
/// mode, the written end in `written` mode. One node is the only in-sync replica.
#[must_use]
pub fn advance(high_watermark: i64, positions: impl IntoIterator<Item = i64>) -> i64 {
    positions
        .into_iter()
        .min()
        .map_or(high_watermark, |lowest| lowest.max(high_watermark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn follows_the_slowest_and_never_moves_back(
            start in 0i64..100,
            rounds in proptest::collection::vec(proptest::collection::vec(0i64..200, 0..4), 0..20),
        ) {
            let mut mark = start;
            for positions in rounds {
                let next = advance(mark, positions.iter().copied());
                prop_assert!(next >= mark);
                prop_assert!(next == mark || positions.iter().all(|&position| position >= next));
                mark = next;
            }
        }
    }
}
