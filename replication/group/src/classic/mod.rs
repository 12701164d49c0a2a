//! The classic protocol: members agree on a leader, the leader computes the assignment.
//!
//! `group.rs` holds the state and its arithmetic; the other files hold one request or one phase
//! each. Everything here is soft state of one group, changed on the partition's core only.

mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod show;
mod state;
mod static_member;
mod sync;

pub(crate) use group::ClassicGroup;
pub(crate) use join::GroupOrigin;
pub(crate) use state::ClassicState;
pub(crate) use static_member::StaticMemberUpdate;
pub(crate) use sync::AssignmentUpdate;

use std::time::Duration;

/// A timeout from a client: negative ones are over at once.
pub(crate) fn milliseconds(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}

#[cfg(test)]
mod tests;
