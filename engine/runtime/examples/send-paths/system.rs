//! The system calls of the experiment, each as a safe function, and memory of three kinds.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

const HUGE_PAGE_SIZE_BYTES: usize = 2 << 20;

/// Pages of a pipe: as many as an ordinary user may ask for.
const PIPE_SIZE_BYTES: libc::c_int = 1 << 20;

/// An error from `errno` when `result` is negative.
fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// What the pages of an [`Arena`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// 4 KiB each.
    Ordinary,
    /// 2 MiB each, as far as the kernel has them (MADV_HUGEPAGE).
    Transparent,
    /// 2 MiB each, out of the administrator's reserve (MAP_HUGETLB).
    Reserved,
}

/// Memory whose every eight bytes say where in it they lie. Never written again, and unmapped only
/// when the experiment ends: sockets may hold its pages longer than the calls that sent them.
#[derive(Debug)]
pub(crate) struct Arena {
    base: NonNull<u8>,
    size_bytes: usize,
}

impl Arena {
    /// Maps memory without touching it.
    ///
    /// # Errors
    /// As mmap(2): the reserve has too few pages, for one.
    pub(crate) fn map(pages: Pages, size_bytes: usize) -> io::Result<Self> {
        assert!(size_bytes.is_multiple_of(HUGE_PAGE_SIZE_BYTES));
        let reserved = match pages {
            Pages::Reserved => libc::MAP_HUGETLB,
            Pages::Ordinary | Pages::Transparent => 0,
        };
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no
        // memory that exists already.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | reserved,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let advice = match pages {
            Pages::Ordinary => Some(libc::MADV_NOHUGEPAGE),
            Pages::Transparent => Some(libc::MADV_HUGEPAGE),
            Pages::Reserved => None,
        };
        if let Some(advice) = advice {
            // SAFETY: advice about the mapping just made changes no contents.
            unsafe { libc::madvise(base, size_bytes, advice) };
        }
        Ok(Self {
            base: NonNull::new(base.cast()).expect("mmap does not return address zero"),
            size_bytes,
        })
    }

    /// The memory, to be filled.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is that long, zeroed by the kernel, and `&mut self` has it alone.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.size_bytes) }
    }

    /// The memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: as above; `&self` only reads.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.size_bytes) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers to it any more; pages that a socket or a
        // pipe still holds have a count of their own.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.size_bytes) };
    }
}

/// CPU time of the calling thread, user and system.
pub(crate) fn thread_cpu() -> Duration {
    cpu(libc::RUSAGE_THREAD)
}

/// CPU time of all threads of the process, the ring's workers included.
pub(crate) fn process_cpu() -> Duration {
    cpu(libc::RUSAGE_SELF)
}

fn cpu(who: libc::c_int) -> Duration {
    // SAFETY: all zeroes is a valid `rusage` for the kernel to fill.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable.
    let result = unsafe { libc::getrusage(who, &raw mut usage) };
    assert_eq!(result, 0);
    let time = |it: libc::timeval| {
        Duration::from_micros(u64::try_from(it.tv_sec * 1_000_000 + it.tv_usec).unwrap_or(0))
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Both ends of a nonblocking pipe: what is read, what is written.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: `fds` has room for both descriptors.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), flags) } as isize)?;
    // SAFETY: the call made both, and nobody else took them over.
    let (reader, writer) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    // SAFETY: no memory is passed.
    let result = unsafe { libc::fcntl(fds[1], libc::F_SETPIPE_SZ, PIPE_SIZE_BYTES) };
    check(result as isize)?;
    Ok((reader, writer))
}

/// Puts references to the pages under `range` into the pipe, as many as fit. `WouldBlock` when it
/// is full.
pub(crate) fn put_pages(
    pipe: BorrowedFd<'_>,
    arena: &Arena,
    range: Range<usize>,
) -> io::Result<usize> {
    let part = &arena.bytes()[range];
    let vector = libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    };
    let flags = libc::SPLICE_F_NONBLOCK;
    // SAFETY: the vector names memory of the arena, which is never written again.
    check(unsafe { libc::vmsplice(pipe.as_raw_fd(), &raw const vector, 1, flags) })
}

/// Moves up to `size_bytes` from the pipe to the socket. `WouldBlock` when the socket is full.
pub(crate) fn splice(
    pipe: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    size_bytes: usize,
) -> io::Result<usize> {
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    let none = std::ptr::null_mut();
    let (pipe, socket) = (pipe.as_raw_fd(), socket.as_raw_fd());
    // SAFETY: no memory is passed.
    check(unsafe { libc::splice(pipe, none, socket, none, size_bytes, flags) })
}

/// Waits until the socket takes bytes.
pub(crate) fn wait_writable(socket: BorrowedFd<'_>) -> io::Result<()> {
    wait_for(socket, libc::POLLOUT)
}

/// Waits until the socket has bytes.
pub(crate) fn wait_readable(socket: BorrowedFd<'_>) -> io::Result<()> {
    wait_for(socket, libc::POLLIN)
}

fn wait_for(socket: BorrowedFd<'_>, events: libc::c_short) -> io::Result<()> {
    let mut poll = libc::pollfd {
        fd: socket.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one entry, writable.
    check(unsafe { libc::poll(&raw mut poll, 1, -1) } as isize).map(|_| ())
}

/// Sends bytes of which more follow at once. Nonblocking.
pub(crate) fn send_before_more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_MORE;
    let (fd, base) = (socket.as_raw_fd(), bytes.as_ptr().cast());
    // SAFETY: the bytes are readable for their length during the call.
    check(unsafe { libc::send(fd, base, bytes.len(), flags) })
}

/// Puts the calling thread on one core.
pub(crate) fn pin_to(core: usize) {
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
}
