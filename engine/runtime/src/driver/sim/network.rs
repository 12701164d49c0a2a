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
use super::world::{Cores, ProcessId};
use super::world_state::{Owner, Resource, World};
use crate::driver::address::RawAddress;
use crate::handle::Handle;
use crate::op::Operation;

/// Bytes on the way, or arrived and not yet received, in one direction.
const WINDOW_BYTES: usize = 256 * 1024;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    connection: u64,
    /// 0 for the client's, 1 for the server's.
    side: usize,
}

impl End {
    fn other(self) -> Self {
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
struct Side {
    process: ProcessId,
    local: SocketAddr,
    inbox: VecDeque<u8>,
    /// On the way to this end.
    wire: VecDeque<Segment>,
    /// Bytes of `wire` and `inbox`.
    unread_bytes: usize,
    /// No segment arrives before this.
    arrival_min: u64,
    is_ended: bool,
    is_reset: bool,
    /// Nothing more can be sent from here.
    is_shut: bool,
    /// Nobody uses this end any more.
    is_closed: bool,
    receiver: Option<(Waiting, Receiving)>,
    sender: Option<(Waiting, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Readable,
    Receive,
}

#[derive(Debug)]
enum Segment {
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

fn errno(errno: i32) -> i64 {
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

    fn side(&mut self, end: End) -> Option<&mut Side> {
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

    fn start_readable(&mut self, waiting: Waiting, end: End) {
        let Some(side) = self.side(end) else {
            return self.finish_soon(waiting, errno(libc::ENOTCONN));
        };
        if side.inbox.is_empty() && !side.is_ended && !side.is_reset {
            side.receiver = Some((waiting, Receiving::Readable));
        } else {
            self.finish_soon(waiting, i64::from(libc::POLLIN));
        }
    }

    fn start_receive(&mut self, waiting: Waiting, end: End, buffer: &mut Vec<u8>, max: usize) {
        match self.receive(end, buffer, max) {
            Some(result) => self.finish_soon(waiting, result),
            None => {
                if let Some(side) = self.side(end) {
                    side.receiver = Some((waiting, Receiving::Receive));
                }
            }
        }
    }

    /// Takes what is there; `None` when nothing is.
    fn receive(&mut self, end: End, buffer: &mut Vec<u8>, max: usize) -> Option<i64> {
        let takes_less = self.chance(self.options.short_receive_one_in);
        let draw = self.prng.next_u64();
        let Some(side) = self.side(end) else {
            return Some(errno(libc::ENOTCONN));
        };
        if side.is_reset {
            return Some(errno(libc::ECONNRESET));
        }
        let mut count = side.inbox.len().min(max);
        if count == 0 {
            return side.is_ended.then_some(0);
        }
        if takes_less {
            count = 1 + (draw % count as u64) as usize;
        }
        let spare = buffer.spare_capacity_mut();
        for (target, byte) in spare.iter_mut().zip(side.inbox.drain(..count)) {
            target.write(byte);
        }
        side.unread_bytes -= count;
        self.resume_sender(end.other());
        Some(count as i64)
    }

    fn start_send(&mut self, waiting: Waiting, end: End, bytes: Vec<u8>) {
        match self.send(end, &bytes) {
            Some(result) => self.finish_soon(waiting, result),
            None => {
                if let Some(side) = self.side(end) {
                    side.sender = Some((waiting, bytes));
                }
            }
        }
    }

    /// Puts what fits on the wire; `None` when nothing does.
    fn send(&mut self, end: End, bytes: &[u8]) -> Option<i64> {
        let side = self.side(end);
        let Some((is_reset, is_shut)) = side.map(|side| (side.is_reset, side.is_shut)) else {
            return Some(errno(libc::ENOTCONN));
        };
        if is_reset {
            return Some(errno(libc::ECONNRESET));
        }
        if is_shut {
            return Some(errno(libc::EPIPE));
        }
        let target = self.side(end.other()).expect("an end has another");
        let room = WINDOW_BYTES - target.unread_bytes;
        if room == 0 {
            return None;
        }
        let count = room.min(bytes.len());
        target.unread_bytes += count;
        self.put_on_wire(end.other(), Segment::Bytes(bytes[..count].to_vec()));
        Some(count as i64)
    }

    fn resume_sender(&mut self, end: End) {
        let Some((waiting, bytes)) = self.side(end).and_then(|side| side.sender.take()) else {
            return;
        };
        self.start_send(waiting, end, bytes);
    }

    /// A segment leaves for `to`; it arrives after those before it.
    fn put_on_wire(&mut self, to: End, segment: Segment) {
        let delay = self.delay(self.options.network_latency_ns.clone());
        let soonest = self.now + delay;
        let Some(side) = self.side(to) else { return };
        side.wire.push_back(segment);
        side.arrival_min = side.arrival_min.max(soonest);
        let time = side.arrival_min;
        self.schedule_at(time, Action::Arrive { to });
    }

    fn start_shutdown(&mut self, waiting: Waiting, end: End, how: i32) {
        let Some(side) = self.side(end) else {
            return self.finish_soon(waiting, errno(libc::ENOTCONN));
        };
        if how != libc::SHUT_RD && !side.is_shut {
            side.is_shut = true;
            self.put_on_wire(end.other(), Segment::End);
        }
        if how != libc::SHUT_WR
            && let Some(side) = self.side(end)
        {
            side.is_ended = true;
            self.wake_receiver_without_bytes(end, 0);
        }
        self.finish_soon(waiting, 0);
    }

    /// Completes whoever waits to receive, with a result that carries no bytes.
    fn wake_receiver_without_bytes(&mut self, end: End, result: i64) {
        let receiver = self.side(end).and_then(|side| side.receiver.take());
        match receiver {
            Some((waiting, Receiving::Readable)) => {
                self.finish_soon(waiting, i64::from(libc::POLLIN));
            }
            Some((waiting, Receiving::Receive)) => self.finish_soon(waiting, result),
            None => {}
        }
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

    fn arrive(&mut self, to: End, cores: &Cores) {
        let Some(side) = self.side(to) else { return };
        let Some(segment) = side.wire.pop_front() else {
            return; // a reset overtook it
        };
        match segment {
            Segment::Bytes(bytes) if side.is_closed => {
                side.unread_bytes -= bytes.len();
                self.put_on_wire(to.other(), Segment::Reset);
            }
            Segment::Bytes(bytes) => {
                side.inbox.extend(bytes);
                self.on_bytes(to, cores);
            }
            Segment::End => {
                side.is_ended = true;
                if side.inbox.is_empty() {
                    self.wake_receiver_without_bytes(to, 0);
                }
            }
            Segment::Reset => self.reset_end(to),
        }
        self.forget_when_over(to.connection);
    }

    fn on_bytes(&mut self, to: End, cores: &Cores) {
        let receiver = self.side(to).and_then(|side| side.receiver.take());
        match receiver {
            Some((waiting, Receiving::Readable)) => {
                self.finish_soon(waiting, i64::from(libc::POLLIN));
            }
            Some((waiting, Receiving::Receive)) => {
                let result = cores.with_operation(waiting, |operation| match operation {
                    Operation::Receive {
                        buffer, size_bytes, ..
                    } => self.receive(to, buffer, *size_bytes),
                    _ => unreachable!("dispatched by kind"),
                });
                if let Some(result) = result.flatten() {
                    self.finish_soon(waiting, result);
                }
            }
            None => {}
        }
    }

    pub(super) fn reset_end(&mut self, end: End) {
        let Some(side) = self.side(end) else { return };
        side.is_reset = true;
        side.inbox.clear();
        side.wire.clear();
        side.unread_bytes = 0;
        let sender = side.sender.take();
        if let Some((waiting, _)) = sender {
            self.finish_soon(waiting, errno(libc::ECONNRESET));
        }
        self.wake_receiver_without_bytes(end, errno(libc::ECONNRESET));
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

    fn forget_when_over(&mut self, id: u64) {
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
