//! First batches of transactions that wait for the transaction coordinator's word (KIP-890).
//!
//! The coordinator is asked whether the transaction really includes this partition before its
//! first batch is appended; otherwise a batch that arrives after the abort marker would begin a
//! transaction that nobody ever ends.

use engine_base::{HashMap, Timestamp};
use engine_record::BatchInfo;

/// Proves that a verification was begun for this very attempt: an answer of the coordinator that
/// was overtaken by an abort marker does not fit the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// A transaction's first batch that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    guard: VerificationGuard,
    lowest_sequence: i32,
    epoch: i16,
    supports_epoch_bump: bool,
    began_ms: Timestamp,
}

/// Those that wait, one for each producer. Bounded by the requests in flight and by expiry.
#[derive(Clone, Debug, Default)]
pub(super) struct Verifications {
    pending: HashMap<i64, Verification>,
    guards_issued: u64,
}

impl Verifications {
    /// Begins one, or joins the one that is pending.
    pub(super) fn begin(
        &mut self,
        info: &BatchInfo,
        supports_epoch_bump: bool,
        now_ms: Timestamp,
    ) -> VerificationGuard {
        let (epoch, sequence) = (info.producer_epoch, info.base_sequence);
        self.guards_issued += 1;
        let fresh = Verification {
            guard: VerificationGuard(self.guards_issued),
            lowest_sequence: sequence,
            epoch,
            supports_epoch_bump,
            began_ms: now_ms,
        };
        let pending = self.pending.entry(info.producer_id).or_insert(fresh);
        if epoch == pending.epoch {
            pending.lowest_sequence = pending.lowest_sequence.min(sequence);
        } else if epoch > pending.epoch {
            (pending.epoch, pending.lowest_sequence) = (epoch, sequence);
        }
        pending.guard
    }

    /// Whether the guard belongs to the attempt that is pending.
    pub(super) fn is_current(&self, producer_id: i64, guard: Option<VerificationGuard>) -> bool {
        let pending = self.pending.get(&producer_id).map(|pending| pending.guard);
        pending.is_some() && pending == guard
    }

    /// Whether what is pending lets a batch begin with this sequence number: not above one that
    /// came before it, and 0 where nothing is known of the producer and its protocol says so.
    pub(super) fn allows(&self, producer_id: i64, sequence: i32, is_unknown: bool) -> bool {
        self.pending.get(&producer_id).is_none_or(|pending| {
            let must_be_zero = pending.supports_epoch_bump && is_unknown;
            !(must_be_zero && sequence != 0) && sequence <= pending.lowest_sequence
        })
    }

    /// The first batch stands in the log.
    pub(super) fn on_append(&mut self, producer_id: i64) {
        self.pending.remove(&producer_id);
    }

    /// A marker stands in the log: what was pending is void. With the epoch bump, one of this
    /// epoch is for the next transaction already and stays.
    pub(super) fn on_marker(&mut self, producer_id: i64, epoch: i16) {
        let is_next =
            |pending: &Verification| pending.supports_epoch_bump && pending.epoch == epoch;
        if self
            .pending
            .get(&producer_id)
            .is_some_and(|pending| !is_next(pending))
        {
            self.pending.remove(&producer_id);
        }
    }

    pub(super) fn expire(&mut self, now_ms: Timestamp, expiration_ms: i64) {
        self.pending
            .retain(|_, pending| now_ms.saturating_sub(pending.began_ms) < expiration_ms);
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }
}
