//! What stands at the top of each crate: what it is, and that it has no unsafe code.

use crate::workspace::Package;
use crate::{Finding, Source};

/// The one crate that may have unsafe code, in the modules that allow it by name.
const UNSAFE_CRATE: &str = "engine-runtime";

/// Findings over the roots of our libraries and programs.
pub fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.ours) {
        let shipped = package
            .roots
            .iter()
            .filter(|root| matches!(root.kind.as_str(), "lib" | "bin" | "proc-macro"));
        for root in shipped {
            let Some(source) = sources.iter().find(|source| source.path == root.path) else {
                findings.push(format!("{}: no such file", root.path));
                continue;
            };
            if !source.text.starts_with("//! ") {
                findings.push(format!("{}: does not say what the crate is", root.path));
            }
            let line = match package.name.as_str() {
                UNSAFE_CRATE => "#![deny(unsafe_code)]",
                _ => "#![forbid(unsafe_code)]",
            };
            if !source.text.contains(line) {
                findings.push(format!("{}: lacks {line}", root.path));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Root;

    fn findings(name: &str, text: &str) -> usize {
        let package = Package {
            name: name.to_owned(),
            folder: "x".to_owned(),
            ours: true,
            licence: String::new(),
            dependencies: Vec::new(),
            roots: vec![Root {
                kind: "lib".to_owned(),
                path: "x/src/lib.rs".to_owned(),
            }],
        };
        check(&[package], &[Source::new("x/src/lib.rs", text)]).len()
    }

    #[test]
    fn a_root_says_what_it_is_and_forbids_unsafe_code() {
        assert_eq!(
            findings("net-wire", "//! Words.\n#![forbid(unsafe_code)]\n"),
            0
        );
        assert_eq!(findings("net-wire", "//! Words.\n"), 1);
        assert_eq!(findings("net-wire", "#![forbid(unsafe_code)]\n"), 1);
        assert_eq!(
            findings("engine-runtime", "//! Words.\n#![deny(unsafe_code)]\n"),
            0
        );
        assert_eq!(findings("engine-runtime", "//! Words.\n"), 1);
    }
}
