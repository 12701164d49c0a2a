//! The timers of a group coordinator.

use std::sync::Arc;

/// Names a timer. A group has one join timer and one sync timer at most, a member one session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKey {
    /// Group and member, or member id that was handed out.
    Session(Arc<str>, Arc<str>),
    /// The join phase of a group.
    Join(Arc<str>),
    /// The sync phase of a group.
    Sync(Arc<str>),
    /// Expiry of offsets and groups.
    Expiry,
}

/// What to do when the timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerTask {
    /// The member has been silent for its session timeout.
    ExpireSession,
    /// The rebalance timeout is over.
    CompleteJoin,
    /// The first rebalance has waited for more members.
    InitialDelay {
        /// How long it has waited this time, in milliseconds.
        delay_ms: i32,
        /// How long it may still wait, in milliseconds, counted from before this delay.
        remaining_ms: i32,
    },
    /// The rebalance timeout is over for those that have not sent SyncGroup.
    ExpireSync {
        /// The generation it was set for.
        generation_id: i32,
    },
    /// Look for expired offsets.
    Expire,
}
