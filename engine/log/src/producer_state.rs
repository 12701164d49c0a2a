//! What a log remembers of idempotent and transactional producers (KIP-98, KIP-360, KIP-890).
//!
//! For each producer id: its epoch, its last five batches (so that a resent batch is answered
//! with its first offset instead of being appended again), and where its open transaction began.
//! The partition's owner asks [`ProducerState::check`] before it assigns offsets and tells
//! [`ProducerState::update`] what it appended, committed or not: a duplicate of an uncommitted
//! batch waits for the original like the original. Followers and recovery only tell: what stands
//! in the log is a fact and is not judged again.
//!
//! Pure code on the log's core. Derived from the log: rebuilt from a snapshot
//! ([`crate::producer_snapshot`]) and the batches after it. Bounded: at
//! [`PRODUCERS_PER_LOG_MAX`] those that wrote least recently are forgotten, as by expiry.

mod entry;
mod error;
mod transactions;
mod verification;

use engine_base::{HashMap, Timestamp};
use engine_record::header::NO_PRODUCER_EPOCH;
use engine_record::validate::Origin;
use engine_record::{BatchHeader, BatchInfo, BatchView, EndTxnMarker, RecordError, TxnOutcome};

pub use entry::ProducerEntry;
pub use error::ProducerError;
pub use transactions::CompletedTxn;
pub use verification::VerificationGuard;

use crate::recent_batches::BatchMetadata;
use transactions::Transactions;
use verification::Verifications;

/// Producers remembered by one log: 8 MiB of entries. A client that asks for a new producer id
/// for each batch cannot make a log hold more.
pub const PRODUCERS_PER_LOG_MAX: usize = 32 * 1024;

/// The share of producers forgotten when the bound is reached, so that the search for the least
/// recent is paid once for many newcomers.
const EVICTED_SHARE: usize = 8;

/// From this transaction version on, a marker's epoch is above that of its records (KIP-890).
const EPOCH_BUMP_VERSION: i16 = 2;

/// The producers of one log.
#[derive(Clone, Debug)]
pub struct ProducerState {
    producers: HashMap<i64, ProducerEntry>,
    producers_max: usize,
    transactions: Transactions,
    verifications: Verifications,
    verifies_transactions: bool,
    /// Last offset of the last batch that changed anything here.
    changed_at: i64,
}

impl Default for ProducerState {
    fn default() -> Self {
        Self::with_max(PRODUCERS_PER_LOG_MAX)
    }
}

impl ProducerState {
    /// No producers, and at most so many.
    ///
    /// # Panics
    /// When `producers_max` is zero.
    #[must_use]
    pub fn with_max(producers_max: usize) -> Self {
        assert!(producers_max > 0);
        Self {
            producers: HashMap::default(),
            producers_max,
            transactions: Transactions::default(),
            verifications: Verifications::default(),
            verifies_transactions: false,
            changed_at: -1,
        }
    }

    /// Whether a transaction's first batch needs a guard
    /// (`transaction.partition.verification.enable`). Off until it is set: the owner turns it on
    /// where it can ask the transaction's coordinator.
    pub fn set_verifies_transactions(&mut self, verifies: bool) {
        self.verifies_transactions = verifies;
    }

    /// Whether a producer's batch may be appended (`None`), or was already (`Some`).
    ///
    /// # Errors
    /// The producer's state forbids it.
    pub fn check(&self, info: &BatchInfo) -> Result<Option<BatchMetadata>, ProducerError> {
        self.check_from(info, Origin::Client, None)
    }

