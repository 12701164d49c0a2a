//! Space ahead of a segment's end: made before anything relies on it.
//!
//! Extending a file on the hot path costs a kernel worker thread for each write and a file-system
//! commit for each flush; and a journal's flush does not cover a file's metadata. So a segment is
//! a recycled file ([`crate::pool`]), or grows in steps, by zeroes written once and synced; in
//! `written` mode by space that is only allocated, and then a sync of the file is due before a
//! write there counts as durable ([`crate::segment::OwnWrites`]). Only for logs that the journal
//! knows: the length of their files is not their end.

use std::rc::Rc;

use engine_base::align_up;
use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_runtime::{BlockBuf, File, OpenOptions, WriteMode, fs};

use crate::config::Durability;
use crate::error::StoreError;
use crate::layout;
use crate::limits::{EXTEND_SIZE_BYTES_MAX, ZERO_WRITE_SIZE_BYTES};
use crate::load::extend_step_for;
use crate::log::LogInner;
use crate::segment::Segment;
use crate::shared::{Condition, Shared};
use crate::write::{Piece, cut_into_pieces};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

impl LogInner {
    /// Makes the segment's file reach `end` at least. Several may ask at the same time.
    pub(crate) async fn ensure_space(
        &self,
        segment_base: i64,
        end: u64,
    ) -> Result<Rc<File>, StoreError> {
        loop {
            let is_extending = {
                let mut state = self.state.borrow_mut();
                debug_assert!(state.is_introduced);
                let Some(segment) = state.segment_mut(segment_base) else {
                    return Err(StoreError::Failed);
                };
                if segment.is_sealed {
                    break;
                }
                if segment.is_created && segment.file_size_bytes >= align_up(end, BLOCK) {
                    break;
                }
                std::mem::replace(&mut segment.is_extending, true)
            };
            if is_extending {
                self.shared.progress.wait().await;
                continue;
            }
            let extended = self.extend(segment_base, end).await;
            if let Some(segment) = self.state.borrow_mut().segment_mut(segment_base) {
                segment.is_extending = false;
            }
            self.shared.progress.notify_all();
            extended?;
        }
        self.segment_file(segment_base).await
    }

    /// Adds what must lie behind data that ends at `end`; before the data, so that no kill comes
    /// between ([`Segment::end_of_data_guard`]).
    pub(crate) fn guard_end_of_data(
        &self,
        segment: &Segment,
        file: &Rc<File>,
        end: u64,
        pieces: &mut Vec<Piece>,
    ) {
        if self.shared.config.guards.end_of_data()
            && let Some(zeroes) = segment.end_of_data_guard(end)
        {
            cut_into_pieces(file, align_up(end, BLOCK), vec![zeroes], pieces);
        }
    }

    /// Asks for space in the background when there is less than half a step behind the end.
    pub(crate) fn maybe_extend_ahead(&self) {
        if self.missing_space().is_none() {
            return;
        }
        if !self.wants_space.replace(true) {
            self.shared.wants_space.borrow_mut().push_back(self.key);
        }
        if !self.shared.is_making_space.replace(true) {
            engine_runtime::spawn(make_space(Rc::clone(&self.shared))).detach();
        }
    }

    /// The active segment and how far its file should reach, when it should reach further.
    fn missing_space(&self) -> Option<(i64, u64)> {
        let state = self.state.borrow();
        let segment = state.active();
        let limit = align_up(state.config.segment_size_bytes(), BLOCK);
        let ahead = segment.file_size_bytes.saturating_sub(segment.end_position);
        let is_last = segment.file_size_bytes >= limit;
        // An idle log owns no space: its first small appends live in the journal.
        let is_in_file = segment.is_created && segment.destaged_position > 0;
        let is_short = is_in_file && !is_last && ahead < segment.extend_size_bytes / 2;
        let is_wanted = is_short && !segment.is_extending && !state.is_deleted;
        is_wanted.then_some((segment.base_offset, segment.file_size_bytes + 1))
    }

