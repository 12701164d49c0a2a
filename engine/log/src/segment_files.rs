//! A segment's files, opened and read when they are needed.
//!
//! Files of active segments, and of those that are not synced, stay open. Those of the others are
//! among the last used of the shard, which are bounded: thousands of partitions with hundreds of
//! segments each do not hold as many files open. On the log's core, for readers, writers and the
//! seal.

use std::path::Path;
use std::rc::Rc;

use engine_runtime::{File, OpenOptions, fs};

use crate::error::StoreError;
use crate::layout;
use crate::log::{LogInner, LogState};
use crate::offset_index::OffsetIndex;
use crate::segment::Segment;

/// The files of one segment, but for its producer snapshot.
const SUFFIXES: [&str; 4] = [
    layout::LOG_SUFFIX,
    layout::INDEX_SUFFIX,
    layout::TIME_INDEX_SUFFIX,
    layout::TXN_INDEX_SUFFIX,
];

/// Removes a segment's files, but for its producer snapshot; those that are not there are gone
/// already. Readers that have them open go on.
pub(crate) async fn remove_segment_files(
    directory: &Path,
    base_offset: i64,
) -> Result<(), StoreError> {
    for suffix in SUFFIXES {
        remove_segment_file(directory, base_offset, suffix).await?;
    }
    Ok(())
}

/// Removes one of a segment's files, if it is there.
pub(crate) async fn remove_segment_file(
    directory: &Path,
    base_offset: i64,
    suffix: &str,
) -> Result<(), StoreError> {
    let path = layout::segment_file(directory, base_offset, suffix);
    match fs::remove_file(&path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("removing", &path)(error))
        }
        _ => Ok(()),
    }
}

impl LogState {
    /// Whether nothing is written to the segment: it is synced, and not the active one.
    fn is_at_rest(&self, segment: &Segment) -> bool {
        segment.is_synced && segment.base_offset != self.active().base_offset
    }
}

impl LogInner {
    /// Removes the files of a segment that the log, durably, does not have any more, but for its
    /// producer snapshot. The pool may take the segment's own, when `reusable_bytes` of it can be
    /// written again.
    pub(crate) async fn retire_segment_files(
        &self,
        base_offset: i64,
        reusable_bytes: u64,
    ) -> Result<(), StoreError> {
        let path = layout::segment_file(&self.directory, base_offset, layout::LOG_SUFFIX);
        self.shared.retire_file(&path, reusable_bytes).await?;
        remove_segment_files(&self.directory, base_offset).await
    }

    /// The open file of a segment.
    pub(crate) async fn segment_file(&self, segment_base: i64) -> Result<Rc<File>, StoreError> {
        if let Some(file) = self.open_file(segment_base) {
            return Ok(file);
        }
        let path = layout::segment_file(&self.directory, segment_base, layout::LOG_SUFFIX);
        let options = OpenOptions {
            read: true,
            write: true,
            direct: self.shared.is_direct,
            ..OpenOptions::default()
        };
        let file = File::open(&path, options)
            .await
            .map_err(StoreError::io("opening", &path))?;
        if let Some(file) = self.open_file(segment_base) {
            return Ok(file); // somebody was faster; one file for each segment
        }
        let file = Rc::new(file);
        self.keep_open(segment_base, &file);
        Ok(file)
    }

    fn open_file(&self, segment_base: i64) -> Option<Rc<File>> {
        let state = self.state.borrow();
        let segment = state.segment(segment_base)?;
        if state.is_at_rest(segment) {
            let mut files = self.shared.sealed_files.borrow_mut();
            return files.find((self.key, segment_base));
        }
        segment.file.clone()
    }

    /// The file stays open: for good while the segment is written or waits for a flush, else until
    /// those of other segments push it out.
    fn keep_open(&self, segment_base: i64, file: &Rc<File>) {
        let state = &mut *self.state.borrow_mut();
        let Some(segment) = state.segment(segment_base) else {
            return;
        };
        if state.is_at_rest(segment) {
            let mut files = self.shared.sealed_files.borrow_mut();
            files.insert((self.key, segment_base), Rc::clone(file));
        } else if let Some(segment) = state.segment_mut(segment_base) {
            segment.file = Some(Rc::clone(file));
        }
    }

    /// Nothing is written to the segment any more: its file is one of those that may be closed.
    pub(crate) fn put_to_rest(&self, segment_base: i64) {
        let file = {
            let state = &mut *self.state.borrow_mut();
            let is_at_rest = state
                .segment(segment_base)
                .is_some_and(|segment| state.is_at_rest(segment));
            let segment = state.segment_mut(segment_base).filter(|_| is_at_rest);
            segment.and_then(|segment| segment.file.take())
        };
        if let Some(file) = file {
            self.keep_open(segment_base, &file);
        }
    }

    /// The offset index of a sealed segment. One that cannot be read is answered by an empty one:
    /// the walk then begins at the segment's start.
    pub(crate) async fn sealed_index(
        &self,
        segment_base: i64,
    ) -> Result<Rc<OffsetIndex>, StoreError> {
        let key = (self.key, segment_base);
        if let Some(index) = self.shared.sealed_indexes.borrow_mut().find(key) {
            return Ok(index);
        }
        let size_max = self.state.borrow().config.index_size_bytes_max as usize;
        let path = layout::segment_file(&self.directory, segment_base, layout::INDEX_SUFFIX);
        let bytes = fs::read_file(&path, size_max.max(1 << 24)).await;
        let decoded = bytes
            .ok()
            .and_then(|bytes| OffsetIndex::decode(segment_base, &bytes));
        let index = Rc::new(decoded.unwrap_or_else(|| {
            tracing::warn!(
                "{}: the index cannot be used; reads of this segment begin at its start until \
                 the next recovery rebuilds it",
                path.display()
            );
            OffsetIndex::new(segment_base)
        }));
        if self.is_on_disk_only(segment_base) {
            let mut kept = self.shared.sealed_indexes.borrow_mut();
            kept.insert(key, Rc::clone(&index));
        }
        Ok(index)
    }

    /// Whether the segment is still there with its indexes on disk only: it may have been removed,
    /// or cut and become the active one, while they were read.
    pub(crate) fn is_on_disk_only(&self, segment_base: i64) -> bool {
        let state = self.state.borrow();
        let segment = state.segment(segment_base);
        segment.is_some_and(|segment| segment.index.is_none())
    }
}
