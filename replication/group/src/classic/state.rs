//! The five states of a classic group.

/// Where a classic group is.
///
/// ```text
///   Empty ──► PreparingRebalance ──► CompletingRebalance ──► Stable
///     ▲        │  ▲            ▲──────────────┘                │
///     └────────┘  └────────────────────────────────────────────┘     any ──► Dead
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClassicState {
    /// No members. May hold offsets.
    Empty,
    /// Members are joining; their requests are parked.
    PreparingRebalance,
    /// The generation is known; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everybody can have the assignment.
    Stable,
    /// The partition is led elsewhere.
    Dead,
}

impl ClassicState {
    /// Kafka's name, as tools show it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// Whether a group may go from `self` to `target`.
    pub(crate) const fn may_become(self, target: Self) -> bool {
        match target {
            Self::Empty | Self::CompletingRebalance => matches!(self, Self::PreparingRebalance),
            Self::PreparingRebalance => {
                matches!(self, Self::Stable | Self::CompletingRebalance | Self::Empty)
            }
            Self::Stable => matches!(self, Self::CompletingRebalance),
            Self::Dead => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClassicState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};

    #[test]
    fn legal_previous_states_are_kafkas() {
        let states = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];
        let legal = |target| -> Vec<_> {
            states
                .into_iter()
                .filter(|source| source.may_become(target))
                .collect()
        };
        assert_eq!(legal(Empty), [PreparingRebalance]);
        assert_eq!(
            legal(PreparingRebalance),
            [Empty, CompletingRebalance, Stable]
        );
        assert_eq!(legal(CompletingRebalance), [PreparingRebalance]);
        assert_eq!(legal(Stable), [CompletingRebalance]);
        assert_eq!(legal(Dead), states);
    }
}
