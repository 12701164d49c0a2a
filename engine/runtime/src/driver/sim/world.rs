//! A simulated world and what a test does with it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use engine_base::{Instant, set_hash_seed};

use super::SimDriver;
use super::disk::{Disk, FlushScope};
use super::image::Image;
use super::shared::{Shared, drop_cores};
use super::world_state::{Owner, World};
use crate::context;
use crate::core::Core;
use crate::driver::Driver;
use crate::limits::STALL_THRESHOLD;
use crate::mesh;
use crate::remote::{Remote, RemoteHandle};
use crate::runtime::Runtime;
use crate::shard::ShardContext;
use crate::task::{TaskKind, TaskName};

/// Names a process of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub(super) u16);

/// What a world is like. The defaults are a plausible data centre that never fails by itself.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// How long a disk operation takes.
    pub disk_latency_ns: Range<u64>,
    /// How long a segment is on its way.
    pub network_latency_ns: Range<u64>,
    /// The longest time from a message to a sleeping core's look into its mailbox.
    pub wake_latency_ns_max: u64,
    /// The longest simulated time one poll of a task takes (at least 1 ns passes).
    pub poll_ns_max: u64,
    /// What one flush of the disks covers.
    pub flush_scope: FlushScope,
    /// One in so many large writes stops short at a block; zero for none.
    pub short_write_one_in: u64,
    /// One in so many receives takes only a part of what is there; zero for none.
    pub short_receive_one_in: u64,
    /// Whether a panic in a critical task stops its process (as in production) instead of the test.
    pub critical_panic_stops_process: bool,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            disk_latency_ns: 20_000..400_000,
            network_latency_ns: 10_000..500_000,
            wake_latency_ns_max: 30_000,
            poll_ns_max: 2_000,
            flush_scope: FlushScope::Device,
            short_write_one_in: 50,
            short_receive_one_in: 8,
            critical_panic_stops_process: false,
        }
    }
}

/// Everything that processes, disks and the network between them do, from one seed. Dropping it
/// ends its processes without a word.
///
/// In one run, time passes only when nothing is ready; which ready task runs next, what takes how
/// long and how ties are decided is drawn from the seed.
pub struct SimWorld {
    shared: Rc<Shared>,
}

/// One shard of a simulated process.
#[derive(Debug)]
pub struct SimShard<T> {
    handle: RefCell<crate::JoinHandle<T>>,
    remote: RemoteHandle,
}

impl<T> SimShard<T> {
    /// What its main future returned, once.
    #[must_use]
    pub fn result(&self) -> Option<T> {
        self.handle.borrow_mut().try_take()?.ok()
    }

    /// Whether its main future has ended, or its process has.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.borrow().is_finished()
    }

    /// The door to it.
    #[must_use]
    pub fn remote(&self) -> RemoteHandle {
        self.remote.clone()
    }
}

