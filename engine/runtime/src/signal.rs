//! The signals that ask the process to stop.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::rc::Rc;

use crate::context;
use crate::core::check;
use crate::driver::Driver;
use crate::handle::{Handle, RawHandle};
use crate::op::{Buffer, Operation, io_result, perform};

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownSignal {
    /// SIGTERM: a service manager stops us.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
}

fn signals() -> libc::sigset_t {
    // SAFETY: `sigemptyset` initialises the set that the other calls change.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        set
    }
}

/// Keeps SIGTERM and SIGINT from killing this thread, and those it starts from now on: `main`
/// calls it before the first thread, [`crate::launch`] before the shards. Then they wait for
/// [`shutdown_signal`].
///
/// # Errors
/// As sigprocmask(2): none for these arguments.
pub fn block_shutdown_signals() -> io::Result<()> {
    let set = signals();
    // SAFETY: the set is initialised; the old mask is not asked for.
    let result =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    match result {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Waits for SIGTERM or SIGINT. One task of one shard waits at a time. In the simulated world none
/// ever comes.
///
/// # Errors
/// As signalfd(2).
pub async fn shutdown_signal() -> io::Result<ShutdownSignal> {
    if matches!(context::current().driver(), Driver::Sim(_)) {
        return std::future::pending().await;
    }
    block_shutdown_signals()?;
    let set = signals();
    // SAFETY: the set is initialised and readable during the call.
    let fd = check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) })?;
    // SAFETY: a descriptor the kernel just made for us and nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let file = Rc::new(Handle::new(RawHandle::Fd(fd)));
    let size_bytes = size_of::<libc::signalfd_siginfo>();
    let operation = Operation::Read {
        file,
        position: 0,
        buffer: Buffer::Vec(Vec::with_capacity(size_bytes)),
        filled: 0,
        size_bytes,
    };
    let (operation, result) = perform(operation).await;
    let count = io_result(result)?;
    let Operation::Read {
        buffer: Buffer::Vec(mut bytes),
        ..
    } = operation
    else {
        unreachable!("an operation comes back as it was started")
    };
    assert!(count == size_bytes);
    // SAFETY: the kernel wrote `count` bytes; the capacity is that much.
    unsafe { bytes.set_len(count) };
    // The signal's number is the structure's first field.
    let number = bytes
        .first_chunk()
        .map_or(0, |first| u32::from_ne_bytes(*first));
    Ok(if number == libc::SIGINT as u32 {
        ShutdownSignal::Interrupt
    } else {
        ShutdownSignal::Terminate
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Runtime, RuntimeOptions, spawn, yield_now};

    #[test]
    fn a_signal_ends_the_wait_and_not_the_process() {
        let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
        let signal = runtime.block_on(async {
            let waiting = spawn(shutdown_signal());
            yield_now().await;
            // To this thread only: other tests run in others.
            // SAFETY: no memory is passed; the signal is blocked in this thread.
            let result = unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGTERM) };
            assert_eq!(result, 0);
            waiting.await.unwrap().unwrap()
        });
        assert_eq!(signal, ShutdownSignal::Terminate);
    }
}
