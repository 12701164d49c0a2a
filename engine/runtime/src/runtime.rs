//! A core to run futures on.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::context;
use crate::core::Core;
use crate::driver::Driver;
use crate::driver::uring::{StartError, UringDriver};
use crate::limits::{SPIN_MAX, STALL_THRESHOLD};
use crate::metrics::RuntimeMetrics;
use crate::prng::Prng;
use crate::remote::{Remote, RemoteHandle};
use crate::task::{JoinError, TaskKind, TaskName};

/// How a core runs.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// The longest time the core looks for work before it sleeps; zero never spins. It adapts
    /// below this and is zero while the core is idle.
    pub spin_max: Duration,
    /// A task that holds the core longer is reported.
    pub stall_threshold: Duration,
    /// Whether to register up to 1 MiB of staging memory with the ring.
    pub registers_staging: bool,
    /// The seed of [`crate::random_u64`]; `None` asks the kernel for one.
    pub seed: Option<u64>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            spin_max: SPIN_MAX,
            stall_threshold: STALL_THRESHOLD,
            registers_staging: true,
            seed: None,
        }
    }
}

/// One core: runs `!Send` tasks on the thread that made it. Dropping it drops its tasks and waits
/// until the kernel has given every buffer back.
pub struct Runtime {
    core: Rc<Core>,
}

impl Runtime {
    /// A core of the real world, on the calling thread.
    ///
    /// # Errors
    /// When the host forbids `io_uring` or its kernel is too old; the text tells the operator what
    /// to change.
    pub fn uring(options: &RuntimeOptions) -> Result<Self, StartError> {
        Self::uring_behind(Remote::with_event()?, options)
    }

    /// The same, behind a door that was made before.
    pub(crate) fn uring_behind(
        remote: Arc<Remote>,
        options: &RuntimeOptions,
    ) -> Result<Self, StartError> {
        let driver = UringDriver::new(
            Arc::clone(&remote),
            options.spin_max,
            options.registers_staging,
        )?;
        let random = Prng::new(options.seed.unwrap_or_else(clock::random_seed));
        let driver = Driver::Uring(Box::new(driver));
        let core = Core::new(remote, driver, random, options.stall_threshold);
        Ok(Self { core })
    }

    pub(crate) fn with_core(core: Rc<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Runs `future`, and whatever it spawns, until it is ready. Other tasks stay where they are
    /// for the next call.
    ///
    /// # Panics
    /// With the panic of `future`, when it has one.
    pub fn block_on<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        let _entered = context::enter(&self.core);
        let name = TaskName::Given("root");
        let mut root = self.core.executor().spawn(TaskKind::Root, name, future);
        loop {
            if let Some(result) = root.try_take() {
                return match result {
                    Ok(value) => value,
                    Err(JoinError::Cancelled | JoinError::Panicked(_)) => {
                        unreachable!("nobody else can cancel the root, and its panics pass through")
                    }
                };
            }
            match self.core.driver() {
                Driver::Uring(ring) => ring.turn(&self.core, || root.is_finished()),
                Driver::Sim(sim) => sim.step(),
            }
        }
    }

    /// The door to this core for other threads.
    #[must_use]
    pub fn remote(&self) -> RemoteHandle {
        RemoteHandle::new(Arc::clone(self.core.remote()))
    }

    /// What the core did so far; any thread may read it.
    #[must_use]
    pub fn metrics(&self) -> Arc<RuntimeMetrics> {
        Arc::clone(self.core.metrics())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _entered = context::enter(&self.core);
        self.core.executor().cancel_all();
        drop(self.core.remote().take_posts());
        self.core.forget_kept();
        if let Driver::Uring(ring) = self.core.driver() {
            ring.drain(&self.core);
        }
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runtime({})", self.core.id())
    }
}
