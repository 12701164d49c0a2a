//! The system calls that have neither a ring operation nor a safe form in the standard library,
//! each as a safe function. None of them waits for a device or a peer, but [`sync_filesystem`].

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::address::RawAddress;
use crate::limits::LISTEN_BACKLOG;

/// An error from `errno` when `result` is negative.
fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Takes over what a call made.
///
/// # Safety
/// `result` is what a call returned that makes a descriptor, and nobody else took it over.
unsafe fn own(result: i32) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the caller's promise; it is not negative.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A counter that wakes whoever polls it (eventfd(2)).
pub(crate) fn new_event() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the new descriptor is taken over here.
    unsafe { own(libc::eventfd(0, libc::EFD_CLOEXEC)) }
}

/// A TCP socket of the family of `address`.
pub(crate) fn new_socket(address: &RawAddress) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed; the new descriptor is taken over here.
    unsafe { own(libc::socket(address.family(), kind, 0)) }
}

/// Binds a socket and makes it listen.
pub(crate) fn listen(socket: BorrowedFd<'_>, local: &RawAddress) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    let storage = (&raw const local.storage).cast();
    // SAFETY: the address is readable for its size during the call.
    check(unsafe { libc::bind(fd, storage, local.size_bytes) })?;
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(fd, LISTEN_BACKLOG) })?;
    Ok(())
}

/// The address of a socket's own end.
pub(crate) fn local_address(socket: BorrowedFd<'_>) -> io::Result<RawAddress> {
    let mut local = RawAddress::empty();
    let storage = (&raw mut local.storage).cast();
    let size_bytes = &raw mut local.size_bytes;
    // SAFETY: the storage is writable for `size_bytes`, which is writable itself.
    check(unsafe { libc::getsockname(socket.as_raw_fd(), storage, size_bytes) })?;
    Ok(local)
}

/// Sets a socket option whose value is an `int`.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> io::Result<()> {
    let (fd, size) = (socket.as_raw_fd(), size_of::<i32>() as libc::socklen_t);
    // SAFETY: `value` is readable for its size during the call.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size) })?;
    Ok(())
}

/// SIGTERM and SIGINT.
fn shutdown_signals() -> libc::sigset_t {
    // SAFETY: all zeroes is a valid set for `sigemptyset` to initialise; the set is ours.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        set
    }
}

/// Blocks SIGTERM and SIGINT in the calling thread and those it starts from now on.
pub(crate) fn block_shutdown_signals() -> io::Result<()> {
    let set = shutdown_signals();
    let no_old_set = std::ptr::null_mut();
    // SAFETY: the set is initialised and readable; the old one is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, no_old_set) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A descriptor to read blocked SIGTERM and SIGINT from (signalfd(2)).
pub(crate) fn new_signal_fd() -> io::Result<OwnedFd> {
    let set = shutdown_signals();
    // SAFETY: the set is readable during the call; the new descriptor is taken over here.
    unsafe { own(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC)) }
}

/// Takes the record lock of the whole file (fcntl(2)), the kind that a JVM's file channel takes.
/// Held until any descriptor of the file is closed in this process. `WouldBlock` when another
/// process has it.
pub(crate) fn lock_record(file: impl AsFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `flock`: from the start, to the end, whatever its length.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: `lock` is readable during the call.
    let result =
        check(unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_SETLK, &raw const lock) });
    match result {
        // Both mean the same, fcntl(2) says.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        other => other.map(drop),
    }
}

/// Makes everything on the file system of `file` durable (syncfs(2)). Waits for the device.
pub(crate) fn sync_filesystem(file: &impl AsFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syncfs(file.as_fd().as_raw_fd()) })?;
    Ok(())
}

/// Cuts or extends a file: for kernels whose rings cannot.
pub(crate) fn truncate(fd: RawFd, size_bytes: u64) -> io::Result<()> {
    let size =
        libc::off_t::try_from(size_bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    // SAFETY: no memory is passed. (A descriptor that is not open is an error, not harm.)
    check(unsafe { libc::ftruncate(fd, size) })?;
    Ok(())
}

/// Bytes of a file system: all, and what an ordinary process may still use.
pub(crate) fn file_system_space(path: &CStr) -> io::Result<(u64, u64)> {
    // SAFETY: all zeroes is a valid `statvfs`.
    let mut space: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with NUL and `space` is writable.
    check(unsafe { libc::statvfs(path.as_ptr(), &raw mut space) })?;
    let unit = space.f_frsize;
    Ok((space.f_blocks * unit, space.f_bavail * unit))
}

/// Raises the soft limit of open files to the hard one, and returns what holds then.
pub(crate) fn raise_open_files_limit() -> io::Result<u64> {
    // SAFETY: all zeroes is a valid `rlimit`.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: `limit` is writable.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        rlim_max: limit.rlim_max,
    };
    // SAFETY: `raised` is readable during the call.
    let result = check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) });
    // Where it is refused, what was allowed before still is.
    Ok(match result {
        Ok(_) => raised.rlim_cur,
        Err(_) => limit.rlim_cur,
    })
}

/// A `statx` for the kernel to fill.
pub(crate) fn empty_status() -> libc::statx {
    // SAFETY: all zeroes is a valid `statx`.
    unsafe { std::mem::zeroed() }
}

/// A message header without address, vectors and control data.
pub(crate) fn empty_header() -> libc::msghdr {
    // SAFETY: all zeroes is a valid `msghdr`: null pointers with zero sizes.
    unsafe { std::mem::zeroed() }
}

/// Sends a signal to the calling thread only: the other tests run in others.
#[cfg(test)]
pub(crate) fn signal_this_thread(signal: i32) {
    // SAFETY: no memory is passed; the calling thread exists.
    let result = unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
    assert_eq!(result, 0);
}

/// Makes a named pipe.
#[cfg(test)]
pub(crate) fn make_pipe(path: &CStr) {
    // SAFETY: the path ends with NUL.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}
