//! Everything a simulated world remembers, apart from its cores.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::PathBuf;

use super::disk::Disk;
use super::event::{Action, Event, Waiting};
use super::handle::{Closed, ResourceId, SimHandle};
use super::image::{Image, Inode};
use super::network::{Connection, End, Listening};
use super::world::{ProcessId, SimOptions};
use crate::op::{Operation, OperationId};
use crate::prng::Prng;

/// Which core of which life of which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(super) process: ProcessId,
    /// Counts the starts of the process: what a killed one asked for reaches nobody.
    pub(super) life: u32,
    /// The core's identity in this OS process.
    pub(super) core_id: u64,
}

pub(super) struct Process {
    pub(super) name: String,
    pub(super) disk: Disk,
    pub(super) life: u32,
    /// The first life after the last power cut: what earlier ones asked the disk for is gone.
    pub(super) power_cut_life: u32,
    pub(super) port_next: u16,
    /// Why it stopped by itself: panics of critical tasks.
    pub(super) exits: Vec<String>,
}

/// What a handle stands for.
#[derive(Debug)]
pub(super) enum Resource {
    File {
        inode: Inode,
        is_readable: bool,
        is_writable: bool,
    },
    Directory(PathBuf),
    /// A socket; `None` before it is connected.
    Socket(Option<End>),
    Listener(Listening),
}

pub(super) struct World {
    pub(super) options: SimOptions,
    /// Nanoseconds since the world's start.
    pub(super) now: u64,
    pub(super) prng: Prng,
    pub(super) events: BinaryHeap<Event>,
    sequence: u64,
    pub(super) processes: Vec<Process>,
    pub(super) resources: BTreeMap<ResourceId, (Owner, Resource)>,
    resource_next: ResourceId,
    pub(super) closed: Closed,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) connection_next: u64,
    /// Directions in which nothing arrives now, and what would have.
    pub(super) clogged: BTreeSet<(ProcessId, ProcessId)>,
    pub(super) held: Vec<((ProcessId, ProcessId), Action)>,
    /// Operations that completed and whose cores have not been told yet.
    pub(super) completed: Vec<(Waiting, i64)>,
    /// Grows with everything that happens; equal for equal runs.
    pub(super) trace_hash: u64,
}

impl World {
    pub(super) fn new(seed: u64, options: SimOptions) -> Self {
        Self {
            options,
            now: 0,
            prng: Prng::new(seed),
            events: BinaryHeap::new(),
            sequence: 0,
            processes: Vec::new(),
            resources: BTreeMap::new(),
            resource_next: 1,
            closed: Closed::default(),
            connections: BTreeMap::new(),
            connection_next: 1,
            clogged: BTreeSet::new(),
            held: Vec::new(),
            completed: Vec::new(),
            trace_hash: seed,
        }
    }

    pub(super) fn add_process(&mut self, name: &str) -> ProcessId {
        let id = ProcessId(u16::try_from(self.processes.len()).expect("a small world"));
        self.processes.push(Process {
            name: name.to_owned(),
            disk: Disk::new(Image::default(), self.options.flush_scope),
            life: 0,
            power_cut_life: 0,
            port_next: 40_000,
            exits: Vec::new(),
        });
        id
    }

