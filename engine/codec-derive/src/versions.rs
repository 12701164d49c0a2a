//! Version ranges as the schema writes them, and the run-time test for one.

use proc_macro2::TokenStream;
use quote::quote;

/// An inclusive range; empty when `lowest > highest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub lowest: i16,
    pub highest: i16,
}

impl Versions {
    pub(crate) const ALL: Self = Self {
        lowest: 0,
        highest: i16::MAX,
    };
    pub(crate) const NONE: Self = Self {
        lowest: 0,
        highest: -1,
    };

    /// `"3+"`, `"3-5"`, `"3"` or `"none"`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::NONE);
        }
        let (lowest, highest) = if let Some(lowest) = text.strip_suffix('+') {
            (lowest.parse().ok()?, i16::MAX)
        } else if let Some((lowest, highest)) = text.split_once('-') {
            (lowest.parse().ok()?, highest.parse().ok()?)
        } else {
            let only = text.parse().ok()?;
            (only, only)
        };
        (0 <= lowest && lowest <= highest).then_some(Self { lowest, highest })
    }

    pub(crate) fn is_all(self) -> bool {
        self == Self::ALL
    }

    pub(crate) fn is_none(self) -> bool {
        self.lowest > self.highest
    }

    /// The versions in both.
    pub(crate) fn intersect(self, other: Self) -> Self {
        Self {
            lowest: self.lowest.max(other.lowest),
            highest: self.highest.min(other.highest),
        }
    }

    /// The versions below the start of `tail`, which has no end before ours (or is empty).
    pub(crate) fn before(self, tail: Self) -> Self {
        if tail.is_none() {
            return self;
        }
        Self {
            lowest: self.lowest,
            highest: self.highest.min(tail.lowest - 1),
        }
    }

    /// An expression: whether the version in `__form` is in the range.
    pub(crate) fn contains(self) -> TokenStream {
        let Self { lowest, highest } = self;
        match (lowest <= 0, highest == i16::MAX) {
            _ if self.is_none() => quote!(false),
            (true, true) => quote!(true),
            (false, true) => quote!((__form.version >= #lowest)),
            (true, false) => quote!((__form.version <= #highest)),
            (false, false) => quote!((__form.version >= #lowest && __form.version <= #highest)),
        }
    }

    /// An expression for the range as `engine_codec::VersionRange`.
    pub(crate) fn constant(self) -> TokenStream {
        let Self { lowest, highest } = self;
        quote!(::engine_codec::VersionRange::new(#lowest, #highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_schemas_notation() {
        let range = |lowest, highest| Some(Versions { lowest, highest });
        assert_eq!(Versions::parse("3+"), range(3, i16::MAX));
        assert_eq!(Versions::parse("3-5"), range(3, 5));
        assert_eq!(Versions::parse("3"), range(3, 3));
        assert_eq!(Versions::parse("none"), Some(Versions::NONE));
        for wrong in ["", "+", "5-3", "-1", "a", "3-"] {
            assert_eq!(Versions::parse(wrong), None, "{wrong}");
        }
    }
}
