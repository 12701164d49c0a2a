//! What a request names more than once.

use std::collections::BTreeSet;

use crate::error::ApiError;

/// Answers each name of a request once, in order. One that is repeated is not handled at all, as
/// nobody can say which of its lines was meant, but `refused`. The names are counted in one pass:
/// a request may hold a million of them.
pub(crate) fn each_once<'a, K: Ord + Clone + 'a, T, R>(
    named: impl Iterator<Item = (&'a K, T)> + Clone,
    refused: impl Fn(&K) -> ApiError,
    mut handle: impl FnMut(T) -> Result<R, ApiError>,
) -> Vec<(K, Result<R, ApiError>)> {
    let mut seen = BTreeSet::new();
    let names = named.clone().map(|(name, _)| name);
    let repeated: BTreeSet<_> = names.filter(|&name| !seen.insert(name)).collect();
    let mut results = Vec::new();
    for (name, item) in named {
        // Every name is in `seen` by now: taking it out marks it as answered.
        if seen.remove(name) {
            let result = match repeated.contains(name) {
                true => Err(refused(name)),
                false => handle(item),
            };
            results.push((name.clone(), result));
        }
    }
    results
}
