//! What a task may ask of its core.

use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use engine_base::{Instant, Timestamp};

use crate::clock;
use crate::context;
use crate::metrics::RuntimeMetrics;
use crate::prng::Prng;
use crate::remote::RemoteHandle;
use crate::task::{JoinHandle, TaskKind, TaskName};

/// Runs `future` on this core. A panic in it ends the task and is told to whoever awaits the
/// handle. Dropping the handle detaches the task.
///
/// # Panics
/// Outside a runtime, as all functions of this module that need a core.
#[track_caller]
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    spawn_as(TaskKind::Ordinary, Location::caller(), future)
}

/// Runs `future` when nothing else is ready, or by a small share of the turns under load: for
/// retention, compaction, scrubbing.
#[track_caller]
pub fn spawn_maintenance<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    spawn_as(TaskKind::Background, Location::caller(), future)
}

/// Runs `future`, which guards state that must not be half changed (a partition, a log, the
/// journal, a coordinator): a panic in it is logged under `name` and stops the process. A stopped
/// broker is repaired by recovery and its replicas; a wrong one is copied to them.
pub fn spawn_critical<T: 'static>(
    name: &'static str,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    let core = context::current();
    core.executor()
        .spawn(TaskKind::Critical, TaskName::Given(name), future)
}

fn spawn_as<T: 'static>(
    kind: TaskKind,
    caller: &'static Location<'static>,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    let core = context::current();
    core.executor()
        .spawn(kind, TaskName::SpawnedAt(caller), future)
}

/// Monotonic time: when the task's present poll began, so that asking costs nothing and what a
/// task does in one go happens at one time; the real time outside a runtime.
#[must_use]
pub fn now() -> Instant {
    context::maybe_current().map_or_else(clock::monotonic, |core| core.now())
}

/// Monotonic time, read from the clock itself: for measuring what happens within one poll.
#[must_use]
pub fn now_exactly() -> Instant {
    context::maybe_current().map_or_else(clock::monotonic, |core| core.driver().now())
}

/// Milliseconds since 1970: the core's, or the real ones outside a runtime.
#[must_use]
pub fn wall_clock_ms() -> Timestamp {
    context::maybe_current().map_or_else(clock::wall, |core| core.wall_clock())
}

/// 64 random bits from the core's generator. Not for secrets.
#[must_use]
pub fn random_u64() -> u64 {
    context::current().random().next_u64()
}

/// Random bytes from the core's generator. Not for secrets.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    context::current().random().bytes()
}

/// A generator for one concern: its draws do not depend on the draws of others.
#[must_use]
pub fn random_stream(salt: u64) -> Prng {
    context::current().random().stream(salt)
}

/// The door to this core for other threads.
#[must_use]
pub fn remote() -> RemoteHandle {
    RemoteHandle::new(Arc::clone(context::current().remote()))
}

/// What this core did so far; any thread may read it.
#[must_use]
pub fn metrics() -> Arc<RuntimeMetrics> {
    Arc::clone(context::current().metrics())
}

/// Tasks on this core that have not ended.
#[must_use]
pub fn task_count() -> usize {
    Rc::clone(&context::current()).executor().task_count()
}
