//! The commit loop of a shard: takes what arrived, commits it with one journal entry, tells whose
//! end moved, and begins again. One commit is in flight; what arrives meanwhile joins the next.
//! It never waits for a timer while there is work, and waits for room in the journal only before it
//! takes what the room is for (`journal_room.rs`).
//!
//! Owns the journal. Runs as a task whose panic stops the process.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use engine_journal::Journal;
use engine_runtime::{File, WriteMode, race, sleep};

use crate::advance::{advance_part, hold_image, put_back};
use crate::commit::{EntryPlan, Left, take_parts};
use crate::error::StoreError;
use crate::journal_room::NewFile;
use crate::limits::{IDLE_MARK_AFTER, LOGS_IN_FLIGHT_MAX, SPACE_RETRY_AFTER};
use crate::log::{Log, LogInner};
use crate::part::{Part, Work};
use crate::shared::{Condition, Shared};
use crate::store::{LogStore, journal_error};
use crate::write::{Piece, cut_into_pieces, run_all, write_all};

impl LogStore {
    /// Runs the commit loop until [`LogStore::close`] has been asked for and everything is
    /// committed. `on_committed` is called after each commit with the logs whose
    /// [`Log::durable_end_offset`] moved; it must not wait.
    ///
    /// # Errors
    /// A write or flush failed: nothing more is written, the process must stop, and the next
    /// start recovers. Or the store closes on a full disk, which [`LogStore::close`] says as well.
    ///
    /// # Panics
    /// When it runs already.
    pub async fn run_commits(
        &self,
        mut on_committed: impl FnMut(&[Log]),
    ) -> Result<(), StoreError> {
        let Some(journal) = self.journal.borrow_mut().take() else {
            // Closed before the loop came to run.
            assert_eq!(
                self.shared.condition.get(),
                Condition::Closing,
                "one commit loop"
            );
            return Ok(());
        };
        let background =
            engine_runtime::spawn_critical("destage", crate::destage::run(Rc::clone(&self.shared)));
        let deriving =
            engine_runtime::spawn_critical("derive", crate::derive::run(Rc::clone(&self.shared)));
        let described = VecDeque::from([(journal.file_first_sequence(), 0)]);
        let mut pipeline = Pipeline {
            shared: Rc::clone(&self.shared),
            journal,
            described,
            vouched: 0,
            last_commit: 0,
            new_file: Rc::default(),
            committed: Vec::new(),
        };
        let result = pipeline.run(&mut on_committed).await;
        if let Err(error) = &result {
            self.shared.fail(error);
        }
        // The loops end together: nobody writes after the journal was given back.
        self.shared.background_wake.notify_one();
        drop(background.await);
        self.shared.derive_wake.notify_one();
        drop(deriving.await);
        *self.journal.borrow_mut() = Some(pipeline.journal);
        self.shared.progress.notify_all();
        result
    }
}

pub(crate) struct Pipeline {
    pub(crate) shared: Rc<Shared>,
    pub(crate) journal: Journal,
    /// First sequence of each live journal file, and how much data its entries describe.
    pub(crate) described: VecDeque<(u64, u64)>,
    /// The last entry that a later durable one states as durable.
    vouched: u64,
    /// The last entry that holds more than nothing.
    last_commit: u64,
    pub(crate) new_file: Rc<RefCell<NewFile>>,
    /// Logs whose end moved; kept to be filled again.
    committed: Vec<Log>,
}

