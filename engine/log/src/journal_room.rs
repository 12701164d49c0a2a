//! Room in the journal: which file entries go to, when a new one begins, and which are set free.
//!
//! ```text
//! files in use    1 .. 7                     8                 9 ..
//! may be begun    before a commit is taken   inside a commit, for images, flushes
//! ```
//! What sets a file free asks for entries itself: images of the blocks that the destager rewrites,
//! and flushes. So commits leave the last file to them, and wait only before they are taken, when
//! nothing is locked that the background loop could want. An image or an entry of a commit that is
//! under way never waits for a file to be set free; it begins one more at need. At most one image
//! for each log is needed to set the oldest file free, which bounds these.
//!
//! A start verifies what the files describe, so that is bounded too. A file that has described
//! `checkpoint_after_bytes` is due: a new one begins as soon as there is one, and the background loop
//! sets the older ones free. When all that are not free have described twice as much, commits wait in
//! the same way: images and flushes go on.
//!
//! The journal's part of the commit loop, on the shard's core.

use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_journal::limits::{FILES_HARD_MAX, FILES_MAX};
use engine_journal::{JournalError, PreparedFile, prepare_file};
use engine_runtime::{WriteMode, race, sleep};

use crate::commit::EntryPlan;
use crate::error::StoreError;
use crate::limits::{DESCRIBED_CHECKPOINTS_MAX, SPACE_RETRY_AFTER};
use crate::pipeline::Pipeline;
use crate::shared::Condition;
use crate::store::journal_error;

/// A journal file that is being made, or was.
#[derive(Default)]
pub(crate) enum NewFile {
    #[default]
    None,
    Preparing,
    Ready(PreparedFile),
    Failed(JournalError),
}

impl Pipeline {
    /// How large a commit may be taken now: the largest there is, or what the present file still
    /// takes while there is no other for commits.
    pub(crate) fn room_for_commit(&mut self) -> usize {
        let largest = self.journal.payload_size_max();
        let fits = self.journal.fits(largest);
        let may_begin_file = self.may_begin_file();
        let is_due_soon = 2 * self.described_by_file() >= self.checkpoint_after_bytes();
        if !may_begin_file && (is_due_soon || !fits) {
            self.prepare_file_ahead();
        }
        if self.describes_too_much() {
            return 0;
        }
        if may_begin_file {
            return largest;
        }
        if fits {
            return largest;
        }
        // A large unit may need an entry of its own before it; each is padded to whole blocks.
        let left = self.journal.payload_size_left();
        left.saturating_sub(2 * BLOCK_SIZE_BYTES).min(largest)
    }

    /// Whether a file is at hand that a commit may begin, with one left for what sets files free.
    pub(crate) fn may_begin_file(&self) -> bool {
        self.journal.has_free_file() && self.journal.live_count() + 1 < FILES_MAX
    }

    fn checkpoint_after_bytes(&self) -> u64 {
        self.shared.config.sizes.checkpoint_after_bytes
    }

    /// Data that the present file describes.
    fn described_by_file(&self) -> u64 {
        let present = self.described.back();
        present.expect("a journal has a file").1
    }

    /// Whether the present file has described what one should.
    fn is_file_due(&self) -> bool {
        self.described_by_file() >= self.checkpoint_after_bytes()
    }

    /// Whether a start would have to verify as much as it should at most.
    fn describes_too_much(&self) -> bool {
        let bound = DESCRIBED_CHECKPOINTS_MAX * self.checkpoint_after_bytes();
        self.shared.described_bytes.get() >= bound
    }

    /// An entry describes so many bytes more.
    pub(crate) fn on_described(&mut self, bytes: u64) {
        let present = self.described.back_mut();
        present.expect("a journal has a file").1 += bytes;
        let described = &self.shared.described_bytes;
        described.set(described.get() + bytes);
        let since_sync = self.shared.bytes_since_sync.get();
        // Once for each file, in its second half; for files that end early, by what was appended.
        let is_half = 2 * self.described_by_file() >= self.checkpoint_after_bytes();
        let enough = match is_half {
            true => self.checkpoint_after_bytes() / 4 * 3,
            false => self.checkpoint_after_bytes(),
        };
        if since_sync >= enough && !self.shared.wants_derived.replace(true) {
            self.shared.derive_wake.notify_one();
        }
    }

