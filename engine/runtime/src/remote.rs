//! The door to a core for other threads: wakes of its tasks, closures to run, and the wake-up of
//! the core itself.
//!
//! The only part of a core that others touch. Mailboxes carry the traffic between shards; this
//! carries what is rare: a waker that travelled, a metrics page, a shutdown. Its queue has no bound of
//! its own: wakes are at most one for each task, closures come from the process's own services.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use crate::driver::system;
use crate::sleep_flag::SleepFlag;
use crate::task::TaskId;

static CORE_ID_NEXT: AtomicU64 = AtomicU64::new(1);

/// Something for a core to do.
pub(crate) enum Post {
    Wake(TaskId),
    Run(Box<dyn FnOnce() + Send>),
}

pub(crate) struct Remote {
    core_id: u64,
    posts: Mutex<VecDeque<Post>>,
    has_posts: AtomicBool,
    sleep_flag: SleepFlag,
    /// Signals the core's ring from any thread. `None` in the simulated world, which looks itself.
    event: Option<File>,
    /// The core's ring, for messages from other rings; -1 before and after.
    ring: AtomicI32,
}

impl Remote {
    /// The door of a real core.
    pub(crate) fn with_event() -> io::Result<Arc<Self>> {
        Ok(Self::new(Some(File::from(system::new_event()?))))
    }

    /// The door of a simulated core.
    pub(crate) fn simulated() -> Arc<Self> {
        Self::new(None)
    }

    fn new(event: Option<File>) -> Arc<Self> {
        Arc::new(Self {
            core_id: CORE_ID_NEXT.fetch_add(1, Ordering::Relaxed),
            posts: Mutex::default(),
            has_posts: AtomicBool::new(false),
            sleep_flag: SleepFlag::new(),
            event,
            ring: AtomicI32::new(-1),
        })
    }

    /// Unique in the process, never used again.
    pub(crate) fn core_id(&self) -> u64 {
        self.core_id
    }

    pub(crate) fn wake_task(&self, id: TaskId) {
        self.post(Post::Wake(id));
    }

    /// Queues something and wakes the core when it sleeps.
    pub(crate) fn post(&self, post: Post) {
        self.lock().push_back(post);
        self.has_posts.store(true, Ordering::Release);
        if self.sleep_flag.claim_wake() {
            self.signal_event();
        }
    }

    pub(crate) fn has_posts(&self) -> bool {
        self.has_posts.load(Ordering::Acquire)
    }

    /// Everything posted so far.
    pub(crate) fn take_posts(&self) -> VecDeque<Post> {
        let mut posts = self.lock();
        self.has_posts.store(false, Ordering::Relaxed);
        std::mem::take(&mut *posts)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Post>> {
        // A panic while the lock is held leaves a queue that is whole: pushes are one step.
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the core sleeps.
    pub(crate) fn sleep_flag(&self) -> &SleepFlag {
        &self.sleep_flag
    }

    /// Wakes the core through its eventfd.
    pub(crate) fn signal_event(&self) {
        if let Some(mut event) = self.event.as_ref() {
            // The counter cannot overflow: the core reads it back to zero whenever it wakes.
            let _ = event.write(&1_u64.to_ne_bytes());
        }
    }

    /// Takes the signals so far. By the core, after a poll said that there are any: otherwise it
    /// would block.
    pub(crate) fn drain_event(&self) {
        if let Some(mut event) = self.event.as_ref() {
            let _ = event.read(&mut [0; 8]);
        }
    }

    pub(crate) fn event_fd(&self) -> Option<RawFd> {
        self.event.as_ref().map(AsRawFd::as_raw_fd)
    }

    pub(crate) fn set_ring(&self, fd: RawFd) {
        self.ring.store(fd, Ordering::Release);
    }

    /// The core's ring. It may close any moment: a message to it then fails, or wakes a core that
    /// got the same number; both are harmless.
    pub(crate) fn ring(&self) -> Option<RawFd> {
        let fd = self.ring.load(Ordering::Acquire);
        (fd >= 0).then_some(fd)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.core_id)
    }
}

/// Posts closures to a core from any thread.
#[derive(Clone, Debug)]
pub struct RemoteHandle {
    remote: Arc<Remote>,
}

impl RemoteHandle {
    pub(crate) fn new(remote: Arc<Remote>) -> Self {
        Self { remote }
    }

    /// Runs `work` on the core, between two tasks; it must not block, and may spawn. Posts of one
    /// thread run in their order. When the core has ended, `work` is dropped without being run.
    pub fn post(&self, work: Box<dyn FnOnce() + Send>) {
        self.remote.post(Post::Run(work));
    }
}
