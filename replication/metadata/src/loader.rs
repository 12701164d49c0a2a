//! Follows the metadata log and publishes images.
//!
//! Knows the brackets: what stands between a begin and its end shows in an image only together
//! (KIP-868). One lives on shard 0, fed with every record up to the high watermark in order; a
//! node that only observes a quorum uses the same.

use engine_record::{BatchView, ControlRecord, Voters};

use crate::batch::{BatchContents, own_voters, read_batch};
use crate::delta::{Changes, MetadataDelta};
use crate::error::{ApplyError, LogError};
use crate::image::{MetadataImage, Provenance};
use crate::record::Record;

/// What the log says about the quorum itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuorumRecords {
    /// The last kraft.version said; 0 before any.
    pub kraft_version: i16,
    /// The last voters said.
    pub voters: Option<Voters<'static>>,
    /// The leader of the last leader change.
    pub leader_id: Option<i32>,
}

/// See the module.
#[derive(Debug)]
pub struct MetadataLoader {
    published: MetadataImage,
    /// Everything since `published` that is outside of an open transaction.
    delta: MetadataDelta,
    /// The last record in `delta`.
    last: Provenance,
    /// Above every offset that a batch has brought: the log only goes forward.
    next_offset: i64,
    transaction: Option<OpenTransaction>,
    quorum: QuorumRecords,
}

#[derive(Debug)]
struct OpenTransaction {
    start_offset: i64,
    delta: MetadataDelta,
}

impl MetadataLoader {
    /// Continues after an image: the empty one, or that of a snapshot.
    #[must_use]
    pub fn new(image: MetadataImage, quorum: QuorumRecords) -> Self {
        Self {
            delta: MetadataDelta::new(&image),
            last: image.provenance(),
            next_offset: image.provenance().offset.saturating_add(1),
            published: image,
            transaction: None,
            quorum,
        }
    }

    /// What the log has said about the quorum.
    #[must_use]
    pub fn quorum(&self) -> &QuorumRecords {
        &self.quorum
    }

    /// Takes the next batch of the log, of either kind.
    ///
    /// # Errors
    /// The batch is damaged or does not fit what came before. What it held before the fault may
    /// have been taken: the loader must be dropped.
    pub fn apply_batch(&mut self, batch: &BatchView<'_>) -> Result<(), LogError> {
        let header = batch.header();
        let (epoch, timestamp) = (header.leader_epoch, header.max_timestamp);
        match read_batch(batch)? {
            BatchContents::Records(records) => {
                for (offset, record) in records {
                    self.advance(offset)?;
                    self.apply(
                        Provenance {
                            offset,
                            epoch,
                            timestamp,
                        },
                        &record,
                    )
                    .map_err(|error| LogError::Apply { offset, error })?;
                }
            }
            BatchContents::Control(controls) => {
                for (offset, control) in controls {
                    self.advance(offset)?;
                    self.control(control);
                    self.skip(Provenance {
                        offset,
                        epoch,
                        timestamp,
                    });
                }
            }
        }
        Ok(())
    }

    /// A batch's offsets are not under its checksum, and a record's is not bound to its batch: a
    /// damaged log may go back, where an image never does.
    fn advance(&mut self, offset: i64) -> Result<(), LogError> {
        if offset < self.next_offset {
            return Err(LogError::OffsetGap {
                expected: self.next_offset,
                found: offset,
            });
        }
        self.next_offset = offset.saturating_add(1);
        Ok(())
    }

