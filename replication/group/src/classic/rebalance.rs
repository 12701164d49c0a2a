//! The join phase: when it begins, how long it waits, how it ends; and what time removes.

use std::sync::Arc;

use super::group::ClassicGroup;
use super::milliseconds;
use super::state::ClassicState;
use crate::answer::{Answer, JoinAnswer, SyncAnswer};
use crate::config::GroupConfig;
use crate::coordinator::{Completion, Ctx, Outcome};
use crate::error::GroupError;
use crate::notice::Notice;
use crate::timer::{TimerKey, TimerTask};

impl ClassicGroup {
    /// Begins a rebalance where that is legal, otherwise looks whether one can end.
    pub(super) fn maybe_prepare_rebalance_or_complete_join(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        reason: String,
    ) -> Outcome {
        if self.state.may_become(ClassicState::PreparingRebalance) {
            self.prepare_rebalance(config, ctx, reason)
        } else {
            self.maybe_complete_join_phase(ctx)
        }
    }

    pub(crate) fn prepare_rebalance(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        reason: String,
    ) -> Outcome {
        // Members that await the assignment of this generation will not get it: they rejoin.
        if self.is_in(ClassicState::CompletingRebalance) {
            self.reset_assignments(ctx, GroupError::RebalanceInProgress);
        }
        self.pending_syncs.clear();
        ctx.cancel(&TimerKey::Sync(self.id.clone()));

        let is_initial = self.is_in(ClassicState::Empty);
        if is_initial {
            // The group is new: more members are likely to follow within a moment, and each that
            // comes later costs a rebalance.
            let delay_ms = config.initial_rebalance_delay_ms;
            let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
            self.schedule_initial_delay(ctx, delay_ms, delay_ms, remaining_ms);
        }
        self.transition_to(ClassicState::PreparingRebalance, ctx.moment.timestamp);
        ctx.notice(Notice::PreparingRebalance {
            group_id: self.id.clone(),
            generation_id: self.generation_id,
            reason,
        });
        if is_initial {
            return Outcome::none();
        }
        if self.has_all_members_joined() {
            return self.complete_join(ctx);
        }
        self.schedule_join_timeout(ctx);
        Outcome::none()
    }

    fn schedule_join_timeout(&self, ctx: &mut Ctx<'_>) {
        let timeout = milliseconds(self.rebalance_timeout_ms());
        ctx.schedule(
            TimerKey::Join(self.id.clone()),
            timeout,
            TimerTask::CompleteJoin,
        );
    }

    fn schedule_initial_delay(
        &self,
        ctx: &mut Ctx<'_>,
        wait_ms: i32,
        delay_ms: i32,
        remaining_ms: i32,
    ) {
        let task = TimerTask::InitialDelay {
            delay_ms,
            remaining_ms,
        };
        ctx.schedule(TimerKey::Join(self.id.clone()), milliseconds(wait_ms), task);
    }

    /// The first rebalance of a group has waited its delay: it waits again while members arrive,
    /// but never longer than the rebalance timeout in all.
    pub(crate) fn on_initial_delay(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        delay_ms: i32,
        remaining_ms: i32,
    ) -> Outcome {
        if self.new_member_added && remaining_ms != 0 {
            self.new_member_added = false;
            let next_delay_ms = config.initial_rebalance_delay_ms.min(remaining_ms);
            let next_remaining_ms = (remaining_ms - delay_ms).max(0);
            self.schedule_initial_delay(ctx, next_delay_ms, next_delay_ms, next_remaining_ms);
            return Outcome::none();
        }
        self.complete_join(ctx)
    }

    /// Ends the join phase if nobody is missing. The first rebalance of a group ends by its timer
    /// only.
    pub(super) fn maybe_complete_join_phase(&mut self, ctx: &mut Ctx<'_>) -> Outcome {
        if self.is_in(ClassicState::PreparingRebalance)
            && self.previous_state != ClassicState::Empty
            && self.has_all_members_joined()
        {
            return self.complete_join(ctx);
        }
        Outcome::none()
    }

