//! The per-core reactor: tasks, timers, files, sockets, mailboxes, and the simulated world behind
//! the same surface.
//!
//! What a task may ask of the world, and nothing else. System calls, clocks, randomness and threads
//! live in this crate only; everything above runs unchanged in the simulated world. Tasks are
//! `!Send` and never leave their core.
//!
//! - **Cancellation.** An operation owns its buffers until the kernel's last completion. Dropping
//!   the future that waits for it asks the kernel to cancel and returns at once; the buffers stay
//!   with the core until the kernel lets go. Whether the operation happened is not known then.
//! - **Drain.** A [`Runtime`] that is dropped drops its tasks and waits for the kernel to give
//!   every buffer back before it frees anything.
//! - **Panics.** In a task of [`spawn`] a panic ends the task; in one of [`spawn_critical`] it
//!   stops the process.

// `unsafe` stays in the modules that are allowed it below: memory shared with the kernel or with
// another core, and (in `driver`) the system calls that the standard library does not have.
#![deny(unsafe_code)]
// The wall that keeps these out of every other crate does not stand in front of their home.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod atomics;
#[allow(unsafe_code)]
mod buffer;
#[cfg(test)]
mod cancel_tests;
mod clock;
mod context;
mod core;
mod cpu;
mod critical;
mod door;
#[allow(unsafe_code)]
mod driver;
mod executor;
mod file;
#[cfg(test)]
mod file_tests;
pub mod fs;
mod handle;
pub mod limits;
#[allow(unsafe_code)]
mod mailbox;
mod mesh;
mod metrics;
#[allow(unsafe_code)]
mod op;
mod prng;
mod remote;
mod runtime;
mod shard;
mod signal;
mod sleep_flag;
mod socket;
#[cfg(test)]
mod socket_tests;
mod spawn;
mod staging;
mod stall;
mod sync;
mod task;
#[cfg(test)]
mod test_directory;
mod thread;
mod timer;

pub use buffer::{AppendBuf, BlockBuf, Slice, buffer_bytes_total};
pub use cpu::usable_cores;
pub use critical::{contained, critical};
pub use door::Door;
pub use driver::sim::{ProcessId, SimOptions, SimShard, SimWorld, disk, image};
pub use driver::uring::StartError;
pub use file::{File, OpenOptions, ReadBuffer, WriteMode, staging_buf};
pub use mesh::{Full, Mesh};
pub use metrics::{Counter, RuntimeMetrics};
pub use prng::Prng;
pub use remote::RemoteHandle;
pub use runtime::{Runtime, RuntimeOptions};
pub use shard::{ShardContext, ShardHandle, ShardOptions, launch};
pub use signal::{ShutdownSignal, block_shutdown_signals, shutdown_signal};
pub use socket::{KeepAlive, Listener, Stream, StreamHandoff, resolve};
pub use spawn::{
    metrics, now, now_exactly, random_bytes, random_stream, random_u64, remote, spawn,
    spawn_critical, spawn_maintenance, task_count, wall_clock_ms,
};
pub use sync::{
    Either, Notified, Notify, OneshotReceiver, OneshotSender, Queue, QueueFull, SenderGone,
    oneshot, queue, race, yield_now,
};
pub use task::{JoinError, JoinHandle};
pub use thread::spawn_thread;
pub use timer::{Elapsed, Sleep, sleep, sleep_until, timeout};
