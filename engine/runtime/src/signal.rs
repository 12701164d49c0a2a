//! The signals that ask the process to stop.

use std::io;
use std::rc::Rc;

use crate::context;
use crate::driver::{Driver, system};
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

/// Keeps SIGTERM and SIGINT from killing this thread, and those it starts from now on: `main`
/// calls it before the first thread, [`crate::launch`] before the shards. Then they wait for
/// [`shutdown_signal`].
///
/// # Errors
/// As sigprocmask(2): none for these arguments.
pub fn block_shutdown_signals() -> io::Result<()> {
    system::block_shutdown_signals()
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
    let fd = system::new_signal_fd()?;
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
        buffer: Buffer::Vec(bytes),
        ..
    } = operation
    else {
        unreachable!("an operation comes back as it was started")
    };
    assert!(count == size_bytes);
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
            system::signal_this_thread(libc::SIGTERM);
            waiting.await.unwrap().unwrap()
        });
        assert_eq!(signal, ShutdownSignal::Terminate);
    }
}
