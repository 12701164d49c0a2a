//! The driver with the smallest machine: named numbers, set and added up.

#![allow(clippy::unwrap_used)] // the lint spares tests, not their helpers

mod machine;
mod runtime;