    /// The same for any origin, and with the guard of a verified transaction. A coordinator's
    /// batches (offset commits within a transaction) carry no sequence numbers.
    ///
    /// # Errors
    /// The producer's state forbids it.
    pub fn check_from(
        &self,
        info: &BatchInfo,
        origin: Origin,
        guard: Option<VerificationGuard>,
    ) -> Result<Option<BatchMetadata>, ProducerError> {
        if !info.has_producer_id() {
            return Ok(None);
        }
        let entry = self
            .producers
            .get(&info.producer_id)
            .unwrap_or(&ProducerEntry::EMPTY);
        let is_client = origin == Origin::Client;
        if is_client
            && entry.epoch == info.producer_epoch
            && let Some(batch) = entry.batches.find(info.base_sequence, info.last_sequence)
        {
            return Ok(Some(batch));
        }
        if info.producer_epoch < entry.epoch {
            return Err(ProducerError::InvalidProducerEpoch);
        }
        self.check_transaction(info, entry, guard)?;
        if is_client {
            self.check_sequence(info, entry)?;
        }
        if entry.txn_first_offset.is_some() && !info.is_transactional {
            return Err(ProducerError::InvalidTxnState);
        }
        Ok(None)
    }

    /// A transactional batch continues its transaction, or begins one that was verified.
    fn check_transaction(
        &self,
        info: &BatchInfo,
        entry: &ProducerEntry,
        guard: Option<VerificationGuard>,
    ) -> Result<(), ProducerError> {
        let continues = entry.txn_first_offset.is_some() && entry.epoch == info.producer_epoch;
        if !self.verifies_transactions || !info.is_transactional || continues {
            return Ok(());
        }
        if self.verifications.is_current(info.producer_id, guard) {
            Ok(())
        } else {
            Err(ProducerError::InvalidTxnState)
        }
    }

    /// Sequence numbers have no gap. Where nothing is known of the producer (new, expired, or
    /// its records are gone) any number may come, unless its transaction protocol promises 0.
    fn check_sequence(&self, info: &BatchInfo, entry: &ProducerEntry) -> Result<(), ProducerError> {
        let first = info.base_sequence;
        if !self
            .verifications
            .allows(info.producer_id, first, entry.batches.is_empty())
        {
            return Err(ProducerError::OutOfOrderSequence);
        }
        let follows = if entry.epoch == NO_PRODUCER_EPOCH {
            true
        } else if entry.epoch == info.producer_epoch {
            is_next(entry.last_sequence(), first)
        } else {
            first == 0
        };
        if follows {
            Ok(())
        } else {
            Err(ProducerError::OutOfOrderSequence)
        }
    }

    /// Whether a transaction's marker may be appended. `transaction_version` is the one that the
    /// coordinator names in WriteTxnMarkers.
    ///
    /// # Errors
    /// The producer's state forbids it.
    pub fn check_marker(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        marker: EndTxnMarker,
        transaction_version: i16,
    ) -> Result<(), ProducerError> {
        let entry = self
            .producers
            .get(&producer_id)
            .unwrap_or(&ProducerEntry::EMPTY);
        let bumps = transaction_version >= EPOCH_BUMP_VERSION;
        let is_stale = producer_epoch < entry.epoch || bumps && producer_epoch == entry.epoch;
        // The same marker once more, after its answer was lost: harmless, there is nothing left
        // to end. (An epoch that can grow no further is let through as well.)
        let is_repeated = bumps
            && producer_epoch == entry.epoch
            && (entry.txn_first_offset.is_none() || producer_epoch == i16::MAX);
        if is_stale && !is_repeated {
            return Err(ProducerError::InvalidProducerEpoch);
        }
        if marker.coordinator_epoch < entry.coordinator_epoch {
            return Err(ProducerError::TransactionCoordinatorFenced);
        }
        Ok(())
    }

    /// A batch of records was appended. Not for markers.
    pub fn update(&mut self, info: &BatchInfo, base_offset: i64) {
        debug_assert!(!info.is_control);
        self.append(&Appended {
            producer_id: info.producer_id,
            epoch: info.producer_epoch,
            is_transactional: info.is_transactional,
            batch: BatchMetadata {
                base_sequence: info.base_sequence,
                last_sequence: info.last_sequence,
                base_offset,
                last_offset: base_offset + i64::from(info.last_offset_delta),
                timestamp: info.max_timestamp,
            },
        });
    }

