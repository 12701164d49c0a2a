//! Offset indexes of sealed segments that cold readers used lately.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::limits::SEALED_INDEXES_MAX;
use crate::offset_index::OffsetIndex;

/// A log's index in its store, and a segment's base offset.
pub(crate) type IndexKey = (u32, i64);

/// The least recently used goes first. One for each shard.
#[derive(Debug, Default)]
pub(crate) struct SealedIndexes {
    indexes: VecDeque<(IndexKey, Rc<OffsetIndex>)>,
}

impl SealedIndexes {
    pub(crate) fn find(&mut self, key: IndexKey) -> Option<Rc<OffsetIndex>> {
        let at = self.indexes.iter().position(|(found, _)| *found == key)?;
        let found = self.indexes.remove(at)?;
        let index = Rc::clone(&found.1);
        self.indexes.push_back(found);
        Some(index)
    }

    pub(crate) fn insert(&mut self, key: IndexKey, index: Rc<OffsetIndex>) {
        if self.indexes.len() == SEALED_INDEXES_MAX {
            self.indexes.pop_front();
        }
        self.indexes.push_back((key, index));
    }

    /// Forgets what belongs to a log that was cut or deleted.
    pub(crate) fn forget_log(&mut self, log: u32) {
        self.indexes.retain(|((found, _), _)| *found != log);
    }
}
