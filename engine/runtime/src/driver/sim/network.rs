//! The simulated network: ordered, delayed, sometimes clogged; never wrong.
//!
//! A connection is two ends. What one end sends becomes segments on the wire to the other; each
//! arrives by an event of its own, in order. At most [`WINDOW_BYTES`] are sent and not yet received
//! in one direction: then a send waits, as with a full socket buffer.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::event::{Action, Waiting};
use super::handle::SimHandle;
use super::shared::Cores;
use super::world::ProcessId;
use super::world_state::{Owner, Resource, World};
use crate::driver::address::RawAddress;
use crate::handle::Handle;
use crate::op::Operation;

/// Bytes on the way, or arrived and not yet received, in one direction.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) connection: u64,
    /// 0 for the client's, 1 for the server's.
    side: usize,
}

impl End {
    pub(super) fn other(self) -> Self {
        Self {
            side: 1 - self.side,
            ..self
        }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    sides: [Side; 2],
}

/// What one end has and knows.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) process: ProcessId,
    pub(super) local: SocketAddr,
    pub(super) inbox: VecDeque<u8>,
    /// On the way to this end.
    pub(super) wire: VecDeque<Segment>,
    /// Bytes of `wire` and `inbox`.
    pub(super) unread_bytes: usize,
    /// No segment arrives before this.
    pub(super) arrival_min: u64,
    pub(super) is_ended: bool,
    pub(super) is_reset: bool,
    /// Nothing more can be sent from here.
    pub(super) is_shut: bool,
    /// Nobody uses this end any more.
    pub(super) is_closed: bool,
    pub(super) receiver: Option<(Waiting, Receiving)>,
    pub(super) sender: Option<(Waiting, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    Readable,
    Receive,
}

#[derive(Debug)]
pub(super) enum Segment {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// A listening socket's side of things.
#[derive(Debug)]
pub(super) struct Listening {
    local: SocketAddr,
    backlog: VecDeque<End>,
    acceptor: Option<Waiting>,
}

impl Side {
    fn new(process: ProcessId, local: SocketAddr) -> Self {
        Self {
            process,
            local,
            inbox: VecDeque::new(),
            wire: VecDeque::new(),
            unread_bytes: 0,
            arrival_min: 0,
            is_ended: false,
            is_reset: false,
            is_shut: false,
            is_closed: false,
            receiver: None,
            sender: None,
        }
    }
}

pub(super) fn errno(errno: i32) -> i64 {
    -i64::from(errno)
}

impl World {
    pub(super) fn listen(
        &mut self,
        owner: Owner,
        local: SocketAddr,
    ) -> io::Result<(SimHandle, SocketAddr)> {
        let mut local = SocketAddr::new(Self::address(owner.process), local.port());
        if local.port() == 0 {
            local.set_port(self.next_port(owner.process));
        }
        if self.listener_at(local).is_some() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let listening = Listening {
            local,
            backlog: VecDeque::new(),
            acceptor: None,
        };
        let id = self.new_resource(owner, Resource::Listener(listening));
        Ok((self.handle(id), local))
    }

    fn next_port(&mut self, process: ProcessId) -> u16 {
        let process = self.process(process);
        let port = process.port_next;
        process.port_next = port.checked_add(1).unwrap_or(40_000);
        port
    }

    fn listener_at(&mut self, address: SocketAddr) -> Option<&mut Listening> {
        self.resources
            .values_mut()
            .find_map(|(_, resource)| match resource {
                Resource::Listener(listening) if listening.local == address => Some(listening),
                _ => None,
            })
    }

    pub(super) fn side(&mut self, end: End) -> Option<&mut Side> {
        let connection = self.connections.get_mut(&end.connection)?;
        Some(&mut connection.sides[end.side])
    }

    fn end_of(&self, socket: &Handle) -> Option<End> {
        match self.resources.get(&socket.sim().id()) {
            Some((_, Resource::Socket(end))) => *end,
            _ => None,
        }
    }

