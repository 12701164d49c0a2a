//! The ring of one core: submissions out, completions in, sleep and wake.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine_base::Instant;
use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, cqueue, opcode, types};

use super::fixed::FixedFiles;
use super::probe::{Features, StartError};
use super::spin::Spin;
use super::{entry, probe};
use crate::clock;
use crate::core::Core;
use crate::critical::critical;
use crate::driver::system;
use crate::limits::{BACKGROUND_TURNS, DRAIN_TIMEOUT, TURN_BUDGET};
use crate::op::{Operation, OperationId};
use crate::remote::Remote;
use crate::staging::{Staging, StagingPiece};

/// Completions that belong to no operation. Generations of operations stay below these values.
const EVENT: u64 = u64::MAX;
const WOKEN: u64 = u64::MAX - 1;
const IGNORED: u64 = u64::MAX - 2;
/// A wake that failed; the low half is the peer's index.
const WAKE_FAILED: u64 = 0xffff_fffe_0000_0000;
const WAKE_FAILED_MASK: u64 = 0xffff_ffff_0000_0000;

/// See the module's documentation.
pub(crate) struct UringDriver {
    ring: RefCell<IoUring>,
    features: Features,
    fixed: FixedFiles,
    staging: Option<Arc<Staging>>,
    spin: Spin,
    remote: Arc<Remote>,
    /// Entries that found the submission queue full.
    backlog: RefCell<VecDeque<Entry>>,
    /// Results of operations that were carried out at once, by a blocking call.
    finished: RefCell<Vec<(OperationId, i64)>>,
    completions: RefCell<Vec<Completion>>,
    /// Peers that wakes were sent to, by index.
    peers: RefCell<Vec<Arc<Remote>>>,
}

struct Completion {
    user_data: u64,
    result: i32,
    has_more: bool,
}

impl UringDriver {
    pub(crate) fn new(
        remote: Arc<Remote>,
        spin_max: Duration,
        wants_staging: bool,
    ) -> Result<Self, StartError> {
        let (ring, features) = probe::build()?;
        let staging = wants_staging.then(|| register_staging(&ring)).flatten();
        remote.set_ring(ring.as_raw_fd());
        let this = Self {
            fixed: FixedFiles::new(&ring),
            ring: RefCell::new(ring),
            features,
            staging,
            spin: Spin::new(spin_max),
            remote,
            backlog: RefCell::default(),
            finished: RefCell::default(),
            completions: RefCell::default(),
            peers: RefCell::default(),
        };
        this.arm_event();
        Ok(this)
    }

    pub(crate) fn take_staging(&self) -> Option<StagingPiece> {
        self.staging.as_ref()?.take()
    }

    /// Whether the operation uses registered memory.
    pub(crate) fn start(&self, id: OperationId, operation: &mut Operation) -> bool {
        if let Operation::SetLen { file, size_bytes } = operation
            && !self.features.truncates
        {
            let result = match system::truncate(file.fd(), *size_bytes) {
                Ok(()) => 0,
                Err(error) => -i64::from(error.raw_os_error().unwrap_or(libc::EIO)),
            };
            self.finished.borrow_mut().push((id, result));
            return false;
        }
        let (entry, uses_registered) = entry::build(operation, self.staging.as_ref());
        self.push(entry.user_data(id.user_data()));
        uses_registered
    }

    pub(crate) fn cancel(&self, id: OperationId) {
        self.push(
            opcode::AsyncCancel::new(id.user_data())
                .build()
                .user_data(IGNORED)
                .flags(Flags::SKIP_SUCCESS),
        );
    }

    pub(crate) fn register_file(&self, fd: RawFd) -> Option<u32> {
        self.fixed.register(&self.ring.borrow(), fd)
    }

    pub(crate) fn release_file(&self, slot: u32) {
        self.fixed.release(&self.ring.borrow(), slot);
    }

    /// Sends a message to the peer's ring with the next submission: no system call of its own.
    pub(crate) fn wake_peer(&self, peer: &Arc<Remote>) {
        let Some(ring) = peer.ring() else {
            peer.signal_event();
            return;
        };
        let mut peers = self.peers.borrow_mut();
        let known = peers.iter().position(|known| Arc::ptr_eq(known, peer));
        let index = known.unwrap_or_else(|| {
            peers.push(Arc::clone(peer));
            peers.len() - 1
        });
        drop(peers);
        self.push(
            opcode::MsgRingData::new(types::Fd(ring), 0, WOKEN, None)
                .build()
                .user_data(WAKE_FAILED | index as u64)
                .flags(Flags::SKIP_SUCCESS),
        );
    }

