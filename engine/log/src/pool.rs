//! Segment files that were given up, kept to be written again.
//!
//! ```text
//! segment of a log --- trimmed, cut off, or deleted with its topic ---> ottla-pool-<shard>-<n>
//!                                                                               |
//! new segment of a log that filled its last one  <------------- renamed --------+
//! ```
//! Every block of such a file was written and synced once, so writing it again changes no
//! metadata: a log that takes one writes no zeroes ahead of its data. The file keeps its old bytes.
//! Three rules keep them from being taken for records:
//!
//! - That the old owner does not need the file any more is durable before the file leaves it; that
//!   the file has left is durable before one of its bytes changes; and that it has a new owner
//!   before the owner's bytes go into it. So no crash gives a log a file with bytes of another's.
//! - The journal says where data ends; recovery cuts there. Nothing is believed for its checksum.
//! - Apache Kafka, started on a directory that was not recovered, would believe whole batches. So
//!   the first block is zeroed before the file gets a segment's name, and a write that would leave
//!   old bytes right behind its end zeroes the next block first.
//!
//! One pool for each shard, on its core. Bounded in files, in bytes, and by the free space; empty
//! when space runs low, at every start and after a clean stop. It takes only files that this
//! process wrote itself: of others nobody knows whether they have holes.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{align_down, align_up};
use engine_record::BATCH_HEADER_SIZE_BYTES;
use engine_runtime::{BlockBuf, File, OpenOptions, Slice, WriteMode, fs};

use crate::error::StoreError;
use crate::layout::{POOL_FILE_PREFIX, pool_file};
use crate::limits::{POOL_FILES_MAX, POOL_FREE_SPACE_PARTS};
use crate::log::LogInner;
use crate::segment::Segment;
use crate::shared::{Condition, Shared};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

/// A shard's recycled files.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Largest last.
    files: Vec<PoolFile>,
    size_bytes: u64,
    /// Names are used once in the life of a process.
    next_number: u64,
}

#[derive(Debug)]
struct PoolFile {
    path: PathBuf,
    size_bytes: u64,
}

impl Pool {
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn file_count(&self) -> usize {
        self.files.len()
    }

    fn push(&mut self, file: PoolFile) {
        self.size_bytes += file.size_bytes;
        let index = self
            .files
            .partition_point(|it| it.size_bytes < file.size_bytes);
        self.files.insert(index, file);
    }

    /// The largest file that is not above `size_bytes_max`: a larger one would hold space that
    /// the segment never uses.
    fn take(&mut self, size_bytes_max: u64) -> Option<PoolFile> {
        let above = self
            .files
            .partition_point(|it| it.size_bytes <= size_bytes_max);
        let file = self.files.remove(above.checked_sub(1)?);
        self.size_bytes -= file.size_bytes;
        Some(file)
    }
}

impl Segment {
    fn give_up_file(&mut self, is_read: bool) -> u64 {
        let file = self.file.take();
        let is_alone = !is_read && file.is_none_or(|file| Rc::strong_count(&file) == 1);
        let is_settled = self.is_prewritten && !self.is_extending && !self.is_writing;
        if is_settled && is_alone && self.allocated_until == 0 {
            // The last partial block goes: direct writes take whole ones.
            align_down(self.file_size_bytes, BLOCK)
        } else {
            0
        }
    }

    /// What a write of whole blocks that hold data up to `end` must have behind it in a recycled
    /// file, when old bytes follow so closely that a batch could begin there: a block of zeroes.
    pub(crate) fn end_of_data_guard(&self, end: u64) -> Option<Slice> {
        let padded_end = align_up(end, BLOCK);
        let has_stale = padded_end < self.recycled_until;
        let is_close = padded_end - end < BATCH_HEADER_SIZE_BYTES as u64;
        (has_stale && is_close).then(|| BlockBuf::new(BLOCK_SIZE_BYTES).freeze())
    }
}

