//! Appends in flight, and who waits for them.

use std::collections::VecDeque;

use engine_base::Instant;

use crate::append::AppendId;
use crate::effects::Token;
use crate::limits::{ANSWERS_WAITING_MAX, APPENDS_IN_FLIGHT_MAX};
use crate::machine::Machine;

/// An answer or a completion that waits for an append.
pub(crate) struct Waiter<M: Machine> {
    pub(crate) reply: Option<(Token, M::Answer)>,
    pub(crate) completion: Option<M::Completion>,
    pub(crate) deadline: Instant,
}

struct InFlight<M: Machine> {
    id: AppendId,
    base_offset: i64,
    /// Committed when the high watermark is not below this.
    next_offset: i64,
    /// In the order of their deadlines.
    waiters: VecDeque<Waiter<M>>,
}

/// Appends that are written and not yet committed, oldest first; ids and offsets rise.
pub(crate) struct Waiting<M: Machine> {
    in_flight: VecDeque<InFlight<M>>,
    /// Deadline and append of each waiter, in the order of their creation: both rise, because
    /// time does and because a waiter joins the newest append.
    expiries: VecDeque<(Instant, AppendId)>,
}

/// What a failed append takes with it.
pub(crate) struct Void<M: Machine> {
    /// The first append that never happened.
    pub(crate) from: AppendId,
    /// Where the next record will stand instead.
    pub(crate) next_offset: i64,
    /// Newest first: what was built on something is taken back before it.
    pub(crate) waiters: Vec<Waiter<M>>,
}

impl<M: Machine> Waiting<M> {
    pub(crate) const fn new() -> Self {
        Self {
            in_flight: VecDeque::new(),
            expiries: VecDeque::new(),
        }
    }

    pub(crate) fn append_count(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.len() >= APPENDS_IN_FLIGHT_MAX || self.expiries.len() >= ANSWERS_WAITING_MAX
    }

    pub(crate) fn push(&mut self, id: AppendId, base_offset: i64, next_offset: i64) {
        assert!(base_offset < next_offset);
        if let Some(newest) = self.in_flight.back() {
            assert!(newest.id < id);
            assert!(newest.next_offset <= base_offset);
        }
        self.in_flight.push_back(InFlight {
            id,
            base_offset,
            next_offset,
            waiters: VecDeque::new(),
        });
    }

    /// Lets somebody wait for everything written so far; gives them back when that is nothing.
    pub(crate) fn join_newest(&mut self, waiter: Waiter<M>) -> Result<(), Waiter<M>> {
        let Some(newest) = self.in_flight.back_mut() else {
            return Err(waiter);
        };
        self.expiries.push_back((waiter.deadline, newest.id));
        newest.waiters.push_back(waiter);
        Ok(())
    }

    /// Where an append in flight is expected to stand.
    pub(crate) fn expected_offset(&self, id: AppendId) -> Option<i64> {
        let index = self.in_flight.binary_search_by_key(&id, |append| append.id);
        Some(self.in_flight[index.ok()?].base_offset)
    }

    /// The newest append that lies below a high watermark.
    pub(crate) fn newest_below(&self, high_watermark: i64) -> Option<AppendId> {
        let count = self
            .in_flight
            .partition_point(|append| append.next_offset <= high_watermark);
        Some(self.in_flight[count.checked_sub(1)?].id)
    }

    /// Takes out what is committed, oldest first.
    pub(crate) fn take_committed(&mut self, up_to: AppendId) -> Vec<Waiter<M>> {
        let mut waiters = Vec::new();
        while let Some(append) = self.in_flight.pop_front_if(|append| append.id <= up_to) {
            waiters.extend(append.waiters);
        }
        while self.expiries.pop_front_if(|(_, id)| *id <= up_to).is_some() {}
        waiters
    }

    /// Takes out an append that failed, and all later ones.
    pub(crate) fn take_failed(&mut self, id: AppendId) -> Option<Void<M>> {
        let keep = self.in_flight.partition_point(|append| append.id < id);
        let void = self.in_flight.split_off(keep);
        while self
            .expiries
            .pop_back_if(|(_, waits_for)| *waits_for >= id)
            .is_some()
        {}
        let (from, next_offset) = void.front().map(|first| (first.id, first.base_offset))?;
        let appends = void.into_iter().rev();
        Some(Void {
            from,
            next_offset,
            waiters: appends
                .flat_map(|append| append.waiters.into_iter().rev())
                .collect(),
        })
    }

    /// Takes out those whose time is over. Their appends stay: they may still be committed.
    pub(crate) fn take_late(&mut self, now: Instant) -> Vec<Waiter<M>> {
        let mut late = Vec::new();
        while let Some((_, id)) = self.expiries.pop_front_if(|(deadline, _)| *deadline <= now) {
            let index = self
                .in_flight
                .binary_search_by_key(&id, |append| append.id)
                .expect("an expiry goes away with its append");
            // The expiries of one append stand in the order of its waiters.
            late.extend(self.in_flight[index].waiters.pop_front());
        }
        late
    }

    /// Takes out everybody.
    pub(crate) fn take_all(&mut self) -> Vec<Waiter<M>> {
        self.expiries.clear();
        let appends = std::mem::take(&mut self.in_flight);
        appends
            .into_iter()
            .flat_map(|append| append.waiters)
            .collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.expiries.front().map(|(deadline, _)| *deadline)
    }
}
