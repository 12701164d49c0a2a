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

use std::collections::BTreeMap;
use std::fmt;

use engine_base::{HashMap, Timestamp};
use engine_record::header::{NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP};
use engine_record::validate::Origin;
use engine_record::{BatchHeader, BatchInfo, BatchView, EndTxnMarker, RecordError, TxnOutcome};

use crate::recent_batches::{BatchMetadata, RecentBatches};

/// Producers remembered by one log: 8 MiB of entries. A client that asks for a new producer id
/// for each batch cannot make a log hold more.
pub const PRODUCERS_PER_LOG_MAX: usize = 32 * 1024;

/// The share of producers forgotten when the bound is reached, so that the search for the least
/// recent is paid once for many newcomers.
const EVICTED_SHARE: usize = 8;

/// From this transaction version on, a marker's epoch is above that of its records (KIP-890).
const EPOCH_BUMP_VERSION: i16 = 2;

/// Why a batch or a marker of a producer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerError {
    /// The sequence number does not follow the last one (OUT_OF_ORDER_SEQUENCE_NUMBER).
    OutOfOrderSequence,
    /// A newer instance of the producer has written (INVALID_PRODUCER_EPOCH).
    InvalidProducerEpoch,
    /// A transactional batch without a transaction, or another within one (INVALID_TXN_STATE).
    InvalidTxnState,
    /// A newer transaction coordinator has written (TRANSACTION_COORDINATOR_FENCED).
    TransactionCoordinatorFenced,
}

impl fmt::Display for ProducerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfOrderSequence => "the sequence number does not follow the last one",
            Self::InvalidProducerEpoch => "a newer instance of the producer has written",
            Self::InvalidTxnState => "the batch does not fit the state of the transaction",
            Self::TransactionCoordinatorFenced => "a newer transaction coordinator has written",
        })
    }
}

impl std::error::Error for ProducerError {}

/// One producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its epoch; -1 when none is known.
    pub epoch: i16,
    /// Epoch of the coordinator that ended its last transaction; -1 when none did.
    pub coordinator_epoch: i32,
    /// Largest timestamp of its last batch or marker.
    pub last_timestamp: Timestamp,
    /// First record of its open transaction.
    pub txn_first_offset: Option<i64>,
    /// Its last batches in this epoch.
    pub batches: RecentBatches,
}

impl ProducerEntry {
    /// A producer of which nothing is known.
    pub(crate) const EMPTY: Self = Self {
        epoch: NO_PRODUCER_EPOCH,
        coordinator_epoch: -1,
        last_timestamp: NO_TIMESTAMP,
        txn_first_offset: None,
        batches: RecentBatches::EMPTY,
    };

    /// Sequence number of its last record; -1 when there is none in this epoch.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        self.batches
            .last()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches = RecentBatches::EMPTY;
            self.epoch = epoch;
        }
    }

    /// Where the entry was last touched, as far as it is known: the clock of eviction.
    fn last_offset(&self) -> i64 {
        self.batches.last().map_or(-1, |batch| batch.last_offset)
    }
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Whose transaction.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: i64,
    /// Its marker.
    pub last_offset: i64,
    /// Whether it was aborted: then it belongs into the transaction index.
    pub is_aborted: bool,
    /// First offset of the next undecided transaction, or the offset after the marker.
    pub last_stable_offset: i64,
}

/// Proves that a verification was begun for this very attempt (KIP-890): an answer of the
/// coordinator that was overtaken by an abort marker does not fit the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// A transaction's first batch that waits for the coordinator's word.
#[derive(Clone, Copy, Debug)]
struct Verification {
    guard: VerificationGuard,
    lowest_sequence: i32,
    epoch: i16,
    supports_epoch_bump: bool,
    began_ms: Timestamp,
}