    pub(super) fn local_addr(&self, socket: u64) -> io::Result<SocketAddr> {
        match self.resources.get(&socket) {
            Some((_, Resource::Socket(Some(end)))) => self
                .connections
                .get(&end.connection)
                .map(|connection| connection.sides[end.side].local)
                .ok_or_else(|| io::ErrorKind::NotConnected.into()),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn start_network(&mut self, waiting: Waiting, operation: &mut Operation) {
        match operation {
            Operation::Connect { socket, address } => {
                let target = address.to_socket_addr();
                let target = target.expect("made from an address by `Stream::connect`");
                let socket = socket.sim().id();
                let delay = self.delay(self.options.network_latency_ns.clone());
                self.schedule(
                    delay,
                    Action::Connect {
                        waiting,
                        socket,
                        target,
                    },
                );
            }
            Operation::Accept { socket, address } => {
                let id = socket.sim().id();
                self.start_accept(waiting, id, address);
            }
            Operation::Readable { socket } => match self.end_of(socket) {
                Some(end) => self.start_readable(waiting, end),
                None => self.finish_soon(waiting, errno(libc::ENOTCONN)),
            },
            Operation::Receive {
                socket,
                buffer,
                size_bytes,
            } => match self.end_of(socket) {
                Some(end) => self.start_receive(waiting, end, buffer, *size_bytes),
                None => self.finish_soon(waiting, errno(libc::ENOTCONN)),
            },
            Operation::Send {
                socket, vectors, ..
            } => match self.end_of(socket) {
                Some(end) => self.start_send(waiting, end, vectors.bytes()),
                None => self.finish_soon(waiting, errno(libc::ENOTCONN)),
            },
            Operation::Shutdown { socket, how } => match self.end_of(socket) {
                Some(end) => self.start_shutdown(waiting, end, *how),
                None => self.finish_soon(waiting, errno(libc::ENOTCONN)),
            },
            _ => unreachable!("dispatched by kind"),
        }
    }

    fn start_accept(&mut self, waiting: Waiting, id: u64, address: &mut RawAddress) {
        let Some((_, Resource::Listener(listening))) = self.resources.get_mut(&id) else {
            return self.finish_soon(waiting, errno(libc::EINVAL));
        };
        match listening.backlog.pop_front() {
            Some(end) => {
                let result = self.accept(waiting.owner, end, address);
                self.finish_soon(waiting, result);
            }
            None => listening.acceptor = Some(waiting),
        }
    }

    fn accept(&mut self, owner: Owner, end: End, address: &mut RawAddress) -> i64 {
        let peer = self.side(end.other()).map(|side| side.local);
        let Some(peer) = peer else {
            return errno(libc::ECONNABORTED);
        };
        *address = RawAddress::new(peer);
        self.new_resource(owner, Resource::Socket(Some(end))) as i64
    }

    pub(super) fn apply_network(&mut self, action: Action, cores: &Cores) {
        let route = match &action {
            Action::Connect {
                waiting, target, ..
            } => self
                .process_at(waiting.owner.process, target.ip())
                .map(|to| (waiting.owner.process, to)),
            Action::Arrive { to } => {
                let from = self.side(to.other()).map(|side| side.process);
                let to = self.side(*to).map(|side| side.process);
                from.zip(to)
            }
            _ => unreachable!("dispatched by kind"),
        };
        if let Some(route) = route.filter(|route| self.clogged.contains(route)) {
            self.held.push((route, action));
            return;
        }
        match action {
            Action::Connect {
                waiting,
                socket,
                target,
            } => self.connect(waiting, socket, target, cores),
            Action::Arrive { to } => self.arrive(to, cores),
            _ => unreachable!("dispatched by kind"),
        }
    }

    /// Lets held events happen, in their order, from now on.
    pub(super) fn release_held(&mut self, route: (ProcessId, ProcessId)) {
        let held = std::mem::take(&mut self.held);
        for (held_route, action) in held {
            if held_route == route {
                let delay = self.delay(self.options.network_latency_ns.clone());
                self.schedule(delay, action);
            } else {
                self.held.push((held_route, action));
            }
        }
    }

    fn connect(&mut self, waiting: Waiting, socket: u64, target: SocketAddr, cores: &Cores) {
        // Cancelled meanwhile, or its process is gone: nobody connects.
        let wants = cores.with_operation(waiting, |_| ()).is_some();
        if !wants || !self.is_alive(waiting.owner) || !self.resources.contains_key(&socket) {
            return;
        }
        let process = self.process_at(waiting.owner.process, target.ip());
        let address = process.map(|process| SocketAddr::new(Self::address(process), target.port()));
        let is_heard = address.is_some_and(|address| self.listener_at(address).is_some());
        let (Some(process), Some(address), true) = (process, address, is_heard) else {
            return self.finish_soon(waiting, errno(libc::ECONNREFUSED));
        };
        let connection = self.connection_next;
        self.connection_next += 1;
        let port = self.next_port(waiting.owner.process);
        let local = SocketAddr::new(Self::address(waiting.owner.process), port);
        self.connections.insert(
            connection,
            Connection {
                sides: [
                    Side::new(waiting.owner.process, local),
                    Side::new(process, address),
                ],
            },
        );
        let client = End {
            connection,
            side: 0,
        };
        if let Some((_, Resource::Socket(end))) = self.resources.get_mut(&socket) {
            *end = Some(client);
        }
        let delay = self.delay(self.options.network_latency_ns.clone());
        self.schedule(delay, Action::Finish { waiting, result: 0 });
        self.offer(address, client.other(), cores);
    }

    /// A new connection for a listener.
    fn offer(&mut self, address: SocketAddr, end: End, cores: &Cores) {
        let Some(listening) = self.listener_at(address) else {
            return;
        };
        let Some(waiting) = listening.acceptor.take() else {
            listening.backlog.push_back(end);
            return;
        };
        let result = cores.with_operation(waiting, |operation| match operation {
            Operation::Accept { address, .. } => self.accept(waiting.owner, end, address),
            _ => unreachable!("dispatched by kind"),
        });
        match result {
            Some(result) => self.finish_soon(waiting, result),
            None => self.close_end(end, true),
        }
    }

    /// Resets both ends of every connection between two processes, at once.
    pub(super) fn reset_between(&mut self, a: ProcessId, b: ProcessId) {
        let is_between = |connection: &Connection| {
            let [one, two] = &connection.sides;
            (one.process, two.process) == (a, b) || (one.process, two.process) == (b, a)
        };
        let found: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| is_between(connection))
            .map(|(id, _)| *id)
            .collect();
        for connection in found {
            for side in 0..2 {
                self.reset_end(End { connection, side });
            }
        }
    }

    pub(super) fn close_end(&mut self, end: End, says_goodbye: bool) {
        let Some(side) = self.side(end) else { return };
        if side.is_closed {
            return;
        }
        side.is_closed = true;
        side.receiver = None;
        side.sender = None;
        // As a kernel does: a close with bytes unread is a reset.
        let loses_bytes = !side.inbox.is_empty();
        side.unread_bytes -= side.inbox.len();
        side.inbox.clear();
        let was_shut = std::mem::replace(&mut side.is_shut, true);
        let was_reset = side.is_reset;
        if says_goodbye && !was_reset {
            if loses_bytes {
                self.put_on_wire(end.other(), Segment::Reset);
            } else if !was_shut {
                self.put_on_wire(end.other(), Segment::End);
            }
        }
        self.forget_when_over(end.connection);
    }

    pub(super) fn forget_when_over(&mut self, id: u64) {
        let is_over = |side: &Side| side.is_closed && side.wire.is_empty();
        if let Some(connection) = self.connections.get(&id)
            && connection.sides.iter().all(is_over)
        {
            self.connections.remove(&id);
        }
    }

    pub(super) fn close_listener(&mut self, listening: Listening, says_goodbye: bool) {
        for end in listening.backlog {
            self.close_end(end, says_goodbye);
        }
    }

    /// Takes back what an operation waits for in the network. Operations of the disk go on.
    pub(super) fn cancel(&mut self, owner: Owner, id: crate::op::OperationId) {
        let waiting = Waiting { owner, id };
        let mut is_found = false;
        for connection in self.connections.values_mut() {
            for side in &mut connection.sides {
                is_found |= side.receiver.take_if(|it| it.0 == waiting).is_some();
                is_found |= side.sender.take_if(|it| it.0 == waiting).is_some();
            }
        }
        for (_, resource) in self.resources.values_mut() {
            if let Resource::Listener(listening) = resource {
                is_found |= listening.acceptor.take_if(|it| *it == waiting).is_some();
            }
        }
        let is_connecting = |action: &Action| matches!(action, Action::Connect { waiting: it, .. } if *it == waiting);
        is_found |= self.events.iter().any(|event| is_connecting(&event.action));
        is_found |= self.held.iter().any(|(_, action)| is_connecting(action));
        if is_found && self.is_alive(owner) {
            self.finish_soon(waiting, errno(libc::ECANCELED));
        }
    }
}
