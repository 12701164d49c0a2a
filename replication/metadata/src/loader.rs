//! Follows the metadata log and publishes images.
//!
//! Knows the brackets: what stands between a begin and its end shows in an image only together
//! (KIP-868). One lives on shard 0, fed with every record up to the high watermark in order; a
//! node that only observes a quorum uses the same.

use crate::delta::{Changes, MetadataDelta};
use crate::error::ApplyError;
use crate::image::{MetadataImage, Provenance};
use crate::record::Record;

/// See the module.
#[derive(Debug)]
pub struct MetadataLoader {
    published: MetadataImage,
    /// Everything since `published` that is outside of an open transaction.
    delta: MetadataDelta,
    /// The last record in `delta`.
    last: Provenance,
    transaction: Option<OpenTransaction>,
}

#[derive(Debug)]
struct OpenTransaction {
    start_offset: i64,
    delta: MetadataDelta,
}

impl MetadataLoader {
    /// Continues after an image: the empty one, or that of a snapshot.
    #[must_use]
    pub fn new(image: MetadataImage) -> Self {
        Self {
            delta: MetadataDelta::new(&image),
            last: image.provenance(),
            published: image,
            transaction: None,
        }
    }

    /// The image last published.
    #[must_use]
    pub fn published(&self) -> &MetadataImage {
        &self.published
    }

    /// Where the transaction began that is still open. A controller that takes over aborts it.
    #[must_use]
    pub fn transaction_start_offset(&self) -> Option<i64> {
        self.transaction
            .as_ref()
            .map(|transaction| transaction.start_offset)
    }

    /// Takes the next record of the log; `at` is its offset, and its batch's epoch and time.
    ///
    /// # Errors
    /// The record does not fit what came before: the log is damaged and must not be followed
    /// further.
    pub fn apply(&mut self, at: Provenance, record: &Record<'_>) -> Result<(), ApplyError> {
        match (record, &mut self.transaction) {
            (Record::BeginTransaction(_), Some(_)) => {
                return Err(ApplyError::TransactionOrder(
                    "a transaction begins in another",
                ));
            }
            (Record::BeginTransaction(_), None) => {
                let delta = MetadataDelta::new(self.delta.image());
                self.transaction = Some(OpenTransaction {
                    start_offset: at.offset,
                    delta,
                });
                return Ok(());
            }
            (Record::EndTransaction(_) | Record::AbortTransaction(_), None) => {
                return Err(ApplyError::TransactionOrder(
                    "a transaction ends without a begin",
                ));
            }
            (Record::EndTransaction(_), transaction) => {
                if let Some(transaction) = transaction.take() {
                    self.delta.absorb(transaction.delta);
                }
            }
            (Record::AbortTransaction(_), transaction) => *transaction = None,
            (record, Some(transaction)) => return transaction.delta.apply(record),
            (record, None) => self.delta.apply(record)?,
        }
        self.last = at;
        Ok(())
    }

    /// Passes over a record that says nothing about the cluster: the quorum's control records.
    pub fn skip(&mut self, at: Provenance) {
        if self.transaction.is_none() {
            self.last = at;
        }
    }

    /// The next image and what differs from the one before, if any record is new. Records of an
    /// open transaction wait for its end.
    pub fn publish(&mut self) -> Option<(MetadataImage, Changes)> {
        if self.last.offset == self.published.provenance().offset {
            return None;
        }
        let next = MetadataDelta::new(self.delta.image());
        let (image, changes) = std::mem::replace(&mut self.delta, next).finish(self.last);
        self.published = image.clone();
        Some((image, changes))
    }
}