    fn control(&mut self, control: ControlRecord<'_>) {
        match control {
            ControlRecord::LeaderChange(change) => self.quorum.leader_id = Some(change.leader_id),
            ControlRecord::KRaftVersion(record) => self.quorum.kraft_version = record.kraft_version,
            ControlRecord::Voters(voters) => self.quorum.voters = Some(own_voters(voters)),
            _ => {} // markers and snapshot brackets do not stand in this log
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{
        AbortTransaction, BeginTransaction, EndTransaction, NoOp, RemoveTopic, Topic,
    };

    struct Log {
        loader: MetadataLoader,
        next_offset: i64,
    }

    impl Log {
        fn new() -> Self {
            let loader = MetadataLoader::new(MetadataImage::default(), QuorumRecords::default());
            Self {
                loader,
                next_offset: 0,
            }
        }

        fn put<'a>(&mut self, record: impl Into<Record<'a>>) -> Result<(), ApplyError> {
            let at = Provenance {
                offset: self.next_offset,
                epoch: 1,
                timestamp: 9,
            };
            self.next_offset += 1;
            self.loader.apply(at, &record.into())
        }

        fn create(&mut self, name: &str) {
            let topic_id = engine_base::Uuid([name.len() as u8; 16]);
            self.put(Topic {
                name: name.to_owned().into(),
                topic_id,
            })
            .unwrap();
        }

        fn names(&self) -> Vec<String> {
            let topics = self.loader.published().topics();
            let mut names: Vec<_> = topics.iter().map(|topic| topic.name.to_string()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_transaction_shows_at_its_end() {
        let mut log = Log::new();
        log.create("a");
        log.put(BeginTransaction::default()).unwrap();
        log.create("bb");
        let (image, changes) = log.loader.publish().unwrap();
        assert_eq!(
            (log.names(), image.provenance().offset),
            (vec!["a".to_owned()], 0)
        );
        assert_eq!(changes.topics_changed.len(), 1);
        assert_eq!(log.loader.transaction_start_offset(), Some(1));
        log.create("ccc");
        assert_eq!(log.loader.publish(), None);

        log.put(EndTransaction {}).unwrap();
        let (image, changes) = log.loader.publish().unwrap();
        assert_eq!((log.names().len(), image.provenance().offset), (3, 4));
        assert_eq!(
            changes.topics_changed.len(),
            2,
            "what was published is not reported again"
        );
        assert_eq!(log.loader.transaction_start_offset(), None);
    }

    #[test]
    fn an_aborted_transaction_never_was() {
        let mut log = Log::new();
        log.create("a");
        log.put(BeginTransaction::default()).unwrap();
        log.create("bb");
        log.put(AbortTransaction::default()).unwrap();
        log.create("ccc");
        let (image, changes) = log.loader.publish().unwrap();
        assert_eq!(log.names(), ["a", "ccc"]);
        assert_eq!(image.provenance().offset, 4);
        assert_eq!(changes.topics_changed.len(), 2);
    }

    #[test]
    fn brackets_out_of_order_are_damage() {
        let mut log = Log::new();
        assert!(matches!(
            log.put(EndTransaction {}),
            Err(ApplyError::TransactionOrder(_))
        ));
        assert!(log.put(AbortTransaction::default()).is_err());
        log.put(BeginTransaction::default()).unwrap();
        assert!(log.put(BeginTransaction::default()).is_err());
    }

    #[test]
    fn a_topic_made_and_removed_unseen_is_reported_as_removed_only() {
        let mut log = Log::new();
        log.create("a");
        log.put(RemoveTopic {
            topic_id: engine_base::Uuid([1; 16]),
        })
        .unwrap();
        let (_, changes) = log.loader.publish().unwrap();
        assert!(changes.topics_changed.is_empty());
        assert_eq!(changes.topics_removed.len(), 1);
    }

    #[test]
    fn records_without_content_move_the_offset() {
        let mut log = Log::new();
        assert_eq!(log.loader.publish(), None);
        log.put(NoOp {}).unwrap();
        let (image, changes) = log.loader.publish().unwrap();
        assert!(changes.is_empty());
        assert_eq!(image.provenance().offset, 0);
    }

    #[test]
    fn a_log_that_goes_back_is_damage() {
        let batch = |base_offset| {
            let place = crate::batch::BatchPlace {
                base_offset,
                leader_epoch: 1,
                now: 9,
            };
            crate::batch::record_batch(&[NoOp {}.into()], crate::MetadataVersion::MAX, place)
                .unwrap()
        };
        let mut loader = Log::new().loader;
        for (base_offset, is_next) in [(0, true), (1, true), (1, false), (0, false), (-4, false)] {
            let bytes = batch(base_offset);
            let result = loader.apply_batch(&BatchView::read(&bytes).unwrap());
            let expected = LogError::OffsetGap {
                expected: 2,
                found: base_offset,
            };
            assert_eq!(result, if is_next { Ok(()) } else { Err(expected) });
        }
        assert_eq!(loader.publish().unwrap().0.provenance().offset, 1);
    }
}
