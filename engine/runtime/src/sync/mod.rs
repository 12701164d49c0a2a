//! Waiting for one another on one core. None of these may leave the core they were made on.

mod notify;
mod oneshot;
mod queue;
mod race;

pub use notify::{Notified, Notify};
pub use oneshot::{OneshotReceiver, OneshotSender, SenderGone, oneshot};
pub use queue::{Queue, QueueFull, queue};
pub use race::{Either, race, yield_now};