    fn arm_event(&self) {
        if let Some(fd) = self.remote.event_fd() {
            let poll = opcode::PollAdd::new(types::Fd(fd), libc::POLLIN as u32);
            self.push(poll.build().user_data(EVENT));
        }
    }

    fn push(&self, entry: Entry) {
        let mut backlog = self.backlog.borrow_mut();
        if !backlog.is_empty() {
            backlog.push_back(entry);
            return;
        }
        let mut ring = self.ring.borrow_mut();
        if push_entry(&mut ring, &entry) {
            return;
        }
        // Full: hand over what is there. When the kernel does not take it now, it will when
        // completions have been reaped.
        expect_later(ring.submit());
        if !push_entry(&mut ring, &entry) {
            backlog.push_back(entry);
        }
    }

    fn push_backlog(&self, ring: &mut IoUring) {
        let mut backlog = self.backlog.borrow_mut();
        while let Some(entry) = backlog.front() {
            if !push_entry(ring, entry) {
                return;
            }
            backlog.pop_front();
        }
    }

    /// Submits and reaps without waiting.
    fn submit(&self, core: &Core) {
        {
            let mut ring = self.ring.borrow_mut();
            self.push_backlog(&mut ring);
            let submission = ring.submission();
            let is_needed =
                !submission.is_empty() || submission.taskrun() || submission.cq_overflow();
            drop(submission);
            if is_needed {
                core.metrics().enters.add(1);
                expect_later(ring.submit());
            }
        }
        self.reap(core);
    }

    /// Submits, waits for a completion or until `deadline`, and reaps.
    fn submit_and_wait(&self, core: &Core, deadline: Option<Instant>) {
        {
            let mut ring = self.ring.borrow_mut();
            self.push_backlog(&mut ring);
            core.metrics().enters.add(1);
            let submitter = ring.submitter();
            expect_later(match deadline {
                None => submitter.submit_and_wait(1),
                Some(deadline) => {
                    let wait = deadline.since(clock::monotonic());
                    let timespec = types::Timespec::from(wait);
                    submitter.submit_with_args(1, &types::SubmitArgs::new().timespec(&timespec))
                }
            });
        }
        self.reap(core);
    }

    fn reap(&self, core: &Core) {
        let mut completions = self.completions.take();
        {
            let mut ring = self.ring.borrow_mut();
            completions.extend(ring.completion().map(|it| Completion {
                user_data: it.user_data(),
                result: it.result(),
                has_more: cqueue::more(it.flags()),
            }));
        }
        core.metrics().completions.add(completions.len() as u64);
        for completion in completions.drain(..) {
            self.on_completion(core, &completion);
        }
        self.completions.replace(completions);
        let finished = std::mem::take(&mut *self.finished.borrow_mut());
        for (id, result) in finished {
            core.complete(id, result, false);
        }
    }

    fn on_completion(&self, core: &Core, completion: &Completion) {
        match completion.user_data {
            EVENT => {
                self.drain_event();
                self.arm_event();
            }
            // Mailboxes are looked into in every turn.
            WOKEN | IGNORED => {}
            user_data if user_data & WAKE_FAILED_MASK == WAKE_FAILED => {
                let index = (user_data & !WAKE_FAILED_MASK) as usize;
                if let Some(peer) = self.peers.borrow().get(index) {
                    peer.signal_event();
                }
            }
            user_data => {
                let id = OperationId::from_user_data(user_data);
                core.complete(id, i64::from(completion.result), completion.has_more);
            }
        }
    }

    fn drain_event(&self) {
        self.remote.drain_event();
    }

    /// One turn: tasks, timers, mailboxes; then the ring, waiting when there is nothing to do.
    /// Never waits when `is_over` says so after the tasks have run.
    pub(crate) fn turn(&self, core: &Rc<Core>, is_over: impl Fn() -> bool) {
        let metrics = core.metrics();
        metrics.turns.add(1);
        let began = clock::monotonic();
        core.run_posts();
        let mut now = run_ready(core, began);
        core.timers().fire(now);
        core.look_into_mailboxes();
        let executor = core.executor();
        let has_background = executor.ready_background_count() > 0;
        let is_background_due = metrics.turns.value().is_multiple_of(BACKGROUND_TURNS);
        if has_background
            && (is_background_due || executor.ready_count() == 0)
            && let Some(id) = executor.next_background()
        {
            now = core.poll_task(id, now);
        }
        let has_work = is_over()
            || executor.ready_count() > 0
            || executor.ready_background_count() > 0
            || core.remote().has_posts()
            || !self.finished.borrow().is_empty();
        metrics.busy_ns.add(now.since(began).as_nanos() as u64);
        if has_work {
            self.submit(core);
        } else {
            self.wait(core);
        }
    }

