//! A coordinator on its runtime, asked as clients ask.

#![allow(clippy::unwrap_used)] // the lint spares tests, not their helpers

mod asking;
mod classic_states;
mod expiry;
mod joining;
mod loading;
mod offsets;
mod properties;
mod static_members;
mod support;
mod syncing;
mod transactions;
