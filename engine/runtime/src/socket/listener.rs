//! Accepts connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::options::local_addr;
use super::stream::Stream;
use crate::context;
use crate::driver::address::RawAddress;
use crate::driver::{Driver, system};
use crate::handle::{Handle, RawHandle};
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
                let raw = RawAddress::new(local);
                let socket = system::new_socket(&raw)?;
                let fd = socket.as_fd();
                system::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
                system::listen(fd, &raw)?;
                let local = local_addr(fd)?;
                (RawHandle::Fd(socket), local)
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
