//! A segment's files, opened and read when they are needed.
//!
//! On the log's core, for readers, writers and the seal.

use std::rc::Rc;

use engine_runtime::{File, OpenOptions};

use crate::error::StoreError;
use crate::layout;
use crate::log::LogInner;
use crate::offset_index::OffsetIndex;

impl LogInner {
    /// The open file of a segment.
    pub(crate) async fn segment_file(&self, segment_base: i64) -> Result<Rc<File>, StoreError> {
        let opened = |log: &Self| {
            let state = log.state.borrow();
            state
                .segment(segment_base)
                .and_then(|segment| segment.file.clone())
        };
        if let Some(file) = opened(self) {
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
        if let Some(file) = opened(self) {
            return Ok(file); // somebody was faster; one file for each segment
        }
        let file = Rc::new(file);
        if let Some(segment) = self.state.borrow_mut().segment_mut(segment_base) {
            segment.file = Some(Rc::clone(&file));
        }
        Ok(file)
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
        let bytes = engine_runtime::fs::read_file(&path, size_max.max(1 << 24)).await;
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
        self.shared
            .sealed_indexes
            .borrow_mut()
            .insert(key, Rc::clone(&index));
        Ok(index)
    }
}