impl LogInner {
    /// The segment is about to leave the log: lets go of its file, and says how many bytes of it
    /// can be written again in place. Zero when somebody still uses it.
    pub(crate) fn give_up_file(&self, segment: &mut Segment) -> u64 {
        let key = (self.key, segment.base_offset);
        let kept_open = self.shared.sealed_files.borrow_mut().find(key);
        // One reference is the list's of open files.
        let is_read = kept_open.is_some_and(|file| Rc::strong_count(&file) > 2);
        segment.give_up_file(is_read)
    }
}

impl Shared {
    /// A segment's file has no owner any more, durably: the pool takes it, when `reusable_bytes`
    /// of it can be written again and there is room, or it is removed.
    pub(crate) async fn retire_file(
        &self,
        path: &Path,
        reusable_bytes: u64,
    ) -> Result<(), StoreError> {
        if let Some(target) = self.place_in_pool(reusable_bytes)
            // A backup may be made of hard links.
            && fs::has_other_names(path).await.is_ok_and(|has| !has)
        {
            // From another file system (a mounted partition folder) it cannot come.
            if fs::rename(path, &target).await.is_ok() {
                if self.config.guards.names_before_reuse() {
                    // With it, what was removed from the folder before: segments go in order.
                    self.sync_folder(path).await?;
                    self.sync_root().await?;
                }
                return self.prepare_for_reuse(target, reusable_bytes).await;
            }
        }
        match fs::remove_file(path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("removing", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The name that a file of this size gets; `None` when the pool does not take it.
    fn place_in_pool(&self, size_bytes: u64) -> Option<PathBuf> {
        let config = &self.config;
        let pool = &mut *self.pool.borrow_mut();
        let size_after = pool.size_bytes + size_bytes;
        let is_welcome = self.condition.get() != Condition::DiskFull
            && size_bytes >= config.pool_file_size_bytes_min
            && pool.files.len() < POOL_FILES_MAX
            && size_after <= config.pool_size_bytes_max;
        if !is_welcome || self.is_short_of_space(size_after) {
            return None;
        }
        pool.next_number += 1;
        Some(pool_file(&config.directory, config.shard, pool.next_number))
    }

    /// Whether a pool of this size holds too large a part of what others could use.
    fn is_short_of_space(&self, pool_size_bytes: u64) -> bool {
        let space = fs::disk_space(&self.config.directory);
        !space.is_ok_and(|it| pool_size_bytes <= it.available_bytes / POOL_FREE_SPACE_PARTS)
    }

    async fn prepare_for_reuse(&self, path: PathBuf, size_bytes: u64) -> Result<(), StoreError> {
        if self.config.guards.end_of_data() {
            let failed = || StoreError::io("recycling", path.clone());
            let options = OpenOptions {
                read: true,
                write: true,
                direct: self.is_direct,
                ..OpenOptions::default()
            };
            let file = File::open(&path, options).await.map_err(failed())?;
            let zeroes = BlockBuf::new(BLOCK_SIZE_BYTES).freeze();
            let written = file.write_at(0, [zeroes], WriteMode::Durable).await;
            written.map_err(failed())?;
        }
        self.pool.borrow_mut().push(PoolFile { path, size_bytes });
        Ok(())
    }

    /// Puts a recycled file of at most `size_bytes_max` in the place of `path`, durably; returns
    /// its size.
    pub(crate) async fn reuse_file(
        &self,
        path: &Path,
        size_bytes_max: u64,
    ) -> Result<Option<u64>, StoreError> {
        let Some(file) = self.pool.borrow_mut().take(size_bytes_max) else {
            return Ok(None);
        };
        match fs::rename(&file.path, path).await {
            // Somebody tidied up; zeroes will do.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(StoreError::io("recycling", &file.path))?,
        }
        if self.config.guards.names_before_reuse() {
            self.sync_root().await?;
            self.sync_folder(path).await?;
        }
        Ok(Some(file.size_bytes))
    }

    /// The names in the folder that a segment's file lies, or lay, in.
    async fn sync_folder(&self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().expect("a segment lies in a folder");
        let synced = fs::sync_dir(folder).await;
        synced.map_err(StoreError::io("syncing", folder))
    }

    async fn sync_root(&self) -> Result<(), StoreError> {
        let root = &self.config.directory;
        let synced = fs::sync_dir(root).await;
        synced.map_err(StoreError::io("syncing", root))
    }

    /// Gives the pool's space back as far as it is too large a part of what is free.
    pub(crate) async fn shrink_pool(&self) {
        while self.is_short_of_space(self.pool.borrow().size_bytes) {
            if !self.remove_pool_file().await {
                return;
            }
        }
    }

    /// Gives all of the pool's space back: the disk is full.
    pub(crate) async fn empty_pool(&self) {
        while self.remove_pool_file().await {}
    }

    /// Removes the largest file; `false` when there is none.
    async fn remove_pool_file(&self) -> bool {
        let Some(file) = self.pool.borrow_mut().take(u64::MAX) else {
            return false;
        };
        if let Err(error) = fs::remove_file(&file.path).await {
            tracing::warn!("removing {} failed: {error}", file.path.display());
        }
        true
    }
}

/// Removes what pools left in a log directory: nobody knows them after a start, and whoever gets
/// the directory after a clean stop has no use for them.
pub(crate) async fn remove_pool_files(directory: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(directory)
        .await
        .map_err(StoreError::io("listing", directory))?;
    let is_of_pool = |entry: &&fs::DirEntry| {
        let name = entry.name.to_string_lossy();
        !entry.is_dir && name.starts_with(POOL_FILE_PREFIX)
    };
    for entry in entries.iter().filter(is_of_pool) {
        let path = directory.join(&entry.name);
        fs::remove_file(&path)
            .await
            .map_err(StoreError::io("removing", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size_bytes: u64) -> PoolFile {
        PoolFile {
            path: PathBuf::new(),
            size_bytes,
        }
    }

    #[test]
    fn largest_file_that_the_segment_can_use_is_taken() {
        let mut pool = Pool::default();
        for size in [8192, 4096, 65_536, 16_384] {
            pool.push(file(size));
        }
        let mut take = |max| pool.take(max).map(|file| file.size_bytes);
        assert_eq!(take(20_000), Some(16_384));
        assert_eq!(take(20_000), Some(8192));
        assert_eq!(take(4095), None);
        assert_eq!(take(u64::MAX), Some(65_536));
        assert_eq!(take(u64::MAX), Some(4096));
        assert_eq!((take(u64::MAX), pool.size_bytes), (None, 0));
    }

    #[test]
    fn data_that_ends_close_to_old_bytes_gets_a_block_of_zeroes_behind_it() {
        let mut segment = Segment::new(0, 0);
        segment.recycled_until = 3 * BLOCK;
        let header = BATCH_HEADER_SIZE_BYTES as u64;
        let has_guard = |end| segment.end_of_data_guard(end).is_some();
        assert!(has_guard(BLOCK));
        assert!(has_guard(BLOCK - header + 1));
        assert!(
            !has_guard(BLOCK - header),
            "the padding is a header of zeroes"
        );
        assert!(!has_guard(BLOCK + 1));
        assert!(has_guard(2 * BLOCK));
        assert!(!has_guard(3 * BLOCK), "zeroes or nothing follow");
        segment.recycled_until = 0;
        assert!(segment.end_of_data_guard(BLOCK).is_none());
    }

    #[test]
    fn file_in_use_or_of_unknown_making_is_not_recycled() {
        let segment = || Segment {
            file_size_bytes: 2 * BLOCK + 7,
            is_prewritten: true,
            ..Segment::new(0, 0)
        };
        assert_eq!(segment().give_up_file(false), 2 * BLOCK);
        assert_eq!(segment().give_up_file(true), 0);
        for change in [
            |segment: &mut Segment| segment.is_prewritten = false,
            |segment: &mut Segment| segment.is_extending = true,
            |segment: &mut Segment| segment.is_writing = true,
        ] {
            let mut segment = segment();
            change(&mut segment);
            assert_eq!(segment.give_up_file(false), 0);
        }
    }
}
