//! Socket options: plain system calls that never block.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::driver::system::{local_address, set_option};

/// When an idle connection is probed, and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Idle time before the first probe (whole seconds, at least one).
    pub idle: Duration,
    /// Time between probes (whole seconds, at least one).
    pub interval: Duration,
    /// Probes without an answer before the connection is closed.
    pub count: u32,
}

pub(super) fn set_keepalive(socket: BorrowedFd<'_>, keepalive: KeepAlive) -> io::Result<()> {
    let seconds = |duration: Duration| i32::try_from(duration.as_secs().max(1)).unwrap_or(i32::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    let tcp = libc::IPPROTO_TCP;
    set_option(socket, tcp, libc::TCP_KEEPIDLE, seconds(keepalive.idle))?;
    set_option(
        socket,
        tcp,
        libc::TCP_KEEPINTVL,
        seconds(keepalive.interval),
    )?;
    let count = i32::try_from(keepalive.count).unwrap_or(i32::MAX);
    set_option(socket, tcp, libc::TCP_KEEPCNT, count)
}

/// The address of a socket's own end.
pub(super) fn local_addr(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    local_address(socket)?
        .to_socket_addr()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}
