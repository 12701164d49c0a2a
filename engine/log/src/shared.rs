//! What the logs of one store and its loops share. Lives on the shard's core; nothing here is
//! borrowed across an await.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use engine_cache::{ChunkPool, PageCache, PageKey};
use engine_runtime::{File, Notify};

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::log::LogInner;
use crate::offset_index::OffsetIndex;
use crate::pool::Pool;
use crate::segment_lru::{SegmentKey, SegmentLru};
use crate::txn_index::TxnIndex;

/// What the store can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Everything.
    Open,
    /// Reads, deletes, and appends of logs with a reserve; the others' when space returns.
    DiskFull,
    /// Commits what was accepted, accepts nothing more.
    Closing,
    /// Nothing: a write or flush failed.
    Failed,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: StoreConfig,
    /// Whether segments are written with O_DIRECT.
    pub(crate) is_direct: bool,
    /// Whether a commit syncs the segment files it wrote (see `FlushFiles`).
    pub(crate) syncs_each_file: bool,
    pub(crate) chunks: Rc<ChunkPool>,
    pub(crate) pages: RefCell<PageCache>,
    /// Offset indexes of sealed segments that cold readers used lately.
    pub(crate) sealed_indexes: RefCell<SegmentLru<Rc<OffsetIndex>>>,
    /// Transaction indexes of sealed segments that `read_committed` readers used lately.
    pub(crate) sealed_txns: RefCell<SegmentLru<Rc<TxnIndex>>>,
    /// Open files of sealed segments that were read lately.
    pub(crate) sealed_files: RefCell<SegmentLru<Rc<File>>>,
    /// Pages that are being read; whoever wants one of them waits for `progress`.
    pub(crate) pages_loading: RefCell<Vec<PageKey>>,
    /// The file system can allocate space without writing it, as far as is known.
    pub(crate) can_allocate: Cell<bool>,
    /// Segment files that wait to be written again.
    pub(crate) pool: RefCell<Pool>,
    /// By index; the place of a deleted log is taken again.
    pub(crate) logs: RefCell<Vec<Option<Rc<LogInner>>>>,
    /// Logs with something for the next commit, in the order they came; each at most once.
    pub(crate) dirty: RefCell<VecDeque<u32>>,
    /// Logs that should be destaged; each at most once.
    pub(crate) destage: RefCell<VecDeque<u32>>,
    /// Logs that should get space behind their ends; each at most once.
    pub(crate) wants_space: RefCell<VecDeque<u32>>,
    /// A task makes it.
    pub(crate) is_making_space: Cell<bool>,
    /// Wakes the commit loop.
    pub(crate) commit_wake: Notify,
    /// Wakes the background loop.
    pub(crate) background_wake: Notify,
    /// Wakes the loop that syncs what is derived.
    pub(crate) derive_wake: Notify,
    /// It is to sync all of it.
    pub(crate) wants_derived: Cell<bool>,
    /// Logs that may have segments to seal, each at most once: that loop does it.
    pub(crate) to_seal: RefCell<BTreeSet<u32>>,
    /// Notifies all that wait for anything: a commit, a destaging, a page, space.
    pub(crate) progress: Notify,
    /// Accepted and not committed.
    pub(crate) pending_bytes: Cell<usize>,
    pub(crate) condition: Cell<Condition>,
    /// The journal's live files by first sequence, oldest first; the commit loop keeps it.
    pub(crate) journal_files: RefCell<VecDeque<u64>>,
    /// Of all journal files, those that are free included.
    pub(crate) journal_size_bytes: Cell<u64>,
    /// Data that these files describe.
    pub(crate) described_bytes: Cell<u64>,
    /// The background loop has made everything below this sequence superfluous.
    pub(crate) releasable_tail: Cell<u64>,
    /// Journal files below this sequence are about to be set free: they hold nothing for anybody.
    pub(crate) image_tail: Cell<u64>,
    /// Bytes appended since the indexes were last synced.
    pub(crate) bytes_since_sync: Cell<u64>,
    /// Tickets of those who want everything that was written so far flushed; the commit loop's
    /// next durable entry answers them.
    pub(crate) flush_wanted: Cell<u64>,
    /// The last ticket that was answered.
    pub(crate) flush_done: Cell<u64>,
    /// The store closes, and what was accepted does not fit the disk: the next start recovers.
    pub(crate) is_out_of_space: Cell<bool>,
    /// The background loop has ended: nothing more will be asked of the commit loop.
    pub(crate) is_background_done: Cell<bool>,
}

impl Shared {
    /// The log at an index, when it still exists.
    pub(crate) fn log(&self, key: u32) -> Option<Rc<LogInner>> {
        self.logs.borrow().get(key as usize)?.clone()
    }

    /// All logs.
    pub(crate) fn logs(&self) -> Vec<Rc<LogInner>> {
        self.logs.borrow().iter().flatten().cloned().collect()
    }

    /// Queues a log for the next commit.
    pub(crate) fn mark_dirty(&self, log: &LogInner) {
        if !log.is_dirty.replace(true) {
            self.dirty.borrow_mut().push_back(log.key);
            self.commit_wake.notify_one();
        }
    }

    /// What makes room on a full disk is committed first.
    pub(crate) fn put_urgent_first(&self) {
        let dirty = &mut *self.dirty.borrow_mut();
        let is_urgent = |&key: &u32| self.log(key).is_some_and(|log| log.is_urgent());
        dirty.make_contiguous().sort_by_key(|key| !is_urgent(key));
    }

    /// Queues a log for destaging.
    pub(crate) fn mark_for_destage(&self, log: &LogInner) {
        if !log.wants_destage.replace(true) {
            self.destage.borrow_mut().push_back(log.key);
            self.background_wake.notify_one();
        }
    }

    /// Has the segments of a log sealed that are full and wholly in their files.
    pub(crate) fn mark_for_seal(&self, log: &LogInner) {
        if log.has_sealable() {
            self.to_seal.borrow_mut().insert(log.key);
            self.derive_wake.notify_one();
        }
    }

    /// A write or flush failed: nothing more is written, everybody who waits is told. A full disk
    /// is a failure only of a store that closes, and whoever closes it says so.
    pub(crate) fn fail(&self, error: &StoreError) {
        if error.is_disk_full() {
            self.is_out_of_space.set(true);
        }
        let before = self.condition.replace(Condition::Failed);
        if before != Condition::Failed && !error.is_disk_full() {
            tracing::error!(
                directory = %self.config.directory.display(),
                "the log directory failed and nothing more is written to it: {error}"
            );
        }
        self.progress.notify_all();
        self.commit_wake.notify_one();
        self.background_wake.notify_one();
        self.derive_wake.notify_one();
    }

    /// Forgets what is at hand of a log's sealed segments: it was cut or deleted.
    pub(crate) fn forget_sealed(&self, log: u32) {
        self.sealed_indexes.borrow_mut().forget_log(log);
        self.sealed_txns.borrow_mut().forget_log(log);
        self.sealed_files.borrow_mut().forget_log(log);
    }

    /// The same of one segment.
    pub(crate) fn forget_segment(&self, key: SegmentKey) {
        self.sealed_indexes.borrow_mut().forget(key);
        self.sealed_txns.borrow_mut().forget(key);
        self.sealed_files.borrow_mut().forget(key);
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.condition.get() == Condition::Failed
    }

    /// First sequence of the journal file that entries go to now.
    pub(crate) fn journal_file(&self) -> u64 {
        *self
            .journal_files
            .borrow()
            .back()
            .expect("a journal has a file from its creation on")
    }
}
