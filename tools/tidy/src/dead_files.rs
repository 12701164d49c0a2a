//! Every Rust file is compiled: a file that no `mod` names is dead.

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::split;
use crate::workspace::Package;
use crate::{Finding, Source};

/// Findings over the sources of our crates.
pub fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let by_path: BTreeMap<&str, &Source> = sources
        .iter()
        .map(|source| (source.path.as_str(), source))
        .collect();
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<(String, bool)> = packages
        .iter()
        .filter(|package| package.ours)
        .flat_map(|package| package.roots.iter().map(|root| (root.path.clone(), true)))
        .collect();
    while let Some((path, is_root)) = waiting.pop() {
        let Some(source) = by_path.get(path.as_str()) else {
            continue;
        };
        if !reached.insert(path.clone()) {
            continue;
        }
        for candidate in children(source, is_root) {
            waiting.push((candidate, false));
        }
    }
    let in_crates = |path: &str| {
        let ours = packages.iter().filter(|package| package.ours);
        ours.into_iter()
            .any(|package| path.starts_with(&format!("{}/", package.folder)))
    };
    sources
        .iter()
        .filter(|source| in_crates(&source.path) && !reached.contains(&source.path))
        .map(|source| format!("{}: no mod line reaches it", source.path))
        .collect()
}

/// Where the modules that `source` declares may stand.
fn children(source: &Source, is_root: bool) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let own_folder = if is_root || stem == "mod" {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let code = split(&source.text).code;
    let mut paths = Vec::new();
    for (line, raw) in code.lines().zip(source.text.lines()) {
        if let Some(path) = raw
            .trim()
            .strip_prefix("#[path = \"")
            .and_then(|p| p.strip_suffix("\"]"))
        {
            paths.push(format!("{folder}/{path}"));
        }
        let Some(declared) = line.trim().strip_suffix(';') else {
            continue;
        };
        let mut words = declared
            .split_whitespace()
            .skip_while(|word| *word != "mod")
            .skip(1);
        if let (Some(name), None) = (words.next(), words.next()) {
            paths.push(format!("{own_folder}/{name}.rs"));
            paths.push(format!("{own_folder}/{name}/mod.rs"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Root;

    #[test]
    fn a_file_that_no_mod_line_names_is_found() {
        let package = Package {
            name: "x".to_owned(),
            folder: "x".to_owned(),
            ours: true,
            licence: String::new(),
            dependencies: Vec::new(),
            roots: vec![Root {
                kind: "lib".to_owned(),
                path: "x/src/lib.rs".to_owned(),
            }],
        };
        let sources = [
            Source::new(
                "x/src/lib.rs",
                "pub mod a;\nmod b;\n// mod dead;\n#[cfg(test)] mod t;",
            ),
            Source::new("x/src/a.rs", "pub(crate) mod deep;"),
            Source::new("x/src/a/deep.rs", ""),
            Source::new("x/src/b/mod.rs", "mod c;"),
            Source::new("x/src/b/c.rs", ""),
            Source::new("x/src/t.rs", ""),
            Source::new("x/src/dead.rs", ""),
            Source::new("elsewhere/y.rs", ""),
        ];
        assert_eq!(
            check(&[package], &sources),
            ["x/src/dead.rs: no mod line reaches it"]
        );
    }
}
