//! A static member that returns (KIP-345): a new member id takes the place of the old one.

use std::sync::Arc;

use replication_coordinator::{Failure, Token};

use super::group::ClassicGroup;
use super::join::client_reason;
use super::member::Member;
use super::state::ClassicState;
use crate::answer::{Answer, JoinAnswer, SyncAnswer};
use crate::config::GroupConfig;
use crate::coordinator::{Completion, Ctx, Outcome};
use crate::error::GroupError;
use crate::notice::Notice;
use crate::request::{JoinRequest, Protocol};

/// A replacement that is being written: how to finish it, and how to take it back.
#[derive(Debug)]
pub(crate) struct StaticMemberUpdate {
    token: Token,
    generation_id: i32,
    instance_id: Arc<str>,
    old_member_id: Arc<str>,
    new_member_id: Arc<str>,
    old_protocols: Vec<Protocol>,
    old_rebalance_timeout_ms: i32,
    old_session_timeout_ms: i32,
    /// Before the replacement: what clients that cannot skip the assignment are told, so that
    /// a returned leader takes itself for a follower and keeps its assignment.
    old_leader_id: Arc<str>,
    supports_skipping_assignment: bool,
}

impl ClassicGroup {
    /// Handles a JoinGroup without member id under an instance id that has a member.
    pub(super) fn replace_static(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        token: Token,
        request: JoinRequest,
        old_member_id: Arc<str>,
        new_member_id: Arc<str>,
    ) -> Outcome {
        let old_leader_id = self.leader_id.clone().unwrap_or_default();
        let instance_id = self.replace_member(ctx, &old_member_id, &new_member_id);
        // The old id's session may end now without effect: nobody has that id.
        self.reschedule_session(ctx, &new_member_id);
        let reason = format!(
            "static member {instance_id} returns as {new_member_id}{}",
            client_reason(&request)
        );
        let member = &self.members[&new_member_id];
        let update = StaticMemberUpdate {
            token,
            generation_id: self.generation_id,
            instance_id,
            old_member_id,
            new_member_id: new_member_id.clone(),
            old_protocols: member.protocols.clone(),
            old_rebalance_timeout_ms: member.rebalance_timeout_ms,
            old_session_timeout_ms: member.session_timeout_ms,
            old_leader_id,
            supports_skipping_assignment: request.supports_skipping_assignment,
        };
        self.update_member(
            &new_member_id,
            request.protocols,
            request.rebalance_timeout_ms,
            request.session_timeout_ms,
        );
        self.park_join(ctx, &new_member_id, token);
        match self.state {
            // Nothing that the others would notice: the assignment stands, under the new id.
            ClassicState::Stable
                if self.protocol_name.as_deref() == Some(&*self.select_protocol()) =>
            {
                let record = self.metadata_record(|member| member.assignment.clone());
                let mut outcome = Outcome::applied(vec![record]);
                outcome.completion = Some(Completion::static_member(&self.id, update));
                outcome
            }
            ClassicState::Stable => {
                self.maybe_prepare_rebalance_or_complete_join(config, ctx, reason)
            }
            // The leader may be computing an assignment for the old id: it would reach nobody.
            ClassicState::CompletingRebalance => self.prepare_rebalance(config, ctx, reason),
            _ => self.maybe_complete_join_phase(ctx),
        }
    }

    /// Puts a new id in the place of an old one, and fences whoever waits under the old one.
    fn replace_member(
        &mut self,
        ctx: &mut Ctx<'_>,
        old_member_id: &str,
        new_member_id: &Arc<str>,
    ) -> Arc<str> {
        let old = self
            .remove_member_entry(old_member_id)
            .expect("an instance id stands for a member");
        let instance_id = old.instance_id.clone().expect("a static member has one");
        let error = GroupError::FencedInstanceId;
        if let Some(token) = old.awaiting_join {
            ctx.answer(
                token,
                Answer::Join(JoinAnswer::error(old.id.clone(), error)),
            );
        }
        if let Some(token) = old.awaiting_sync {
            ctx.answer(token, Answer::Sync(SyncAnswer::error(error)));
        }
        if self.is_leader(old_member_id) {
            self.leader_id = Some(new_member_id.clone());
        }
        // An id that will never sync must not be waited for.
        self.pending_syncs.remove(old_member_id);
        self.static_members
            .insert(instance_id.clone(), new_member_id.clone());
        self.insert_member(Member {
            id: new_member_id.clone(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            ..old
        });
        instance_id
    }

    /// The record of the replacement is committed, or lost.
    pub(crate) fn on_static_member_written(
        &mut self,
        ctx: &mut Ctx<'_>,
        update: StaticMemberUpdate,
        result: Result<(), Failure>,
    ) {
        // Meanwhile it may have been removed, or replaced again.
        let Some(member) = self.members.get(&update.new_member_id) else {
            return;
        };
        let is_parked = member.awaiting_join == Some(update.token);
        match result {
            // A rebalance under way will answer the join with the next generation.
            Ok(()) if is_parked && !self.is_in(ClassicState::PreparingRebalance) => {
                self.take_join(&update.new_member_id);
                let answer = self.static_member_answer(&update);
                ctx.answer(update.token, Answer::Join(answer));
            }
            Ok(()) => {}
            // A rebalance has told it its new id: it lives by that, and the record of that
            // generation will tell so.
            Err(_) if self.generation_id != update.generation_id => {}
            Err(failure) => {
                if is_parked {
                    self.take_join(&update.new_member_id);
                    let answer = JoinAnswer {
                        generation_id: self.generation_id,
                        ..JoinAnswer::error("", GroupError::of_failure(failure))
                    };
                    ctx.answer(update.token, Answer::Join(answer));
                }
                self.take_back(ctx, &update);
            }
        }
    }

    fn static_member_answer(&self, update: &StaticMemberUpdate) -> JoinAnswer {
        let is_leader = self.is_leader(&update.new_member_id);
        if update.supports_skipping_assignment {
            // KIP-814: it leads and sees the members, and must not compute an assignment.
            JoinAnswer {
                skip_assignment: is_leader,
                ..self.join_answer(&update.new_member_id, is_leader)
            }
        } else {
            JoinAnswer {
                leader: update.old_leader_id.clone(),
                ..self.join_answer(&update.new_member_id, false)
            }
        }
    }

    fn take_back(&mut self, ctx: &mut Ctx<'_>, update: &StaticMemberUpdate) {
        ctx.notice(Notice::RecordsLost {
            group_id: self.id.clone(),
            what: "the new id of a static member",
        });
        self.update_member(
            &update.new_member_id,
            update.old_protocols.clone(),
            update.old_rebalance_timeout_ms,
            update.old_session_timeout_ms,
        );
        let was_pending = self.pending_syncs.contains(&update.new_member_id);
        let instance_id = self.replace_member(ctx, &update.new_member_id, &update.old_member_id);
        assert_eq!(instance_id, update.instance_id);
        if was_pending {
            self.pending_syncs.insert(update.old_member_id.clone());
        }
        self.reschedule_session(ctx, &update.old_member_id);
    }
}