    /// A batch stands in the log: recovery, and followers.
    ///
    /// # Errors
    /// When a control batch cannot be read.
    pub fn replay(&mut self, batch: &BatchView<'_>) -> Result<Option<CompletedTxn>, RecordError> {
        let header = batch.header();
        if !header.has_producer_id() {
            return Ok(None);
        }
        if !header.attributes.is_control() {
            self.replay_data(header);
            return Ok(None);
        }
        // Without a record, the whole transaction was cleaned away.
        let Some(marker) = EndTxnMarker::of(batch)? else {
            return Ok(None);
        };
        Ok(self.update_marker(
            header.producer_id,
            header.producer_epoch,
            marker,
            header.base_offset,
            header.max_timestamp,
        ))
    }

    /// The same of a batch that is no control batch: its header tells all.
    pub(crate) fn replay_data(&mut self, header: &BatchHeader) {
        if header.has_producer_id() {
            self.append(&Appended::of(header));
        }
    }

    fn append(&mut self, appended: &Appended) {
        if appended.producer_id < 0 {
            return;
        }
        let entry = self.entry_mut(appended.producer_id);
        entry.set_epoch(appended.epoch);
        entry.batches.push(appended.batch);
        entry.last_timestamp = appended.batch.timestamp;
        let begins = appended.is_transactional && entry.txn_first_offset.is_none();
        if begins {
            entry.txn_first_offset = Some(appended.batch.base_offset);
            self.transactions
                .on_begin(appended.batch.base_offset, appended.producer_id);
        }
        if appended.is_transactional {
            self.verifications.on_append(appended.producer_id);
        }
        self.changed_at = appended.batch.last_offset;
    }

    /// A marker was appended at `offset`. The transaction it ended, if it had records here; the
    /// caller puts an aborted one into the transaction index.
    pub fn update_marker(
        &mut self,
        producer_id: i64,
        producer_epoch: i16,
        marker: EndTxnMarker,
        offset: i64,
        timestamp: Timestamp,
    ) -> Option<CompletedTxn> {
        let entry = self.entry_mut(producer_id);
        entry.set_epoch(producer_epoch);
        entry.coordinator_epoch = marker.coordinator_epoch;
        entry.last_timestamp = timestamp;
        let first_offset = entry.txn_first_offset.take();
        self.verifications.on_marker(producer_id, producer_epoch);
        self.changed_at = offset;
        let first_offset = first_offset?;
        self.transactions.on_end(first_offset, offset);
        Some(CompletedTxn {
            producer_id,
            first_offset,
            last_offset: offset,
            is_aborted: marker.outcome == TxnOutcome::Abort,
            last_stable_offset: self.first_undecided_offset().unwrap_or(offset + 1),
        })
    }

    fn entry_mut(&mut self, producer_id: i64) -> &mut ProducerEntry {
        if self.producers.len() >= self.producers_max && !self.producers.contains_key(&producer_id)
        {
            self.evict();
        }
        self.producers
            .entry(producer_id)
            .or_insert(ProducerEntry::EMPTY)
    }

    /// Forgets a share of the producers without open transactions: those that wrote least
    /// recently. When all have open transactions the bound gives way; a transaction is bounded
    /// by its timeout.
    fn evict(&mut self) {
        let mut candidates: Vec<(i64, i64)> = self
            .producers
            .iter()
            .filter(|(_, entry)| entry.txn_first_offset.is_none())
            .map(|(&producer_id, entry)| (entry.last_offset(), producer_id))
            .collect();
        let count = (self.producers_max / EVICTED_SHARE).clamp(1, self.producers_max);
        if candidates.len() > count {
            candidates.select_nth_unstable(count - 1);
            candidates.truncate(count);
        }
        for (_, producer_id) in candidates {
            self.producers.remove(&producer_id);
        }
    }