    /// Ends the join phase: who has not rejoined is out (static members stay until their session
    /// ends), the others get the next generation.
    pub(crate) fn complete_join(&mut self, ctx: &mut Ctx<'_>) -> Outcome {
        if !self.is_in(ClassicState::PreparingRebalance) {
            return Outcome::none();
        }
        ctx.cancel(&TimerKey::Join(self.id.clone()));
        let missing: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|member| !member.is_awaiting_join() && !member.is_static())
            .map(|member| member.id.clone())
            .collect();
        for member_id in missing {
            self.drop_member(ctx, &member_id, "it has not rejoined in time");
        }
        if !self.maybe_elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left, and none is here. Their sessions decide.
            ctx.notice(Notice::NobodyRejoined {
                group_id: self.id.clone(),
            });
            self.schedule_join_timeout(ctx);
            return Outcome::none();
        }
        self.init_next_generation(ctx);
        if self.members.is_empty() {
            return self.emptied(ctx);
        }
        self.answer_joined(ctx);
        let task = TimerTask::ExpireSync {
            generation_id: self.generation_id,
        };
        let timeout = milliseconds(self.rebalance_timeout_ms());
        ctx.schedule(TimerKey::Sync(self.id.clone()), timeout, task);
        Outcome::none()
    }

    /// Whether somebody leads: the leader if it has rejoined, else the first member that has.
    fn maybe_elect_joined_leader(&mut self) -> bool {
        let Some(leader_id) = &self.leader_id else {
            return false;
        };
        let leader = self.members.get(leader_id);
        if leader.is_some_and(|leader| leader.is_awaiting_join()) {
            return true;
        }
        let joined = self
            .members
            .values()
            .find(|member| member.is_awaiting_join());
        let Some(joined) = joined else { return false };
        self.leader_id = Some(joined.id.clone());
        true
    }

    fn emptied(&self, ctx: &mut Ctx<'_>) -> Outcome {
        ctx.notice(Notice::Emptied {
            group_id: self.id.clone(),
            generation_id: self.generation_id,
        });
        let record = self.metadata_record(|_| Arc::from([]));
        let mut outcome = Outcome::applied(vec![record]);
        outcome.completion = Some(Completion::group_written(&self.id, "the empty generation"));
        outcome
    }

    fn answer_joined(&mut self, ctx: &mut Ctx<'_>) {
        ctx.notice(Notice::Stabilized {
            group_id: self.id.clone(),
            generation_id: self.generation_id,
            member_count: self.members.len(),
        });
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(token) = self.take_join(&id) {
                let answer = self.join_answer(&id, self.is_leader(&id));
                ctx.answer(token, Answer::Join(answer));
            }
            self.reschedule_session(ctx, &id);
            self.members
                .get_mut(&id)
                .expect("the key is a member's")
                .is_new = false;
            self.pending_syncs.insert(id);
        }
    }

    /// A sign of life: the session begins again.
    pub(crate) fn reschedule_session(&self, ctx: &mut Ctx<'_>, member_id: &str) {
        let Some(member) = self.members.get(member_id) else {
            return;
        };
        let key = TimerKey::Session(self.id.clone(), member.id.clone());
        let timeout = milliseconds(member.session_timeout_ms);
        ctx.schedule(key, timeout, TimerTask::ExpireSession);
    }

    /// Removes a member and answers what it has parked. The generation goes on without it until
    /// the caller decides otherwise.
    pub(super) fn drop_member(&mut self, ctx: &mut Ctx<'_>, member_id: &str, reason: &str) {
        let Some(removed) = self.remove_member(member_id) else {
            return;
        };
        ctx.cancel(&TimerKey::Session(self.id.clone(), removed.id.clone()));
        // A client that is still there learns that it must join anew.
        if let Some(token) = removed.awaiting_join {
            let answer = JoinAnswer::error("", GroupError::UnknownMemberId);
            ctx.answer(token, Answer::Join(answer));
        }
        if let Some(token) = removed.awaiting_sync {
            ctx.answer(
                token,
                Answer::Sync(SyncAnswer::error(GroupError::UnknownMemberId)),
            );
        }
        ctx.notice(Notice::MemberRemoved {
            group_id: self.id.clone(),
            member_id: removed.id,
            reason: reason.to_owned(),
        });
    }

    /// A session, or the time to come back with an id, has run out.
    pub(crate) fn on_session_expired(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        member_id: &str,
    ) -> Outcome {
        if self.is_in(ClassicState::Dead) {
            return Outcome::none();
        }
        if self.pending_joins.contains(member_id) {
            self.remove_member(member_id);
            return self.complete_join_if_all_joined(ctx);
        }
        let Some(member) = self.members.get(member_id) else {
            return Outcome::none();
        };
        if member.has_satisfied_heartbeat() {
            return Outcome::none();
        }
        self.drop_member(ctx, member_id, "its session has expired");
        match self.state {
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                let reason = format!("the session of member {member_id} has expired");
                self.maybe_prepare_rebalance_or_complete_join(config, ctx, reason)
            }
            _ => self.complete_join_if_all_joined(ctx),
        }
    }

    fn complete_join_if_all_joined(&mut self, ctx: &mut Ctx<'_>) -> Outcome {
        if self.is_in(ClassicState::PreparingRebalance) && self.has_all_members_joined() {
            return self.complete_join(ctx);
        }
        Outcome::none()
    }

    /// Members that have not sent SyncGroup within the rebalance timeout are out.
    pub(crate) fn on_sync_timeout(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        generation_id: i32,
    ) -> Outcome {
        let awaits_syncs =
            self.is_in(ClassicState::CompletingRebalance) || self.is_in(ClassicState::Stable);
        if generation_id != self.generation_id || !awaits_syncs || self.pending_syncs.is_empty() {
            return Outcome::none();
        }
        let late = std::mem::take(&mut self.pending_syncs);
        for member_id in &late {
            self.drop_member(ctx, member_id, "it has not sent SyncGroup in time");
        }
        let reason = format!("{} members have not sent SyncGroup in time", late.len());
        self.prepare_rebalance(config, ctx, reason)
    }
}