impl Pipeline {
    async fn run(&mut self, on_committed: &mut impl FnMut(&[Log])) -> Result<(), StoreError> {
        self.write_checkpoint().await?;
        loop {
            if self.shared.is_failed() {
                return Err(StoreError::Failed);
            }
            self.release();
            self.take_new_file()?;
            self.begin_file_when_due().await?;
            let room = self.room_for_commit();
            let mut parts = self.take(room);
            if parts.is_empty() && room < self.payload_size_max() {
                parts = self.take_images();
            }
            if !parts.is_empty() {
                self.commit(parts).await?;
                on_committed(&self.committed);
                self.committed.clear();
                continue;
            }
            if self.shared.flush_wanted.get() > self.shared.flush_done.get() {
                self.write_entry(&EntryPlan::default(), true).await?;
                continue;
            }
            if self.shared.condition.get() == Condition::Closing {
                if self.is_drained() {
                    return Ok(());
                }
                // There is no room for what is left, and nobody makes any: the disk is full.
                if self.shared.is_background_done.get() {
                    return Err(StoreError::DiskFull);
                }
            }
            self.wait().await?;
        }
    }

    /// Whether nothing is left that the background loop may still ask for.
    fn is_drained(&self) -> bool {
        self.shared.dirty.borrow().is_empty() && self.shared.is_background_done.get()
    }

    async fn wait(&mut self) -> Result<(), StoreError> {
        let shared = Rc::clone(&self.shared);
        let wake = shared.commit_wake.wait();
        if shared.condition.get() == Condition::DiskFull {
            race(wake, sleep(SPACE_RETRY_AFTER)).await;
            self.maybe_leave_disk_full().await;
            return Ok(());
        }
        let is_unvouched =
            self.last_commit > self.vouched && self.journal.durable() >= self.last_commit;
        // The last file is not for marks: what sets files free writes durable entries anyway.
        let has_room = self.journal.fits(0) || self.may_begin_file();
        if !is_unvouched || !has_room {
            wake.await;
            return Ok(());
        }
        let outcome = race(wake, sleep(IDLE_MARK_AFTER)).await;
        if matches!(outcome, engine_runtime::Either::Right(())) {
            self.make_room(0).await?;
            self.append(&EntryPlan::default(), WriteMode::Durable)
                .await?;
        }
        Ok(())
    }

    /// The next parts, as many as have room.
    fn take(&mut self, mut room: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.shared.condition.get() == Condition::DiskFull {
            self.shared.put_urgent_first();
        }
        let queued = self.shared.dirty.borrow().len();
        for _ in 0..queued {
            let Some(key) = self.shared.dirty.borrow_mut().pop_front() else {
                break;
            };
            let Some(log) = self.shared.log(key) else {
                continue;
            };
            log.is_dirty.set(false);
            let left = take_parts(&log, &mut room, &mut parts);
            if left == Left::Nothing {
                continue;
            }
            log.is_dirty.set(true);
            let mut dirty = self.shared.dirty.borrow_mut();
            if left == Left::NoRoom {
                dirty.push_front(key);
                break;
            }
            dirty.push_back(key);
        }
        parts
    }

    /// The images that the background loop waits for, past everything else in their logs' queues:
    /// commits wait for a journal file, and the file for these.
    fn take_images(&mut self) -> Vec<Part> {
        let mut room = self.payload_size_max();
        let mut parts = Vec::new();
        for log in self.shared.logs() {
            if let Some((part, size)) = take_image(&log, room) {
                room -= size;
                parts.push(part);
            }
        }
        parts
    }