    /// Begins the next file when the present one is due, so that the older ones can be set free.
    pub(crate) async fn begin_file_when_due(&mut self) -> Result<(), StoreError> {
        if self.is_file_due() && self.may_begin_file() {
            self.begin_file().await?;
        }
        Ok(())
    }

    /// Makes the present journal file one that takes `payload_size` bytes. Waits for nothing but
    /// the disk.
    pub(crate) async fn make_room(&mut self, payload_size: usize) -> Result<(), StoreError> {
        loop {
            if self.shared.is_failed() {
                return Err(StoreError::Failed);
            }
            let has_space = self.take_new_file()?;
            let fits = self.journal.fits(payload_size);
            if fits && !(self.is_file_due() && self.may_begin_file()) {
                return Ok(());
            }
            if self.journal.has_free_file() {
                self.begin_file().await?;
                continue;
            }
            if self.journal.file_count() >= FILES_HARD_MAX {
                let full = std::io::ErrorKind::StorageFull.into();
                let directory = &self.shared.config.directory;
                return Err(StoreError::io("extending the journal in", directory)(full));
            }
            // A stop does not wait for space.
            if !has_space && self.shared.condition.get() == Condition::Closing {
                return Err(StoreError::DiskFull);
            }
            if self.shared.condition.get() == Condition::DiskFull {
                sleep(SPACE_RETRY_AFTER).await;
                self.maybe_leave_disk_full().await;
            }
            self.prepare_file();
            let wake = self.shared.progress.wait();
            race(wake, sleep(SPACE_RETRY_AFTER)).await;
        }
    }

    async fn begin_file(&mut self) -> Result<(), StoreError> {
        self.journal.switch().await.map_err(journal_error)?;
        let first = self.journal.file_first_sequence();
        self.shared.journal_files.borrow_mut().push_back(first);
        self.described.push_back((first, 0));
        self.write_checkpoint().await?;
        self.shared.background_wake.notify_one();
        // While the store closes, that loop waits for whatever happens.
        self.shared.progress.notify_all();
        Ok(())
    }

    /// States every log that the journal knows: the first entries of each file.
    pub(crate) async fn write_checkpoint(&mut self) -> Result<(), StoreError> {
        let size_max = self.journal.payload_size_max();
        let mut plan = EntryPlan::default();
        // A state of a log with very many unsynced segments is the largest there is.
        let state_size_max = crate::limits::UNSYNCED_SEGMENTS_MAX * 16 + 256;
        for log in self.shared.logs() {
            plan.put_state_of_known(&log);
            if plan.size_bytes() + state_size_max > size_max && !plan.is_empty() {
                self.append(&plan, WriteMode::Durable).await?;
                plan = EntryPlan::default();
            }
        }
        // Also when there is nothing to state: the first entry of a file is always there.
        self.append(&plan, WriteMode::Durable).await?;
        Ok(())
    }

    /// Begins making the next journal file for commits, or the one that is left to others. On a
    /// full disk it waits until there is space, but for what makes room: that is what the reserve
    /// is for.
    fn prepare_file_ahead(&mut self) {
        let is_full = self.shared.condition.get() == Condition::DiskFull;
        let has_space = || self.has_urgent() && self.shared.has_reserve(self.file_size_bytes());
        if self.journal.file_count() < FILES_MAX && (!is_full || has_space()) {
            self.prepare_file();
        }
    }

    fn file_size_bytes(&self) -> u64 {
        self.journal.options().file_size_bytes
    }

    /// Whether something waits for a commit that makes room on a full disk.
    fn has_urgent(&self) -> bool {
        let dirty = self.shared.dirty.borrow();
        let mut logs = dirty.iter().filter_map(|&key| self.shared.log(key));
        logs.any(|log| log.is_urgent())
    }

