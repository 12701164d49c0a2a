//! Bounds of the conversation between shards.

use std::time::Duration;

/// Messages in flight from one shard to another. When the mailbox is full, further messages wait
/// in the sender's backlog in order.
pub const MAILBOX_MESSAGES_MAX: usize = 1024;

/// How long a full mailbox is left alone before its sender tries again.
pub const BACKLOG_RETRY: Duration = Duration::from_micros(100);

/// Calls of one shard that wait for a reply. Each belongs to a request of a connection, and
/// connections bound their requests; reaching this is a leak, and is asserted.
pub const CALLS_WAITING_MAX: usize = 1 << 20;
