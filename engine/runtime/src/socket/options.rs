//! Socket options: plain system calls that never block.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::address::RawAddress;
use crate::core::check;

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

pub(super) fn set(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let size = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` is readable for its size during the call.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size) })?;
    Ok(())
}

pub(super) fn set_keepalive(fd: RawFd, keepalive: KeepAlive) -> io::Result<()> {
    let seconds = |duration: Duration| i32::try_from(duration.as_secs().max(1)).unwrap_or(i32::MAX);
    set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    let tcp = libc::IPPROTO_TCP;
    set(fd, tcp, libc::TCP_KEEPIDLE, seconds(keepalive.idle))?;
    set(fd, tcp, libc::TCP_KEEPINTVL, seconds(keepalive.interval))?;
    let count = i32::try_from(keepalive.count).unwrap_or(i32::MAX);
    set(fd, tcp, libc::TCP_KEEPCNT, count)
}

type NameCall =
    unsafe extern "C" fn(RawFd, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// The address of one end, by `getsockname` or `getpeername`.
pub(super) fn address(fd: RawFd, call: NameCall) -> io::Result<SocketAddr> {
    let mut raw = RawAddress::empty();
    let storage = (&raw mut raw.storage).cast();
    // SAFETY: the storage is writable for `size_bytes`, which is writable itself.
    check(unsafe { call(fd, storage, &raw mut raw.size_bytes) })?;
    raw.to_socket_addr()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}