/// The producers of one log.
#[derive(Clone, Debug)]
pub struct ProducerState {
    producers: HashMap<i64, ProducerEntry>,
    producers_max: usize,
    /// Open transactions: first offset to producer id.
    ongoing: BTreeMap<i64, i64>,
    /// Ended transactions whose markers are not below the high watermark yet: first offset to
    /// marker. Readers must not pass them, since the marker may still be lost.
    unreplicated: BTreeMap<i64, i64>,
    verifications: HashMap<i64, Verification>,
    guards_issued: u64,
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
            ongoing: BTreeMap::new(),
            unreplicated: BTreeMap::new(),
            verifications: HashMap::default(),
            guards_issued: 0,
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
        let pending = self
            .verifications
            .get(&info.producer_id)
            .map(|pending| pending.guard);
        if pending.is_some() && pending == guard {
            Ok(())
        } else {
            Err(ProducerError::InvalidTxnState)
        }
    }

    /// Sequence numbers have no gap. Where nothing is known of the producer (new, expired, or
    /// its records are gone) any number may come, unless its transaction protocol promises 0.
    fn check_sequence(&self, info: &BatchInfo, entry: &ProducerEntry) -> Result<(), ProducerError> {
        let first = info.base_sequence;
        if let Some(pending) = self.verifications.get(&info.producer_id) {
            let must_be_zero = pending.supports_epoch_bump && entry.batches.is_empty();
            if must_be_zero && first != 0 || first > pending.lowest_sequence {
                return Err(ProducerError::OutOfOrderSequence);
            }
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
            self.append(&Appended::of(header));
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
            self.ongoing
                .insert(appended.batch.base_offset, appended.producer_id);
        }
        if appended.is_transactional {
            self.verifications.remove(&appended.producer_id);
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
        // With the epoch bump, a verification of this epoch is for the next transaction already.
        if self.verifications.get(&producer_id).is_some_and(|pending| {
            !(pending.supports_epoch_bump && pending.epoch == producer_epoch)
        }) {
            self.verifications.remove(&producer_id);
        }
        self.changed_at = offset;
        let first_offset = first_offset?;
        self.ongoing.remove(&first_offset);
        self.unreplicated.insert(first_offset, offset);
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
        let (epoch, sequence) = (info.producer_epoch, info.base_sequence);
        if self.has_ongoing_transaction(info.producer_id, epoch) {
            return None;
        }
        self.guards_issued += 1;
        let fresh = Verification {
            guard: VerificationGuard(self.guards_issued),
            lowest_sequence: sequence,
            epoch,
            supports_epoch_bump,
            began_ms: now_ms,
        };
        let pending = self.verifications.entry(info.producer_id).or_insert(fresh);
        if epoch == pending.epoch {
            pending.lowest_sequence = pending.lowest_sequence.min(sequence);
        } else if epoch > pending.epoch {
            (pending.epoch, pending.lowest_sequence) = (epoch, sequence);
        }
        Some(pending.guard)
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
        self.ongoing.first_key_value().map(|(&offset, _)| offset)
    }

    /// The offset that read_committed consumers must not reach: of the earliest transaction that
    /// is open or whose marker is not below the high watermark. The last stable offset is this,
    /// or the high watermark.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let unreplicated = self
            .unreplicated
            .first_key_value()
            .map(|(&offset, _)| offset);
        [self.first_undecided_offset(), unreplicated]
            .into_iter()
            .flatten()
            .min()
    }

    /// The high watermark moved: markers below it are safe.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.unreplicated
            .retain(|_, marker| *marker >= high_watermark);
    }

    /// Records before the offset are gone.
    pub fn on_log_start_offset(&mut self, log_start_offset: i64) {
        self.on_high_watermark(log_start_offset);
    }

    /// Last timestamp of the producer with the earliest open transaction: how long a transaction
    /// may be hanging.
    #[must_use]
    pub fn oldest_txn_last_timestamp(&self) -> Option<Timestamp> {
        let (_, producer_id) = self.ongoing.first_key_value()?;
        self.producers
            .get(producer_id)
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
        self.verifications
            .retain(|_, pending| now_ms.saturating_sub(pending.began_ms) < expiration_ms);
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
        self.ongoing.clear();
        self.unreplicated.clear();
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
            self.ongoing.insert(first_offset, producer_id);
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
mod tests;
