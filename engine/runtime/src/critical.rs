//! Code that owns data and runs inside somebody else's task, and code whose panic ends no more
//! than what it belongs to.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::executor::{CriticalPanic, is_simulated};
use crate::task::panic_message;

/// Runs `work`; a panic in it stops the process, as in a task of [`crate::spawn_critical`].
///
/// For the steps of a request that change what was acknowledged or will be: its task may unwind
/// and close a connection, they may not leave their state half changed.
pub fn critical<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let payload = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => return result,
        Err(payload) => payload,
    };
    let message = panic_message(&*payload);
    if is_simulated() {
        // The world stops the simulated process, or the test.
        resume_unwind(Box::new(CriticalPanic(message)));
    }
    tracing::error!("'{name}' panicked: {message}; the process stops rather than go on wrong");
    std::process::abort();
}

/// Runs `work`, whose panic ends no more than what it belongs to, a request or a job; its message,
/// when it panics. A panic of [`critical`] code is not held up here.
///
/// # Errors
/// With the text of the panic.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        if payload.is::<CriticalPanic>() {
            resume_unwind(payload);
        }
        panic_message(&*payload)
    })
}