    fn prepare_file(&mut self) {
        let is_idle = matches!(*self.new_file.borrow(), NewFile::None);
        if !is_idle || self.journal.has_free_file() {
            return;
        }
        *self.new_file.borrow_mut() = NewFile::Preparing;
        let (place, shared) = (Rc::clone(&self.new_file), Rc::clone(&self.shared));
        let options = self.journal.options().clone();
        engine_runtime::spawn(async move {
            let made = prepare_file(&options, options.file_size_bytes).await;
            *place.borrow_mut() = match made {
                Ok(file) => NewFile::Ready(file),
                Err(error) => NewFile::Failed(error),
            };
            shared.progress.notify_all();
            shared.commit_wake.notify_one();
        })
        .detach();
    }

    /// Adds the file that was made since the last time; `false` when there was no space for it.
    pub(crate) fn take_new_file(&mut self) -> Result<bool, StoreError> {
        let new_file = &mut *self.new_file.borrow_mut();
        match std::mem::take(new_file) {
            NewFile::None => {}
            NewFile::Preparing => *new_file = NewFile::Preparing,
            NewFile::Ready(file) => {
                self.journal.add_file(file);
                let size_bytes = &self.shared.journal_size_bytes;
                size_bytes.set(size_bytes.get() + self.file_size_bytes());
            }
            NewFile::Failed(error) => {
                let error = journal_error(error);
                if !error.is_disk_full() {
                    return Err(error);
                }
                self.shared.enter_disk_full();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives back the journal files that the background loop has made superfluous.
    pub(crate) fn release(&mut self) {
        let tail = self.shared.releasable_tail.get();
        let is_news = {
            let files = self.shared.journal_files.borrow();
            files.front().is_some_and(|&it| it < tail)
        };
        if !is_news || self.asks_for_images(tail) {
            return;
        }
        self.journal.release(tail);
        self.described.retain(|&(file, _)| file >= tail);
        let left = self.described.iter().map(|(_, bytes)| bytes).sum();
        self.shared.described_bytes.set(left);
        self.shared
            .journal_files
            .borrow_mut()
            .retain(|&file| file >= tail);
        for log in self.shared.logs() {
            let mut state = log.state.borrow_mut();
            for segment in &mut state.segments {
                segment.held.release_below(tail);
            }
        }
        self.shared.progress.notify_all();
    }

    /// A unit that was planned before the background loop began to set files free may have been
    /// committed since, behind a block that only those files hold. The block is held anew first.
    fn asks_for_images(&self, tail: u64) -> bool {
        if !self.shared.config.guards.tail_image() {
            return false;
        }
        let mut is_asked = false;
        for log in self.shared.logs() {
            let mut state = log.state.borrow_mut();
            let missing = state.segments.iter().find(|segment| {
                segment.pinned_bytes() > 0
                    && !segment.held.allows_rewrite(segment.destaged_position, tail)
            });
            if let Some(segment_base) = missing.map(|segment| segment.base_offset) {
                state.wants_image = Some(segment_base);
                is_asked = true;
                drop(state);
                self.shared.mark_dirty(&log);
            }
        }
        is_asked
    }

    /// On a full disk the pool's space goes first; then appends go on when there is enough.
    pub(crate) async fn maybe_leave_disk_full(&self) {
        self.shared.empty_pool().await;
        let config = &self.shared.config;
        let space = engine_runtime::fs::disk_space(&config.directory);
        // What was accepted and waits takes its part of it at once.
        let needed_bytes = config.free_space_bytes_min + self.shared.pending_bytes.get() as u64;
        let has_space = space.is_ok_and(|space| space.available_bytes >= needed_bytes);
        if has_space && self.shared.condition.get() == Condition::DiskFull {
            tracing::info!(
                "{}: space is back, appends go on",
                config.directory.display()
            );
            self.shared.condition.set(Condition::Open);
            for log in self.shared.logs() {
                if !log.state.borrow().pending.is_empty() {
                    self.shared.mark_dirty(&log);
                }
            }
            self.shared.progress.notify_all();
            self.shared.background_wake.notify_one();
        }
    }
}
