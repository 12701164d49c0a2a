//! Committed offsets of all groups of the partition: hard state in two views, and the offsets of
//! open transactions.
//!
//! `store.rs` keeps offsets, `pending.rs` those of open transactions; `commit.rs`, `fetch.rs`,
//! `delete.rs` and `expiry.rs` hold what is done with them. Lives on the partition's core.

mod commit;
mod delete;
mod expiry;
mod fetch;
mod pending;
mod store;

use std::sync::Arc;

use replication_coordinator::{AppendId, Position, TransactionResult};

use crate::record::{CommittedOffset, OffsetKey};
pub(crate) use commit::all_partitions;
use pending::PendingOffsets;
use store::OffsetStore;

/// The offsets of one partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    store: OffsetStore,
    pending: PendingOffsets,
}

/// An offset and where its record stands. Of a plain and a transactional commit of the same
/// partition the later *record* counts, not the later marker: compaction would keep that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredOffset {
    pub(crate) record_offset: i64,
    pub(crate) value: CommittedOffset,
}

/// Which state a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What cannot be lost any more.
    Committed,
    /// What the appends in flight make of it.
    Latest,
}

impl Offsets {
    /// Applies an offset record.
    pub(crate) fn replay(
        &mut self,
        position: Position,
        key: &OffsetKey,
        value: Option<CommittedOffset>,
    ) {
        let Some(value) = value else {
            // A tombstone ends the pending offsets of open transactions too.
            self.store.put(position.append, key, None);
            self.pending.clear(position.append, key);
            return;
        };
        let stored = StoredOffset {
            record_offset: position.offset,
            value,
        };
        match position.producer_id {
            None => self.store.put(position.append, key, Some(stored)),
            Some(producer_id) => {
                self.pending
                    .put(position.append, producer_id, key, Some(stored));
            }
        }
    }

    /// Ends a transaction: its offsets count from now on, or never did.
    pub(crate) fn replay_marker(
        &mut self,
        position: Position,
        producer_id: i64,
        result: TransactionResult,
    ) {
        for (key, stored) in self.pending.take(position.append, producer_id) {
            if result == TransactionResult::Abort {
                continue;
            }
            let existing = self.store.get(View::Latest, &key);
            if existing.is_none_or(|existing| existing.record_offset < stored.record_offset) {
                self.store.put(position.append, &key, Some(stored));
            }
        }
    }

    pub(crate) fn commit(&mut self, up_to: AppendId) {
        self.store.commit(up_to);
        self.pending.commit(up_to);
    }

    pub(crate) fn revert(&mut self, from: AppendId) {
        self.store.revert(from);
        self.pending.revert(from);
    }

    /// All keys of a group: stored ones, and those that only open transactions hold.
    fn keys_of(&self, group_id: &str) -> Vec<OffsetKey> {
        let mut keys: Vec<OffsetKey> = self
            .store
            .of_group(View::Latest, group_id)
            .map(|(key, _)| key)
            .collect();
        let pending = self.pending.keys_of(group_id);
        keys.extend(
            pending
                .filter(|key| self.store.get(View::Latest, key).is_none())
                .cloned(),
        );
        keys
    }
}

/// A key for a record that a request asks for.
fn key(group_id: &Arc<str>, topic: &Arc<str>, partition: i32) -> OffsetKey {
    OffsetKey {
        group_id: group_id.clone(),
        topic: topic.clone(),
        partition,
    }
}
