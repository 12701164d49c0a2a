//! A whole broker in the simulated world, driven by the client: simulated time and disks, no
//! ports, the same seed the same run.

// A test fails by panic, its clients too.
#![allow(clippy::unwrap_used)]

mod behaviour;
mod clients;
mod crashes;
mod folders;
mod kinds;
mod metadata;
mod metadata_folder;
mod metrics;
mod oracle;
mod produce;
mod stage;
mod written;
