//! Which transactions of a log are open, and how far readers may go.

use std::collections::BTreeMap;

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

/// The transactions that hold readers back.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    /// Open transactions: first offset to producer id.
    ongoing: BTreeMap<i64, i64>,
    /// Ended transactions whose markers are not below the high watermark yet: first offset to
    /// marker. Readers must not pass them, since the marker may still be lost.
    unreplicated: BTreeMap<i64, i64>,
}

impl Transactions {
    pub(super) fn on_begin(&mut self, first_offset: i64, producer_id: i64) {
        self.ongoing.insert(first_offset, producer_id);
    }

    pub(super) fn on_end(&mut self, first_offset: i64, marker_offset: i64) {
        self.ongoing.remove(&first_offset);
        self.unreplicated.insert(first_offset, marker_offset);
    }

    /// First offset and producer of the earliest open transaction.
    pub(super) fn first_undecided(&self) -> Option<(i64, i64)> {
        self.ongoing
            .first_key_value()
            .map(|(&offset, &producer_id)| (offset, producer_id))
    }

    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        let undecided = self.ongoing.first_key_value().map(|(&offset, _)| offset);
        let unreplicated = self
            .unreplicated
            .first_key_value()
            .map(|(&offset, _)| offset);
        [undecided, unreplicated].into_iter().flatten().min()
    }

    /// Markers below the high watermark are safe.
    pub(super) fn on_high_watermark(&mut self, high_watermark: i64) {
        self.unreplicated
            .retain(|_, marker| *marker >= high_watermark);
    }

    pub(super) fn clear(&mut self) {
        self.ongoing.clear();
        self.unreplicated.clear();
    }
}