    async fn extend(&self, segment_base: i64, end: u64) -> Result<(), StoreError> {
        if self.take_recycled(segment_base).await? {
            return Ok(());
        }
        let file = self.created_file(segment_base).await?;
        let (from, until) = {
            let state = &mut *self.state.borrow_mut();
            // Longer than its data: a start that does not find it listed would leave it so.
            if let Some(segment) = state.segment_mut(segment_base) {
                segment.is_synced = false;
            }
            let segment = state.segment(segment_base).ok_or(StoreError::Failed)?;
            // The last step stops at the segment's limit: a roll comes before it.
            let limit = align_up(state.config.segment_size_bytes(), BLOCK);
            let ahead = self.step_within_space(segment.extend_size_bytes);
            let step = segment.file_size_bytes + ahead;
            let from = align_up(segment.file_size_bytes, BLOCK);
            (from, align_up(step.min(limit).max(end), BLOCK))
        };
        if !self.may_grow(until.saturating_sub(from)) {
            return Err(StoreError::DiskFull);
        }
        let is_allocated = from < until && self.allocate(&file, from, until).await?;
        if !is_allocated {
            prewrite(&file, from, until).await?;
        }
        if let Some(segment) = self.state.borrow_mut().segment_mut(segment_base) {
            if is_allocated {
                segment.allocated_until = until;
            }
            segment.file_size_bytes = until;
            segment.extend_size_bytes = (segment.extend_size_bytes * 2).min(EXTEND_SIZE_BYTES_MAX);
        }
        Ok(())
    }

    /// Space without zeroes, for a log in `written` mode; `false` when it must be pre-written.
    async fn allocate(&self, file: &Rc<File>, from: u64, until: u64) -> Result<bool, StoreError> {
        let is_written = self.state.borrow().config.durability == Durability::Written;
        if !is_written || !self.shared.can_allocate.get() {
            return Ok(false);
        }
        match file.allocate(from, until - from).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                self.shared.can_allocate.set(false);
                Ok(false)
            }
            Err(error) => Err(StoreError::io("extending", file.path())(error)),
        }
    }

    /// Gives a segment that has no bytes in its file a recycled one. Only a log that filled its
    /// last segment gets it: it will fill this one, while another would sit on space.
    async fn take_recycled(&self, segment_base: i64) -> Result<bool, StoreError> {
        let limit = {
            let state = self.state.borrow();
            let limit = state.config.segment_size_bytes();
            let index = state.segment_index_for(segment_base);
            let Some(last) = index.checked_sub(1).map(|last| &state.segments[last]) else {
                return Ok(false);
            };
            let segment = &state.segments[index];
            if segment.file_size_bytes > 0 || last.end_position < limit / 2 {
                return Ok(false);
            }
            align_up(limit, BLOCK)
        };
        let path = layout::segment_file(&self.directory, segment_base, layout::LOG_SUFFIX);
        let Some(size) = self.shared.reuse_file(&path, limit).await? else {
            return Ok(false);
        };
        if let Some(segment) = self.state.borrow_mut().segment_mut(segment_base) {
            segment.is_created = true;
            segment.is_synced = false;
            segment.is_prewritten = true;
            segment.file = None; // of the name's former holder
            segment.file_size_bytes = size;
            segment.recycled_until = size;
            segment.extend_size_bytes = extend_step_for(size);
        }
        self.segment_file(segment_base).await?;
        Ok(true)
    }

    /// The segment's file, made and durable by name when it does not exist yet.
    pub(crate) async fn created_file(&self, segment_base: i64) -> Result<Rc<File>, StoreError> {
        let is_created = self
            .state
            .borrow()
            .segment(segment_base)
            .is_some_and(|segment| segment.is_created);
        if is_created {
            return self.segment_file(segment_base).await;
        }
        let path = layout::segment_file(&self.directory, segment_base, layout::LOG_SUFFIX);
        let options = OpenOptions {
            direct: self.shared.is_direct,
            truncate: true,
            ..OpenOptions::writing()
        };
        let file = File::open(&path, options)
            .await
            .map_err(StoreError::io("creating", &path))?;
        fs::sync_dir(&self.directory)
            .await
            .map_err(StoreError::io("syncing", &self.directory))?;
        let file = Rc::new(file);
        if let Some(segment) = self.state.borrow_mut().segment_mut(segment_base) {
            segment.is_created = true;
            segment.is_prewritten = true;
            segment.file_size_bytes = 0;
            segment.file = Some(Rc::clone(&file));
        }
        Ok(file)
    }
}

