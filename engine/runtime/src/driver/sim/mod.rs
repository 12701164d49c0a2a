//! The simulated world: many processes of many cores each, on one thread, from one seed.
//!
//! Time, the order of tasks, the network and the disk's latency come from the seed, so a run can
//! be repeated exactly. The broker's code runs unchanged: only this driver differs. Disks are the
//! pure model in [`disk`]; crashes and faults are the test's to order ([`SimWorld`]).

mod crash;
pub mod disk;
mod event;
mod handle;
pub mod image;
mod network;
mod op;
mod shared;
mod storage;
mod stream;
#[cfg(test)]
mod tests;
mod world;
mod world_state;
#[cfg(test)]
mod world_tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use engine_base::{Instant, Timestamp};

pub(crate) use handle::SimHandle;
pub use world::{ProcessId, SimOptions, SimShard, SimWorld};

use crate::fs::{DeviceFlush, DirEntry, DiskSpace};
use crate::op::{Operation, OperationId};
use crate::remote::Remote;
use disk::FlushScope;
use event::Action;
use shared::Shared;
use world_state::Owner;

/// Wall clock of every simulated world at its start: 2026-01-01T00:00:00Z.
const WALL_CLOCK_START_MS: Timestamp = 1_767_225_600_000;

/// One simulated core's door to its world.
pub(crate) struct SimDriver {
    shared: Rc<Shared>,
    owner: Owner,
}

impl SimDriver {
    pub(crate) fn now(&self) -> Instant {
        Instant(self.shared.state.borrow().now)
    }

    pub(crate) fn wall_clock(&self) -> Timestamp {
        WALL_CLOCK_START_MS + (self.shared.state.borrow().now / 1_000_000) as Timestamp
    }

    pub(crate) fn start(&self, id: OperationId, operation: &mut Operation) {
        let mut world = self.shared.state.borrow_mut();
        // The destructors of a killed process may still ask; nothing answers them.
        if world.is_alive(self.owner) {
            world.start(self.owner, id, operation);
        }
    }

    pub(crate) fn cancel(&self, id: OperationId) {
        self.shared.state.borrow_mut().cancel(self.owner, id);
    }

    pub(crate) fn adopt(&self, result: i64) -> SimHandle {
        let id = u64::try_from(result).expect("results of operations that succeeded");
        self.shared.state.borrow().handle(id)
    }

    pub(crate) fn listen(&self, local: SocketAddr) -> io::Result<(SimHandle, SocketAddr)> {
        self.shared.state.borrow_mut().listen(self.owner, local)
    }

    pub(crate) fn new_socket(&self) -> SimHandle {
        self.shared.state.borrow_mut().new_socket(self.owner)
    }

    pub(crate) fn local_addr(&self, socket: &SimHandle) -> io::Result<SocketAddr> {
        self.shared.state.borrow().local_addr(socket.id())
    }

    pub(crate) fn resolve(&self, host: &str) -> Option<IpAddr> {
        self.shared.state.borrow().resolve(self.owner, host)
    }

    pub(crate) fn wake_peer(&self, peer: &Arc<Remote>) {
        let core_id = peer.core_id();
        let mut world = self.shared.state.borrow_mut();
        let delay_max = world.options.wake_latency_ns_max;
        let delay = world.delay(0..delay_max + 1);
        world.schedule(delay, Action::Wake { core_id });
    }

    /// One thing happens.
    pub(crate) fn step(&self) {
        self.shared.step_or_panic();
    }

    pub(crate) fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.shared.state.borrow().read_dir(self.owner, path)
    }

    pub(crate) fn sync_filesystem(&self) {
        let mut world = self.shared.state.borrow_mut();
        if world.is_alive(self.owner) {
            world.disk(self.owner.process).sync_all();
        }
    }

    pub(crate) fn disk_space(&self) -> DiskSpace {
        let mut world = self.shared.state.borrow_mut();
        let disk = world.disk(self.owner.process);
        let total_bytes = disk.capacity();
        DiskSpace {
            total_bytes,
            available_bytes: total_bytes.saturating_sub(disk.used_bytes()),
        }
    }

    pub(crate) fn device_flush(&self) -> DeviceFlush {
        let scope = self.shared.state.borrow().options.flush_scope;
        DeviceFlush {
            write_cache: Some(true),
            fua: Some(scope == FlushScope::File),
        }
    }

    /// Whether a panic of a critical task is the world's to handle.
    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }
}
