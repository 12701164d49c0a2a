//! The watchman of the house: layers, dependencies, unsafe sites, file lengths.
//!
//! Owns the rules that neither the compiler nor clippy keeps. Each rule is one module: a pure
//! function from sources or manifests to findings, with tests that make it fail. `tests/house.rs`
//! runs them on this repository, so `cargo test` fails where the house is not kept. Never part of
//! the product.

#![forbid(unsafe_code)]

pub mod crate_roots;
pub mod dead_files;
pub mod dependencies;
pub mod layers;
pub mod lengths;
pub mod lexer;
pub mod licences;
pub mod repository;
pub mod system_calls;
pub mod unsafe_sites;
pub mod words;
pub mod workspace;

/// A source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Relative to the root of the repository, with `/`.
    pub path: String,
    /// Its bytes as text.
    pub text: String,
}

impl Source {
    /// A source from its two parts.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// What is wrong, in words that say where and what to do.
pub type Finding = String;
