//! Code that owns data and runs inside somebody else's task.

/// Runs `work`; a panic in it stops the process, as in a task of [`crate::spawn_critical`].
///
/// For the steps of a request that change what was acknowledged or will be: its task may unwind
/// and close a connection, they may not leave their state half changed.
pub fn critical<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let guard = StopOnUnwind(name);
    let result = work();
    std::mem::forget(guard);
    result
}

struct StopOnUnwind(&'static str);

impl Drop for StopOnUnwind {
    fn drop(&mut self) {
        tracing::error!(
            "'{}' panicked: the process stops rather than go on wrong",
            self.0
        );
        std::process::abort();
    }
}