    /// Begins the verification of a transaction's first batch here, or joins the one that is
    /// pending. `None` when the transaction is already known to this log.
    pub fn begin_verification(
        &mut self,
        info: &BatchInfo,
        supports_epoch_bump: bool,
        now_ms: Timestamp,
    ) -> Option<VerificationGuard> {
        if self.has_ongoing_transaction(info.producer_id, info.producer_epoch) {
            return None;
        }
        Some(self.verifications.begin(info, supports_epoch_bump, now_ms))
    }

    /// Whether the producer has an open transaction here in this epoch.
    #[must_use]
    pub fn has_ongoing_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.producers
            .get(&producer_id)
            .is_some_and(|entry| entry.txn_first_offset.is_some() && entry.epoch == producer_epoch)
    }

    /// First record of the earliest open transaction.
    #[must_use]
    pub fn first_undecided_offset(&self) -> Option<i64> {
        self.transactions
            .first_undecided()
            .map(|(offset, _)| offset)
    }

    /// The offset that read_committed consumers must not reach: of the earliest transaction that
    /// is open or whose marker is not below the high watermark. The last stable offset is this,
    /// or the high watermark.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<i64> {
        self.transactions.first_unstable_offset()
    }

    /// The high watermark moved: markers below it are safe.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.transactions.on_high_watermark(high_watermark);
    }

    /// Records before the offset are gone.
    pub fn on_log_start_offset(&mut self, log_start_offset: i64) {
        self.on_high_watermark(log_start_offset);
    }

    /// Last timestamp of the producer with the earliest open transaction: how long a transaction
    /// may be hanging.
    #[must_use]
    pub fn oldest_txn_last_timestamp(&self) -> Option<Timestamp> {
        let (_, producer_id) = self.transactions.first_undecided()?;
        self.producers
            .get(&producer_id)
            .map(|entry| entry.last_timestamp)
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms` and have no open
    /// transaction. Returns how many.
    pub fn expire(&mut self, now_ms: Timestamp, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, entry| {
            entry.txn_first_offset.is_some()
                || now_ms.saturating_sub(entry.last_timestamp) < expiration_ms
        });
        self.verifications.expire(now_ms, expiration_ms);
        before - self.producers.len()
    }

    /// Whether the state would differ if the log ended at `end_offset`. Then it cannot be cut,
    /// since batches that left the window are not known any more: the caller starts from a
    /// snapshot at or below the new end, or from nothing, and replays.
    #[must_use]
    pub fn must_be_rebuilt_at(&self, end_offset: i64) -> bool {
        self.changed_at >= end_offset
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.producers.clear();
        self.transactions.clear();
        self.verifications.clear();
        self.changed_at = -1;
    }

    /// What is known of a producer.
    #[must_use]
    pub fn entry(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// All producers, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.producers
            .iter()
            .map(|(&producer_id, entry)| (producer_id, entry))
    }

    /// Takes over an entry of a snapshot.
    pub fn insert(&mut self, producer_id: i64, entry: ProducerEntry) {
        if let Some(first_offset) = entry.txn_first_offset {
            self.transactions.on_begin(first_offset, producer_id);
        }
        self.changed_at = self.changed_at.max(entry.last_offset());
        *self.entry_mut(producer_id) = entry;
    }

    /// How many producers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// About how much memory the producers take, for the shard's budget.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.producers.capacity() * (size_of::<ProducerEntry>() + size_of::<i64>() + 1)
    }
}

/// A batch of records in the log.
struct Appended {
    producer_id: i64,
    epoch: i16,
    is_transactional: bool,
    batch: BatchMetadata,
}

impl Appended {
    fn of(header: &BatchHeader) -> Self {
        Self {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            is_transactional: header.attributes.is_transactional(),
            batch: BatchMetadata {
                base_sequence: header.base_sequence,
                last_sequence: header.last_sequence(),
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                timestamp: header.max_timestamp,
            },
        }
    }
}

/// Sequence numbers go from 2^31-1 to 0; after none (-1) comes 0.
fn is_next(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || last == i32::MAX && next == 0
}

#[cfg(test)]
mod kafka_answers;
#[cfg(test)]
mod tests;