    async fn commit(&mut self, parts: Vec<Part>) -> Result<(), StoreError> {
        let (mut large, mut parts): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|part| matches!(part.work, Work::Large(_)));
        for part in &large {
            if let Work::Large(pending) = &part.work {
                part.log.lock_segment(pending.segment_base).await;
            }
        }
        self.prepare(&large).await?;
        let writes = self.plan_writes(&mut large).await?;
        parts.append(&mut large);
        if parts.is_empty() {
            // There is no space for any of it: not tried again at once.
            return self.wait().await;
        }
        sync_behind_switches(&parts).await?;
        if self.shared.config.guards.segment_before_entry() {
            self.write_segments(writes).await?;
            self.describe(&parts).await?;
        } else {
            self.describe(&parts).await?;
            self.write_segments(writes).await?;
        }
        self.shared.progress.notify_all();
        Ok(())
    }

    /// Before large units may be written: entries until their logs are introduced and the blocks
    /// that they rewrite are held. Making room for an entry may release a journal file that held
    /// one, so the question is asked again behind each.
    async fn prepare(&mut self, large: &[Part]) -> Result<(), StoreError> {
        loop {
            let mut plan = EntryPlan::default();
            let mut prepared = Vec::new();
            for part in large {
                let Work::Large(pending) = &part.work else {
                    unreachable!("filtered")
                };
                if plan.size_bytes() + part.preparation_size_bytes() > self.payload_size_max() {
                    break; // the rest goes to the next entry
                }
                plan.put_preparation(part, pending.segment_base);
                prepared.push(part);
            }
            if plan.is_empty() {
                return Ok(());
            }
            self.write_entry(&plan, false).await?;
            for part in prepared {
                self.on_prepared(part);
            }
        }
    }

    /// Entries for all parts, as few as hold them: nearly always one.
    async fn describe(&mut self, parts: &[Part]) -> Result<(), StoreError> {
        let mut rest = parts;
        while !rest.is_empty() {
            let mut plan = EntryPlan::default();
            let mut count = 0;
            for part in rest {
                let size = plan.size_bytes() + part.entry_size_bytes();
                if count > 0 && size > self.payload_size_max() {
                    break;
                }
                put_part(&mut plan, part);
                count += 1;
            }
            let sequence = match plan.is_empty() {
                true => 0, // an image that is not needed any more
                false => self.write_entry(&plan, false).await?,
            };
            let (described, left) = rest.split_at(count);
            self.advance(described, sequence);
            rest = left;
        }
        Ok(())
    }

    pub(crate) fn payload_size_max(&self) -> usize {
        self.journal.payload_size_max()
    }

    /// A large part's log is introduced and its block held, durably.
    fn on_prepared(&self, part: &Part) {
        let Work::Large(pending) = &part.work else {
            return;
        };
        let state = &mut *part.log.state.borrow_mut();
        state.is_introduced = true;
        hold_image(
            state,
            pending.segment_base,
            part,
            self.shared.journal_file(),
        );
    }

    /// What goes to segments: large units, with the small bytes before them. Parts for which the
    /// disk has no space go back to their logs.
    async fn plan_writes(&mut self, large: &mut Vec<Part>) -> Result<Writes, StoreError> {
        let mut writes = Writes::default();
        let mut index = 0;
        while index < large.len() {
            let Work::Large(pending) = large[index].work.clone() else {
                unreachable!("filtered")
            };
            let log = Rc::clone(&large[index].log);
            let end = pending.position + pending.size_bytes;
            let file = match log.ensure_space(pending.segment_base, end).await {
                Ok(file) => file,
                Err(error) => {
                    log.unlock_segment(pending.segment_base);
                    let is_closing = self.shared.condition.get() == Condition::Closing;
                    if is_closing || !error.is_disk_full() {
                        return Err(error);
                    }
                    self.shared.enter_disk_full();
                    put_back(&log, large.remove(index).work);
                    continue;
                }
            };
            let state = log.state.borrow();
            let segment = state
                .segment(pending.segment_base)
                .expect("pending bytes keep it");
            let range = segment.destaged_position..end;
            let blocks = range.clone();
            let (position, slices) = state.tail.blocks(pending.segment_base, blocks);
            log.guard_end_of_data(segment, &file, end, &mut writes.pieces);
            cut_into_pieces(&file, position, slices, &mut writes.pieces);
            let is_own =
                self.shared.config.guards.own_sync() && range.start < segment.allocated_until;
            if large[index].is_flushed && (self.shared.syncs_each_file || is_own) {
                writes.files.push(file);
            }
            index += 1;
        }
        Ok(writes)
    }

    async fn write_segments(&mut self, writes: Writes) -> Result<(), StoreError> {
        let directory = &self.shared.config.directory;
        write_all(writes.pieces)
            .await
            .map_err(StoreError::io("writing segments in", directory))?;
        let syncs = writes
            .files
            .iter()
            .map(|file| async move { file.sync_data().await });
        let synced = run_all(syncs, LOGS_IN_FLIGHT_MAX).await;
        synced.map_err(StoreError::io("syncing segments in", directory))
    }

    /// Moves the ends of what an entry made kept.
    fn advance(&mut self, parts: &[Part], sequence: u64) {
        let file = self.shared.journal_file();
        self.last_commit = self.last_commit.max(sequence);
        for part in parts {
            let moved = advance_part(&self.shared, part, file);
            if moved > 0 {
                self.on_described(moved);
                self.committed.push(Log {
                    inner: Rc::clone(&part.log),
                });
            }
        }
        for part in parts {
            part.log.after_commit();
        }
    }

    /// Writes an entry, durable when anything asks for it, in a journal file with room for it.
    async fn write_entry(&mut self, plan: &EntryPlan, flushes: bool) -> Result<u64, StoreError> {
        self.make_room(plan.size_bytes()).await?;
        let ticket = self.shared.flush_wanted.get();
        let wants_flush = ticket > self.shared.flush_done.get();
        let is_durable = plan.must_be_durable || flushes || wants_flush;
        let mode = if is_durable {
            WriteMode::Durable
        } else {
            WriteMode::Plain
        };
        let sequence = self.append(plan, mode).await?;
        if is_durable && wants_flush {
            self.shared.flush_done.set(ticket);
            self.shared.progress.notify_all();
        }
        Ok(sequence)
    }

    pub(crate) async fn append(
        &mut self,
        plan: &EntryPlan,
        mode: WriteMode,
    ) -> Result<u64, StoreError> {
        let stated = self.journal.durable();
        let appended = self
            .journal
            .append(plan.size_bytes(), |target| plan.fill(target), mode);
        let sequence = appended.await.map_err(journal_error)?;
        if mode == WriteMode::Durable {
            self.vouched = self.vouched.max(stated);
        }
        Ok(sequence)
    }
}

