//! LeaveGroup, also as an administrator's removal of static members.

use super::group::ClassicGroup;
use super::join::cut;
use super::state::ClassicState;
use crate::answer::{Answer, LeaveMemberAnswer};
use crate::config::GroupConfig;
use crate::coordinator::{Ctx, Outcome};
use crate::error::GroupError;
use crate::limits::REASON_BYTES_MAX;
use crate::request::{LeaveRequest, LeavingMember};
use crate::timer::TimerKey;

impl ClassicGroup {
    /// Handles a LeaveGroup: all members first, then one rebalance.
    pub(crate) fn leave(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        request: LeaveRequest,
    ) -> Outcome {
        if self.is_in(ClassicState::Dead) {
            let error = GroupError::CoordinatorNotAvailable;
            return Outcome::after_writes(Answer::Leave(Err(error)));
        }
        let mut answers = Vec::with_capacity(request.members.len());
        for leaving in request.members {
            let error = self.leave_one(ctx, &leaving).err();
            answers.push(LeaveMemberAnswer {
                member_id: leaving.member_id,
                group_instance_id: leaving.group_instance_id,
                error,
            });
        }
        let left = answers
            .iter()
            .filter(|answer| answer.error.is_none())
            .count();
        let outcome = match self.state {
            _ if left == 0 => Outcome::none(),
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                let reason = match left {
                    1 => "a member has left".to_owned(),
                    _ => format!("{left} members have left"),
                };
                self.maybe_prepare_rebalance_or_complete_join(config, ctx, reason)
            }
            ClassicState::PreparingRebalance => self.maybe_complete_join_phase(ctx),
            ClassicState::Empty | ClassicState::Dead => Outcome::none(),
        };
        outcome.replying(Answer::Leave(Ok(answers)))
    }

    fn leave_one(&mut self, ctx: &mut Ctx<'_>, leaving: &LeavingMember) -> Result<(), GroupError> {
        let reason = match leaving.reason.as_deref() {
            None | Some("") => "it has left".to_owned(),
            Some(reason) => format!("it has left; its reason: {}", cut(reason, REASON_BYTES_MAX)),
        };
        let instance_id = leaving.group_instance_id.as_deref();
        if leaving.member_id.is_empty() {
            // An administrator knows static members by their instance id only.
            let member_id = instance_id
                .and_then(|id| self.static_members.get(id))
                .cloned();
            let member_id = member_id.ok_or(GroupError::UnknownMemberId)?;
            self.drop_member(ctx, &member_id, &reason);
            return Ok(());
        }
        if let Some(pending) = self.pending_joins.get(leaving.member_id.as_str()).cloned() {
            self.remove_member(&pending);
            ctx.cancel(&TimerKey::Session(self.id.clone(), pending));
            return Ok(());
        }
        self.validate_member(&leaving.member_id, instance_id)?;
        self.drop_member(ctx, &leaving.member_id, &reason);
        Ok(())
    }
}
