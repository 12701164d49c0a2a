//! Every crate from outside is under a licence that lets us ship one binary.

use crate::Finding;
use crate::workspace::Package;

/// Licences that ask for attribution at most.
pub const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Findings over all crates from outside.
pub fn check(packages: &[Package]) -> Vec<Finding> {
    let outside = packages.iter().filter(|package| !package.ours);
    let refused = outside.filter(|package| !is_allowed(&package.licence));
    refused
        .map(|package| {
            format!(
                "{}: licence '{}' is not allowed",
                package.name, package.licence
            )
        })
        .collect()
}

/// Whether an SPDX expression can be satisfied by allowed licences: one side of each OR, both
/// sides of each AND.
pub fn is_allowed(expression: &str) -> bool {
    // The form of old manifests: a slash for OR.
    let expression = expression.replace('/', " OR ");
    let mut words = Vec::new();
    for word in expression.split_whitespace() {
        let opened = word.trim_start_matches('(');
        words.extend(std::iter::repeat_n("(", word.len() - opened.len()));
        let bare = opened.trim_end_matches(')');
        words.push(bare);
        words.extend(std::iter::repeat_n(")", opened.len() - bare.len()));
    }
    let mut words = words.into_iter().peekable();
    let allowed = alternatives(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn alternatives(words: &mut Words<'_>) -> bool {
    let mut allowed = conjunction(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= conjunction(words);
    }
    allowed
}

fn conjunction(words: &mut Words<'_>) -> bool {
    let mut allowed = single(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= single(words);
    }
    allowed
}

fn single(words: &mut Words<'_>) -> bool {
    let Some(word) = words.next() else {
        return false;
    };
    if word == "(" {
        let allowed = alternatives(words);
        return words.next() == Some(")") && allowed;
    }
    let mut licence = word.to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    ALLOWED.contains(&licence.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_satisfied_by_one_side_of_or_and_both_of_and() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-2.0 OR (MIT AND BSD-3-Clause)",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MPL-2.0",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn only_crates_from_outside_are_judged() {
        let package = |ours| Package {
            name: "x".to_owned(),
            folder: String::new(),
            ours,
            licence: "AGPL-3.0".to_owned(),
            dependencies: Vec::new(),
            roots: Vec::new(),
        };
        assert_eq!(check(&[package(true), package(false)]).len(), 1);
    }
}
