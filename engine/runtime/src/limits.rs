//! Bounds of the runtime, and what happens when one is reached.

use std::time::Duration;

use engine_base::KIB;

/// Submissions queued between two calls into the kernel. When reached, the queue is submitted at
/// once: nothing is refused.
pub const SUBMISSION_QUEUE_ENTRIES: u32 = 512;

/// Completions the kernel can leave before we look. When reached, the kernel keeps the rest
/// aside (it drops none) and hands them out on the next call.
pub const COMPLETION_QUEUE_ENTRIES: u32 = 4096;

/// Files registered with a ring. Beyond it files work unregistered, at some 50 ns per operation.
pub const FIXED_FILES_MAX: u32 = 4096;

/// Registered staging memory of one shard. Beyond it buffers are ordinary memory.
pub const STAGING_SIZE_BYTES: usize = 1024 * KIB;

/// One piece of it: 256 KiB with four in flight reached the test device's ceiling.
pub const STAGING_PIECE_SIZE_BYTES: usize = 256 * KIB;

/// How long ready tasks run before the ring is looked at again. A completion waits at most this
/// long plus one task.
pub const TURN_BUDGET: Duration = Duration::from_micros(200);

/// Under load, one background task runs in so many turns; on an idle core there is no bound.
pub const BACKGROUND_TURNS: u64 = 4;

/// Buffers in one vectored operation (`IOV_MAX` of Linux). Longer lists take several.
pub const BUFFERS_PER_OPERATION_MAX: usize = 1024;

/// Bytes in one read, write or send; Linux transfers at most 2 GiB - 4 KiB at once, and a
/// smaller bound keeps one operation from holding a device queue. Longer ones take several.
pub const OPERATION_SIZE_BYTES_MAX: usize = 64 * 1024 * KIB;

/// How long shutdown waits for the kernel to give buffers back. Then they are leaked, loudly:
/// memory the kernel may still write to is never freed.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections a listener keeps for its acceptor. Beyond it the kernel drops SYNs and clients
/// retry.
pub const LISTEN_BACKLOG: i32 = 1024;

/// One spin before sleep, at most: longer than the hand-off from a busy peer, shorter than the
/// 25 us that waking a halted core costs.
pub const SPIN_MAX: Duration = Duration::from_micros(50);

/// A task that holds its core for so long is counted.
pub const STALL_THRESHOLD: Duration = Duration::from_millis(10);

/// One that holds it for so long is told to the operator: what a client feels. Below, a busy machine
/// that takes the core away for some of the scheduler's slices looks the same as a task of ours.
pub const STALL_WARNING: Duration = Duration::from_millis(100);

/// One line in this time for each core, with the count of those it leaves out.
pub const STALL_WARNING_INTERVAL: Duration = Duration::from_secs(10);

const _: () = assert!(STALL_THRESHOLD.as_nanos() <= STALL_WARNING.as_nanos());
