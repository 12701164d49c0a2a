//! What a request names more than once.

use std::collections::BTreeSet;

/// The repeated ones among the names of a request, found in one pass: a request may hold a
/// million names.
#[derive(Debug)]
pub(crate) struct Occurrences<T> {
    repeated: BTreeSet<T>,
}

impl<T: Ord + Copy> Occurrences<T> {
    pub(crate) fn of(names: impl Iterator<Item = T>) -> Self {
        let mut seen = BTreeSet::new();
        Self {
            repeated: names.filter(|name| !seen.insert(*name)).collect(),
        }
    }

    pub(crate) fn is_repeated(&self, name: &T) -> bool {
        self.repeated.contains(name)
    }
}
