//! Accepts connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;

use super::options::{address, set};
use super::stream::Stream;
use crate::address::RawAddress;
use crate::context;
use crate::core::check;
use crate::driver::Driver;
use crate::handle::{Handle, RawHandle};
use crate::limits::LISTEN_BACKLOG;
use crate::op::{Operation, io_result, perform};

/// A listening socket. Connections beyond its backlog wait in the clients.
pub struct Listener {
    handle: Rc<Handle>,
    local: SocketAddr,
}

impl Listener {
    /// Listens on `local`; port zero takes a free one. An address in TIME_WAIT is taken over.
    ///
    /// # Errors
    /// As bind(2): `AddrInUse`, `PermissionDenied`.
    pub fn bind(local: SocketAddr) -> io::Result<Self> {
        let core = context::current();
        let (raw, local) = match core.driver() {
            Driver::Uring(_) => {
                let socket = new_socket(local)?;
                let fd = socket.as_raw_fd();
                set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
                let it = RawAddress::new(local);
                let storage = (&raw const it.storage).cast();
                // SAFETY: the address is readable for its size during the call.
                check(unsafe { libc::bind(fd, storage, it.size_bytes) })?;
                // SAFETY: no memory is passed.
                check(unsafe { libc::listen(fd, LISTEN_BACKLOG) })?;
                (RawHandle::Fd(socket), address(fd, libc::getsockname)?)
            }
            Driver::Sim(sim) => {
                let (handle, local) = sim.listen(local)?;
                (RawHandle::Sim(handle), local)
            }
        };
        Ok(Self {
            handle: Rc::new(Handle::new(raw)),
            local,
        })
    }

    /// The address it listens on, with the port it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection, with the client's address. Dropping the future loses no connection:
    /// one that was accepted meanwhile is closed.
    ///
    /// # Errors
    /// As accept(2). EMFILE and ENFILE say that descriptors ran out: the caller waits a little and
    /// goes on, as after `ConnectionAborted`.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let operation = Operation::Accept {
            socket: Rc::clone(&self.handle),
            address: Box::new(RawAddress::empty()),
        };
        let (operation, result) = perform(operation).await;
        io_result(result)?;
        let raw = context::current().adopt(result);
        let Operation::Accept { address, .. } = operation else {
            unreachable!("an operation comes back as it was started")
        };
        let peer = address
            .to_socket_addr()
            .ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok((Stream::new(raw, peer), peer))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({})", self.local)
    }
}

/// A TCP socket of the family of `address`.
pub(super) fn new_socket(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = RawAddress::new(address).family();
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a descriptor the kernel just made for us and nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