/// Makes space for the logs that asked for it, one after the other: busy logs run out of it at the
/// same moments, and their zeroes together would hold up every commit. One whose turn comes too
/// late makes it itself, with its next write.
async fn make_space(shared: Rc<Shared>) {
    while shared.condition.get() == Condition::Open {
        let Some(key) = shared.wants_space.borrow_mut().pop_front() else {
            break;
        };
        let Some(log) = shared.log(key) else {
            continue;
        };
        log.wants_space.set(false);
        if let Some((segment_base, end)) = log.missing_space() {
            // When the disk is full the commit that needs the space finds out and says so.
            drop(log.ensure_space(segment_base, end).await);
        }
    }
    shared.is_making_space.set(false);
}

/// Zeroes, durably. What was written of them before an error is not counted, and is overwritten by
/// the next try.
async fn prewrite(file: &Rc<File>, from: u64, until: u64) -> Result<(), StoreError> {
    if from < until {
        let written = write_zeroes(file, from, until).await;
        written.map_err(StoreError::io("extending", file.path()))?;
    }
    let synced = file.sync_data().await;
    synced.map_err(StoreError::io("syncing", file.path()))
}

/// One write after the other: they run beside commits, whose writes should not queue behind them.
async fn write_zeroes(file: &Rc<File>, from: u64, until: u64) -> std::io::Result<()> {
    let size_max = (until - from).min(ZERO_WRITE_SIZE_BYTES);
    let zeroes = BlockBuf::new(size_max as usize).freeze();
    let mut position = from;
    while position < until {
        let size = (until - position).min(size_max);
        let piece = zeroes.slice(0..size as usize);
        file.write_at(position, [piece], WriteMode::Plain).await?;
        position += size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine_base::{ShardId, Uuid};
    use engine_record::validate::{Origin, Rules, validate_batch};
    use engine_record::{BatchBuilder, BatchOptions, Decompressor};
    use engine_runtime::{SimOptions, SimWorld, sleep, spawn};

    use crate::config::{IoMode, LogConfig, StoreConfig};
    use crate::recovery::{begin_use, recover};
    use crate::store::{LogStore, PartitionDir};

    const ROOT: &str = "/logs";

    #[test]
    fn logs_that_run_out_of_space_together_get_it_one_after_the_other() {
        let world = SimWorld::new(3, SimOptions::default());
        let process = world.add_process("broker");
        let most = world.runtime(process).block_on(async {
            fs_ready().await;
            let config = StoreConfig::new(ROOT, ShardId(0));
            let (store, _) = LogStore::open(config, Vec::new(), |_| {}).await.unwrap();
            let mut logs = Vec::new();
            for partition in 0..6 {
                logs.push(store.create_log(partition_dir(partition)).await.unwrap());
            }
            let loop_store = store.clone();
            spawn(async move { drop(loop_store.run_commits(|_| {}).await) }).detach();
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.append(1, None, Some(&vec![7; 150_000]), &[]);
            let bytes = builder.finish();
            let rules = Rules::default();
            let mut decompressor = Decompressor::default();
            let origin = Origin::Coordinator;
            let info = validate_batch(&bytes, origin, &rules, 0, &mut decompressor).unwrap();
            let mut most = 0;
            for _ in 0..20 {
                for log in &logs {
                    log.append(&bytes, &info, 0, 0).unwrap();
                }
                while logs
                    .iter()
                    .any(|it| it.durable_end_offset() < it.log_end_offset())
                {
                    sleep(Duration::from_micros(5)).await;
                    let states = logs.iter().map(|log| log.inner.state.borrow());
                    most = most.max(states.filter(|it| it.active().is_extending).count());
                }
            }
            sleep(Duration::from_secs(1)).await;
            assert!(logs.iter().all(|log| log.inner.missing_space().is_none()));
            most
        });
        // The one whose turn it is, and one that a commit waits for.
        assert!((1..=2).contains(&most), "{most}");
    }

    async fn fs_ready() {
        engine_runtime::fs::create_dir_all(ROOT).await.unwrap();
        recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
        begin_use(ROOT.as_ref()).await.unwrap();
    }

    fn partition_dir(partition: i32) -> PartitionDir {
        PartitionDir {
            topic: "topic".to_owned(),
            partition,
            topic_id: Uuid([7; 16]),
            config: LogConfig::default(),
        }
    }
}