/// The direct writes of one commit, and the files to sync behind them.
#[derive(Default)]
struct Writes {
    pieces: Vec<Piece>,
    files: Vec<Rc<File>>,
}

/// A unit that is to be flushed may follow others of its log that were only written, or destaged
/// into allocated space: what only a sync of their files makes durable must be so before it.
async fn sync_behind_switches(parts: &[Part]) -> Result<(), StoreError> {
    let is_flushed_unit =
        |part: &&Part| part.is_flushed && matches!(part.work, Work::Small(_) | Work::Large(_));
    let logs = parts.iter().filter(is_flushed_unit).map(|part| &part.log);
    run_all(logs.map(|log| log.sync_own_writes()), LOGS_IN_FLIGHT_MAX).await
}

/// The image that a log wants, and the room that it takes.
fn take_image(log: &Rc<LogInner>, room: usize) -> Option<(Part, usize)> {
    let segment_base = {
        let state = log.state.borrow();
        state.wants_image.filter(|_| !state.is_deleted)?
    };
    let part = Part::new(log, Work::Image { segment_base });
    let size = part.entry_size_bytes();
    if size > room {
        return None;
    }
    log.state.borrow_mut().is_in_commit = true;
    Some((part, size))
}

/// Puts a part, behind its preparation unless that was in an entry of its own.
fn put_part(plan: &mut EntryPlan, part: &Part) {
    match &part.work {
        Work::Small(pending) => {
            plan.put_preparation(part, pending.segment_base);
            plan.put_unit(part, pending, false);
        }
        Work::Large(pending) => plan.put_unit(part, pending, true),
        Work::Control(control) => {
            plan.put_introduction(&part.log);
            plan.put_control(&part.log, control);
        }
        Work::Image { segment_base } => {
            plan.put_preparation(part, *segment_base);
        }
    }
}
