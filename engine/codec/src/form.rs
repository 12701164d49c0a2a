//! Which version of a message is spoken, and in which of the two encodings.

use std::ops::RangeInclusive;

/// An inclusive range of versions; empty when `lowest > highest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The first version.
    pub lowest: i16,
    /// The last version.
    pub highest: i16,
}

impl VersionRange {
    /// No version at all.
    pub const NONE: Self = Self::new(0, -1);

    /// From `lowest` to `highest`, both included.
    #[must_use]
    pub const fn new(lowest: i16, highest: i16) -> Self {
        Self { lowest, highest }
    }

    /// Whether `version` is in the range.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.lowest <= version && version <= self.highest
    }

    /// Every version of the range, in order.
    #[must_use]
    pub fn iter(self) -> RangeInclusive<i16> {
        self.lowest..=self.highest
    }
}

/// The form a message takes on the wire or on disk. A nested struct takes that of its message:
/// the schema makes messages flexible, not structs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The message's version.
    pub version: i16,
    /// Whether lengths are compact varints and structs end in tagged fields (KIP-482).
    pub flexible: bool,
}