    pub(super) fn address(process: ProcessId) -> IpAddr {
        let [high, low] = process.0.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, 1, high, low))
    }

    pub(super) fn process_at(&self, from: ProcessId, ip: IpAddr) -> Option<ProcessId> {
        if ip.is_loopback() {
            return Some(from);
        }
        (0..self.processes.len() as u16)
            .map(ProcessId)
            .find(|&process| Self::address(process) == ip)
    }

    pub(super) fn resolve(&self, owner: Owner, host: &str) -> Option<IpAddr> {
        if host == "localhost" {
            return Some(Self::address(owner.process));
        }
        let index = self.processes.iter().position(|it| it.name == host)?;
        Some(Self::address(ProcessId(index as u16)))
    }

    pub(super) fn process(&mut self, id: ProcessId) -> &mut Process {
        &mut self.processes[usize::from(id.0)]
    }

    pub(super) fn disk(&mut self, id: ProcessId) -> &mut Disk {
        &mut self.process(id).disk
    }

    pub(super) fn is_alive(&self, owner: Owner) -> bool {
        self.processes[usize::from(owner.process.0)].life == owner.life
    }

    pub(super) fn life(&self, process: ProcessId) -> u32 {
        self.processes[usize::from(process.0)].life
    }

    pub(super) fn advance_to(&mut self, time: u64) {
        self.now = self.now.max(time);
    }

    /// The disk after a power cut; what the dead process had asked for never completes.
    pub(super) fn cut_power(&mut self, id: ProcessId) {
        let scope = self.options.flush_scope;
        let mut prng = self.prng.stream(self.now);
        let process = self.process(id);
        let image = process
            .disk
            .crash_image(process.disk.events().len(), &mut prng);
        let capacity = process.disk.capacity();
        process.disk = Disk::new(image, scope);
        process.disk.set_capacity(capacity);
        process.power_cut_life = process.life;
    }

    pub(super) fn delay(&mut self, range: Range<u64>) -> u64 {
        range.start + self.prng.below((range.end - range.start).max(1))
    }

    /// Whether something happens that happens once in `one_in` times; never for zero.
    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        one_in > 0 && self.prng.below(one_in) == 0
    }

    pub(super) fn schedule(&mut self, delay: u64, action: Action) {
        self.schedule_at(self.now + delay, action);
    }

    pub(super) fn schedule_at(&mut self, time: u64, action: Action) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.events.push(Event {
            time,
            draw: self.prng.next_u64() as u32,
            sequence,
            action,
        });
    }

    /// Completes an operation a little later: its effect has happened.
    pub(super) fn finish_soon(&mut self, waiting: Waiting, result: i64) {
        let delay = self.delay(100..2_000);
        self.schedule(delay, Action::Finish { waiting, result });
    }

    pub(super) fn new_resource(&mut self, owner: Owner, resource: Resource) -> ResourceId {
        let id = self.resource_next;
        self.resource_next += 1;
        self.resources.insert(id, (owner, resource));
        id
    }

    pub(super) fn handle(&self, id: ResourceId) -> SimHandle {
        SimHandle::new(id, self.closed.clone())
    }

    pub(super) fn new_socket(&mut self, owner: Owner) -> SimHandle {
        let id = self.new_resource(owner, Resource::Socket(None));
        self.handle(id)
    }

    /// Mixes something that happened into the trace.
    pub(super) fn note(&mut self, what: u64, detail: u64) {
        let mixed = self.trace_hash ^ self.now ^ what.rotate_left(17) ^ detail.rotate_left(33);
        self.trace_hash = mixed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_add(what);
    }

    /// Begins an operation of a live core.
    pub(super) fn start(&mut self, owner: Owner, id: OperationId, operation: &mut Operation) {
        let waiting = Waiting { owner, id };
        match operation {
            Operation::Accept { .. }
            | Operation::Connect { .. }
            | Operation::Readable { .. }
            | Operation::Receive { .. }
            | Operation::Send { .. }
            | Operation::Shutdown { .. } => self.start_network(waiting, operation),
            _ => self.start_storage(waiting, operation),
        }
    }

    /// Carries out the earliest event.
    pub(super) fn apply(&mut self, action: Action, cores: &super::shared::Cores) {
        match action {
            Action::Finish { waiting, result } => self.completed.push((waiting, result)),
            Action::FinishRead { .. }
            | Action::FinishWrite { .. }
            | Action::FinishSync { .. }
            | Action::FinishSyncDirectory { .. } => self.apply_storage(action, cores),
            Action::Connect { .. } | Action::Arrive { .. } => self.apply_network(action, cores),
            Action::Wake { .. } => unreachable!("the world wakes its cores itself"),
        }
    }

    /// What goes with a process that ends. With `says_goodbye` its kernel closes its connections;
    /// without, its peers learn nothing until they send.
    pub(super) fn end_life(&mut self, id: ProcessId, says_goodbye: bool) {
        self.process(id).life += 1;
        let gone: Vec<_> = self
            .resources
            .iter()
            .filter(|(_, (owner, _))| owner.process == id)
            .map(|(resource, _)| *resource)
            .collect();
        for resource in gone {
            self.close(resource, says_goodbye);
        }
    }

    /// The last user of a resource is gone.
    pub(super) fn close(&mut self, id: ResourceId, says_goodbye: bool) {
        let Some((_, resource)) = self.resources.remove(&id) else {
            return; // closed with its process
        };
        match resource {
            Resource::Socket(Some(end)) => self.close_end(end, says_goodbye),
            Resource::Listener(listening) => self.close_listener(listening, says_goodbye),
            Resource::Socket(None) | Resource::File { .. } | Resource::Directory(_) => {}
        }
    }
}

/// The result of an operation that failed.
pub(super) fn failure(error: &std::io::Error) -> i64 {
    use std::io::ErrorKind;
    let errno = match (error.raw_os_error(), error.kind()) {
        (Some(errno), _) => errno,
        (None, ErrorKind::NotFound) => libc::ENOENT,
        (None, ErrorKind::AlreadyExists) => libc::EEXIST,
        (None, ErrorKind::IsADirectory) => libc::EISDIR,
        (None, ErrorKind::NotADirectory) => libc::ENOTDIR,
        (None, ErrorKind::DirectoryNotEmpty) => libc::ENOTEMPTY,
        (None, _) => libc::EIO,
    };
    -i64::from(errno)
}