    /// Nothing is ready: spins for a while, then sleeps.
    fn wait(&self, core: &Core) {
        if let Some(duration) = self.spin.duration() {
            let found_work = self.spin_for(core, duration);
            self.spin.on_spun(found_work);
            if found_work {
                self.reap(core);
                return;
            }
        }
        let remote = core.remote();
        remote.sleep_flag().announce_sleep();
        if core.has_messages() || remote.has_posts() {
            remote.sleep_flag().announce_awake();
            self.submit(core);
            return;
        }
        core.metrics().sleeps.add(1);
        let began = clock::monotonic();
        self.submit_and_wait(core, core.timers().next_deadline());
        remote.sleep_flag().announce_awake();
        self.spin.on_slept(clock::monotonic().since(began));
    }

    fn spin_for(&self, core: &Core, duration: Duration) -> bool {
        self.submit(core);
        let executor = core.executor();
        if executor.ready_count() > 0 {
            return true;
        }
        let metrics = core.metrics();
        metrics.spins.add(1);
        let began = clock::monotonic();
        let end = began + duration;
        let due = core.timers().next_deadline();
        let mut now = began;
        let mut found_work = false;
        while now < end && !found_work {
            std::hint::spin_loop();
            found_work = self.has_completions()
                || core.has_messages()
                || core.remote().has_posts()
                || due.is_some_and(|due| due <= now);
            now = clock::monotonic();
        }
        metrics.polled_ns.add(now.since(began).as_nanos() as u64);
        if found_work {
            metrics.spins_useful.add(1);
            self.submit(core);
        }
        found_work
    }

    fn has_completions(&self) -> bool {
        let mut ring = self.ring.borrow_mut();
        !ring.completion().is_empty() || ring.submission().taskrun()
    }

    /// Waits until the kernel has given every buffer back.
    pub(crate) fn drain(&self, core: &Core) {
        let deadline = clock::monotonic() + DRAIN_TIMEOUT;
        while core.operations_running() > 0 {
            if clock::monotonic() >= deadline {
                tracing::error!(
                    operations = core.operations_running(),
                    "the kernel did not finish operations at shutdown; their buffers are leaked"
                );
                core.leak_operations();
                return;
            }
            let pause = clock::monotonic() + Duration::from_millis(100);
            self.submit_and_wait(core, Some(pause.min(deadline)));
        }
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        self.remote.set_ring(-1);
    }
}

/// Polls what is ready, and what that makes ready, until nothing is or the turn's budget is spent:
/// so one submission carries all that follows from a completion, and tasks that wake each other do
/// not keep the ring from being looked at.
fn run_ready(core: &Core, began: Instant) -> Instant {
    let executor = core.executor();
    let mut now = began;
    while now.since(began) < TURN_BUDGET {
        let Some(id) = executor.next_ready() else {
            break;
        };
        now = core.poll_task(id, now);
    }
    now
}

/// Nothing was taken, or nothing came, now: the next turn looks again. Any other error of the
/// ring itself would leave a core that spins and answers nobody, so the process stops.
fn expect_later(entered: io::Result<usize>) {
    const LATER: [i32; 5] = [
        libc::ETIME,
        libc::EINTR,
        libc::EAGAIN,
        libc::EBUSY,
        libc::ENOMEM,
    ];
    if let Err(error) = entered
        && !error.raw_os_error().is_some_and(|it| LATER.contains(&it))
    {
        critical("io_uring", || panic!("entering the ring failed: {error}"));
    }
}

fn push_entry(ring: &mut IoUring, entry: &Entry) -> bool {
    // SAFETY: every address in the entry points into memory that its operation owns, and the
    // core's table keeps the operation until its last completion (`op/table.rs`).
    unsafe { ring.submission().push(entry) }.is_ok()
}

fn register_staging(ring: &IoUring) -> Option<Arc<Staging>> {
    let staging = Staging::new();
    let (base, size_bytes) = staging.memory();
    let vector = libc::iovec {
        iov_base: base.as_ptr().cast(),
        iov_len: size_bytes,
    };
    // SAFETY: the driver keeps `staging` as long as the ring.
    match unsafe { ring.submitter().register_buffers(&[vector]) } {
        Ok(()) => Some(staging),
        Err(error) => {
            tracing::warn!(
                %error,
                size_bytes,
                "registered staging memory was refused; writes use ordinary memory, a little slower \
                 (raise LimitMEMLOCK= in the unit file)"
            );
            None
        }
    }
}
