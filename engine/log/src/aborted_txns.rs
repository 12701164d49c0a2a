//! Which transactions a `read_committed` reader must skip among the records it was given.
//!
//! As Kafka's log does it: the transaction indexes are asked from the read's segment on, until one
//! knows that everything below the upper bound was decided before it. Most segments have none.
//! Called by fetches on the log's core; reads the index files of sealed segments, keeps the last
//! ones at hand, never writes.

use std::rc::Rc;

use crate::error::{ReadError, StoreError};
use crate::layout::{TXN_INDEX_SUFFIX, segment_file};
use crate::load::load_txns;
use crate::log::{Log, LogInner, LogState};
use crate::segment_lru::SegmentKey;
use crate::txn_index::{AbortedTxn, AbortedTxns, TxnIndex};

enum Plan {
    Done(Vec<AbortedTxn>),
    /// The index of the sealed segment with this base offset.
    Missing(i64),
}

impl Log {
    /// The aborted transactions that touch offsets from `from_offset` to below
    /// `upper_bound_offset`, in the order of their markers.
    ///
    /// # Errors
    /// The log does not hold the offset, or does not any more; or the disk refuses.
    pub async fn aborted_txns(
        &self,
        from_offset: i64,
        upper_bound_offset: i64,
    ) -> Result<Vec<AbortedTxn>, ReadError> {
        let log = &self.inner;
        let mut loaded: Vec<(i64, Rc<TxnIndex>)> = Vec::new();
        loop {
            let range = (from_offset, upper_bound_offset);
            let plan = plan(&log.state.borrow(), &loaded, range)?;
            match plan {
                Plan::Done(txns) => return Ok(txns),
                Plan::Missing(base_offset) => {
                    let index = log.sealed_txns(base_offset).await?;
                    loaded.push((base_offset, index));
                }
            }
        }
    }
}

/// One step without waiting: so what it finds belongs to one state of the log. A segment that was
/// removed meanwhile took its index with it, but then the log starts behind `from_offset`.
fn plan(
    state: &LogState,
    loaded: &[(i64, Rc<TxnIndex>)],
    (from_offset, upper_bound_offset): (i64, i64),
) -> Result<Plan, ReadError> {
    if state.is_deleted {
        return Err(ReadError::Deleted);
    }
    if from_offset < state.start_offset || from_offset > state.end_offset {
        return Err(ReadError::OutOfRange {
            log_start_offset: state.start_offset,
            log_end_offset: state.end_offset,
        });
    }
    let mut found = AbortedTxns::default();
    let first = state.segment_index_for(from_offset);
    for segment in state.segments.range(first..) {
        match &segment.index {
            Some(index) => {
                index
                    .txns
                    .collect_into(from_offset, upper_bound_offset, &mut found);
            }
            None if segment.has_txn_file => {
                let base_offset = segment.base_offset;
                let Some((_, txns)) = loaded.iter().find(|(base, _)| *base == base_offset) else {
                    return Ok(Plan::Missing(base_offset));
                };
                txns.collect_into(from_offset, upper_bound_offset, &mut found);
            }
            None => {}
        }
        if found.is_complete {
            break;
        }
    }
    Ok(Plan::Done(found.txns))
}

impl LogInner {
    /// The transaction index of a sealed segment. The start has seen that it can be read: what
    /// cannot be read now is the disk's fault, and an empty index would show aborted records.
    pub(crate) async fn sealed_txns(&self, base_offset: i64) -> Result<Rc<TxnIndex>, StoreError> {
        let key: SegmentKey = (self.key, base_offset);
        if let Some(txns) = self.shared.sealed_txns.borrow_mut().find(key) {
            return Ok(txns);
        }
        let Some(txns) = load_txns(&self.directory, base_offset).await? else {
            let is_gone = self.state.borrow().segment(base_offset).is_none();
            if is_gone {
                return Ok(Rc::default()); // the next plan sees it
            }
            let path = segment_file(&self.directory, base_offset, TXN_INDEX_SUFFIX);
            let error = std::io::ErrorKind::InvalidData.into();
            return Err(StoreError::io("reading", path)(error));
        };
        let txns = Rc::new(txns);
        if self.is_on_disk_only(base_offset) {
            let mut kept = self.shared.sealed_txns.borrow_mut();
            kept.insert(key, Rc::clone(&txns));
        }
        Ok(txns)
    }
}
