//! Ordinary threads: for what may block, and for the services beside the data cores.

use std::io;
use std::thread::JoinHandle;

use crate::spawn::remote;
use crate::sync::oneshot;

/// Starts a thread that is no shard: the metrics page, for one.
///
/// # Errors
/// When the system has no room for another thread.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
}

/// Runs `work`, which may block, on a thread of its own, and awaits its result on this core. For
/// rare things: it makes a thread each time.
pub(crate) async fn run_blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot();
    // The sender stays on this core; the thread gets a ticket to it.
    let ticket = crate::context::current().keep(Box::new(sender));
    let door = remote();
    spawn_thread(name, move || {
        let result = work();
        door.post(Box::new(move || {
            let core = crate::context::current();
            let Some(sender) = core.take_kept(ticket) else {
                return;
            };
            if let Ok(sender) = sender.downcast::<crate::sync::OneshotSender<io::Result<T>>>() {
                // Without effect when nobody waits any more.
                let _ = sender.send(result);
            }
        }));
    })?;
    receiver
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}
