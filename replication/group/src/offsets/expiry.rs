//! Offsets end some time after nobody uses them (KIP-211), and empty groups with them.

use std::sync::Arc;

use engine_base::Timestamp;

use super::View;
use super::delete::tombstone;
use crate::classic::{ClassicGroup, ClassicState};
use crate::config::GroupConfig;
use crate::coordinator::{Ctx, GroupCoordinator, Outcome};
use crate::notice::Notice;
use crate::record::{CommittedOffset, Record};
use crate::timer::{TimerKey, TimerTask};

/// From when the retention of a group's offsets counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpiryBase {
    /// From when the group became empty; from the commit where the record does not tell.
    GroupEmpty(Option<Timestamp>),
    /// From the commit itself.
    Commit,
}

impl GroupCoordinator {
    pub(crate) fn schedule_expiry(config: &GroupConfig, ctx: &mut Ctx<'_>) {
        let interval = config.offsets_retention_check_interval;
        ctx.schedule(TimerKey::Expiry, interval, TimerTask::Expire);
    }

    /// Writes tombstones for what has expired, and looks again after the interval.
    pub(crate) fn expire(&self, ctx: &mut Ctx<'_>) -> Outcome {
        Self::schedule_expiry(&self.config, ctx);
        let mut group_ids: Vec<&Arc<str>> = self.groups.iter_latest().map(|(id, _)| id).collect();
        group_ids.sort_unstable(); // the order of records must replay in a simulation
        let mut records = Vec::new();
        for group_id in group_ids {
            let group = self.groups.latest(group_id).expect("its id was listed");
            let nothing_is_left = self.expire_group(group, ctx.moment.timestamp, &mut records);
            if nothing_is_left && group.is_in(ClassicState::Empty) {
                records.push(Record::GroupMetadata {
                    group_id: group.id.clone(),
                    value: None,
                });
            }
        }
        if records.is_empty() {
            return Outcome::none();
        }
        ctx.notice(Notice::Expired {
            tombstone_count: records.len(),
        });
        Outcome::records(records).in_any_batches()
    }

    /// Whether the group has no offsets any more, with the tombstones written.
    fn expire_group(
        &self,
        group: &ClassicGroup,
        now: Timestamp,
        records: &mut Vec<Record>,
    ) -> bool {
        let mut offsets = self
            .offsets
            .store
            .of_group(View::Latest, &group.id)
            .peekable();
        let has_pending = self.offsets.pending.contains_group(&group.id);
        if offsets.peek().is_none() {
            return !has_pending;
        }
        let Some(base) = group.expiry_base() else {
            return false;
        };
        let mut is_left = false;
        for (key, stored) in offsets {
            let is_expired = !group.is_subscribed_to(&key.topic)
                && !self.offsets.pending.contains(&key)
                && is_expired(&self.config, base, &stored.value, now);
            if is_expired {
                records.push(tombstone(key));
            } else {
                is_left = true;
            }
        }
        !is_left && !has_pending
    }
}

impl ClassicGroup {
    /// None: the offsets do not expire now.
    fn expiry_base(&self) -> Option<ExpiryBase> {
        if self.protocol_type.is_none() {
            return Some(ExpiryBase::Commit); // a simple group
        }
        match self.state() {
            ClassicState::Empty => Some(ExpiryBase::GroupEmpty(self.state_timestamp)),
            ClassicState::Stable
                if self.uses_consumer_protocol() && self.subscribed_topics.is_some() =>
            {
                Some(ExpiryBase::Commit)
            }
            _ => None,
        }
    }
}

fn is_expired(
    config: &GroupConfig,
    base: ExpiryBase,
    offset: &CommittedOffset,
    now: Timestamp,
) -> bool {
    if let Some(expire_timestamp) = offset.expire_timestamp {
        return now >= expire_timestamp; // the client has said so
    }
    let base = match base {
        ExpiryBase::GroupEmpty(Some(since)) => since,
        ExpiryBase::GroupEmpty(None) | ExpiryBase::Commit => offset.commit_timestamp,
    };
    let retention_ms = i64::try_from(config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    now.saturating_sub(base) >= retention_ms
}