impl SimWorld {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64, options: SimOptions) -> Self {
        // One seed for all worlds of this (real) process: several may run on several threads.
        set_hash_seed(HASH_SEED);
        Self {
            shared: Rc::new(Shared {
                seed,
                state: RefCell::new(World::new(seed, options)),
                cores: RefCell::default(),
                owned: RefCell::default(),
                core_next: Cell::new(1),
            }),
        }
    }

    /// A machine with an empty disk, an address and a host name; nothing runs on it yet.
    pub fn add_process(&self, name: &str) -> ProcessId {
        self.shared.state.borrow_mut().add_process(name)
    }

    /// The machine's address.
    #[must_use]
    pub fn address(&self, process: ProcessId) -> IpAddr {
        World::address(process)
    }

    /// A core of `process`, for a test that drives the world by [`Runtime::block_on`].
    #[must_use]
    pub fn runtime(&self, process: ProcessId) -> Runtime {
        Runtime::with_core(self.new_core(process, Remote::simulated()))
    }

    fn new_core(&self, process: ProcessId, remote: std::sync::Arc<Remote>) -> Rc<Core> {
        let shared = &self.shared;
        let number = shared.core_next.get();
        shared.core_next.set(number + 1);
        let world = shared.state.borrow();
        let owner = Owner {
            process,
            life: world.life(process),
            core_id: remote.core_id(),
        };
        let random = world.prng.stream(number);
        drop(world);
        let driver = Driver::Sim(Box::new(SimDriver {
            shared: Rc::clone(shared),
            owner,
        }));
        let core = Core::new(remote, driver, random, STALL_THRESHOLD);
        let mut cores = shared.cores.borrow_mut();
        cores.0.push((owner, Rc::downgrade(&core)));
        core
    }

    /// Starts `count` shards in `process`, with mailboxes between them, as [`crate::launch`] does.
    pub fn launch<M, T, F, Fut>(
        &self,
        process: ProcessId,
        count: usize,
        mailbox_capacity: usize,
        main: F,
    ) -> Vec<SimShard<T>>
    where
        M: Send + 'static,
        T: 'static,
        F: Fn(ShardContext<M>) -> Fut,
        Fut: Future<Output = T> + 'static,
    {
        let remotes: Vec<_> = (0..count).map(|_| Remote::simulated()).collect();
        let doors: Vec<_> = remotes.iter().cloned().map(RemoteHandle::new).collect();
        let ends = mesh::build::<M>(&remotes, mailbox_capacity);
        let mut shards = Vec::with_capacity(count);
        for (remote, ends) in remotes.into_iter().zip(ends) {
            let door = RemoteHandle::new(std::sync::Arc::clone(&remote));
            let core = self.new_core(process, remote);
            let _entered = context::enter(&core);
            let context = ShardContext {
                mesh: ends.plant(&core),
                core: None,
                remotes: doors.clone(),
            };
            let name = TaskName::Given("shard main");
            let handle = core
                .executor()
                .spawn(TaskKind::Critical, name, main(context));
            let owner = self.shared.owner_of(&core);
            self.shared.owned.borrow_mut().push((owner, core));
            shards.push(SimShard {
                handle: RefCell::new(handle),
                remote: door,
            });
        }
        shards
    }

    /// Simulated time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(self.shared.state.borrow().now)
    }

    /// Lets `duration` of simulated time pass.
    pub fn run_for(&self, duration: Duration) {
        let end = self.now() + duration;
        while self.shared.step(Some(end.0)) {}
        self.shared.state.borrow_mut().advance_to(end.0);
    }

    /// Lets things happen until `condition` holds; `false` when `limit` of simulated time passes,
    /// or everything comes to rest, before it does.
    pub fn run_until(&self, limit: Duration, condition: impl Fn() -> bool) -> bool {
        let end = self.now() + limit;
        loop {
            if condition() {
                return true;
            }
            if !self.shared.step(Some(end.0)) {
                return false;
            }
        }
    }

    /// Ends a process as SIGKILL does: its kernel finishes writes and closes connections.
    pub fn kill(&self, process: ProcessId) {
        self.shared.end_process(process, true);
    }

    /// Cuts a machine's power: its process ends without a word, and its disk keeps what was
    /// durable and whatever the seed decides of the rest.
    pub fn power_cut(&self, process: ProcessId) {
        self.shared.end_process(process, false);
        let mut world = self.shared.state.borrow_mut();
        world.cut_power(process);
    }

    /// Looks at, or changes, a machine's disk: faults, marks, capacity, content.
    pub fn with_disk<T>(&self, process: ProcessId, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(self.shared.state.borrow_mut().disk(process))
    }

    /// Gives a machine another disk; its process must not run.
    pub fn set_disk(&self, process: ProcessId, image: Image) {
        let mut world = self.shared.state.borrow_mut();
        let scope = world.options.flush_scope;
        *world.disk(process) = Disk::new(image, scope);
    }

    /// Why a process stopped by itself: the panics of its critical tasks so far (with
    /// [`SimOptions::critical_panic_stops_process`]).
    #[must_use]
    pub fn exits(&self, process: ProcessId) -> Vec<String> {
        let mut world = self.shared.state.borrow_mut();
        world.process(process).exits.clone()
    }

    /// From now on nothing gets from `source` to `target`; it is kept for [`SimWorld::unclog`].
    pub fn clog(&self, source: ProcessId, target: ProcessId) {
        let mut world = self.shared.state.borrow_mut();
        world.clogged.insert((source, target));
    }

    /// Ends [`SimWorld::clog`]: what was kept arrives now.
    pub fn unclog(&self, source: ProcessId, target: ProcessId) {
        let mut world = self.shared.state.borrow_mut();
        world.clogged.remove(&(source, target));
        world.release_held((source, target));
    }

    /// Resets every connection between two processes.
    pub fn reset_connections(&self, a: ProcessId, b: ProcessId) {
        self.shared.state.borrow_mut().reset_between(a, b);
    }

    /// A digest of everything that happened: equal for equal seeds and programs.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.shared.state.borrow().trace_hash
    }
}

/// The seed of hash maps in simulated worlds.
const HASH_SEED: u64 = 0x6f74_746c_6121;

impl fmt::Debug for SimWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimWorld(seed {})", self.shared.seed)
    }
}

impl Drop for SimWorld {
    fn drop(&mut self) {
        let owned = std::mem::take(&mut *self.shared.owned.borrow_mut());
        for (owner, _) in &owned {
            self.shared
                .state
                .borrow_mut()
                .end_life(owner.process, false);
        }
        drop_cores(owned);
    }
}
