//! Connections in the simulated world: a peer that sends bytes as it likes, and a handler that
//! does what each frame says.

// A test fails by panic, its peers too.
#![allow(clippy::unwrap_used)]

mod frames;
mod pipeline;
mod stage;
mod sweep;
