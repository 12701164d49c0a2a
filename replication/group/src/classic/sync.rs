//! SyncGroup: the leader brings the assignment, everybody takes theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use replication_coordinator::{Failure, Token};

use super::group::ClassicGroup;
use super::state::ClassicState;
use crate::answer::{Answer, SyncAnswer};
use crate::config::GroupConfig;
use crate::coordinator::{Completion, Ctx, Outcome};
use crate::error::GroupError;
use crate::notice::Notice;
use crate::request::{Assignment, SyncRequest};
use crate::timer::TimerKey;

/// An assignment that is being written.
#[derive(Debug)]
pub(crate) struct AssignmentUpdate {
    generation_id: i32,
    leader_id: Arc<str>,
    assignments: BTreeMap<Arc<str>, Arc<[u8]>>,
}

impl ClassicGroup {
    /// Handles a SyncGroup.
    pub(crate) fn sync(
        &mut self,
        ctx: &mut Ctx<'_>,
        token: Token,
        request: SyncRequest,
    ) -> Outcome {
        if self.is_in(ClassicState::Empty) {
            return refuse(GroupError::UnknownMemberId);
        }
        if let Err(error) = self.validate_sync(&request) {
            return refuse(error);
        }
        match self.state {
            ClassicState::PreparingRebalance => refuse(GroupError::RebalanceInProgress),
            ClassicState::CompletingRebalance => {
                self.park_sync(ctx, &request.member_id, token);
                self.sync_received(ctx, &request.member_id);
                if self.is_leader(&request.member_id) {
                    return self.write_assignments(ctx, &request.member_id, request.assignments);
                }
                Outcome::none()
            }
            ClassicState::Stable => {
                self.sync_received(ctx, &request.member_id);
                let member = &self.members[request.member_id.as_str()];
                let answer = Answer::Sync(SyncAnswer {
                    error: None,
                    protocol_type: self.protocol_type.clone(),
                    protocol_name: self.protocol_name.clone(),
                    assignment: member.assignment.clone(),
                });
                // Kafka answers at once. But the assignment of a group that was just loaded may
                // stand above the high watermark, and could still be lost to the next coordinator.
                Outcome::after_writes(answer)
            }
            ClassicState::Empty | ClassicState::Dead => {
                unreachable!("both were refused above")
            }
        }
    }

    fn validate_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        if self.is_in(ClassicState::Dead) {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        let differs = |theirs: &Option<String>, ours: &Option<Arc<str>>| match (theirs, ours) {
            (Some(theirs), Some(ours)) => **theirs != **ours,
            _ => false, // before version 5 the request does not say
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn sync_received(&mut self, ctx: &mut Ctx<'_>, member_id: &str) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            ctx.cancel(&TimerKey::Sync(self.id.clone()));
        }
    }

    /// Writes the leader's assignment. Members learn of it when it is committed: what a member
    /// works by must survive this broker.
    fn write_assignments(
        &mut self,
        ctx: &mut Ctx<'_>,
        leader_id: &str,
        assignments: Vec<Assignment>,
    ) -> Outcome {
        // A leader that lost its connection syncs again while the first assignment is written.
        // That one stands: members must not get another than the log tells.
        if self.persisting_generation == Some(self.generation_id) {
            return Outcome::none();
        }
        let given: BTreeMap<String, Arc<[u8]>> = assignments
            .into_iter()
            .map(|assignment| (assignment.member_id, assignment.assignment))
            .collect();
        let missing = self
            .members
            .keys()
            .filter(|id| !given.contains_key(&***id))
            .count();
        if missing > 0 {
            ctx.notice(Notice::EmptyAssignments {
                group_id: self.id.clone(),
                generation_id: self.generation_id,
                member_count: missing,
            });
        }
        let assignments: BTreeMap<Arc<str>, Arc<[u8]>> = self
            .members
            .keys()
            .map(|id| (id.clone(), given.get(&**id).cloned().unwrap_or_default()))
            .collect();
        let record = self.metadata_record(|member| assignments[&member.id].clone());
        self.persisting_generation = Some(self.generation_id);
        let mut outcome = Outcome::applied(vec![record]);
        let update = AssignmentUpdate {
            generation_id: self.generation_id,
            leader_id: Arc::from(leader_id),
            assignments,
        };
        outcome.completion = Some(Completion::assignment(&self.id, update));
        outcome
    }

    /// The record of the assignment is committed, or lost.
    pub(crate) fn on_assignment_written(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        update: AssignmentUpdate,
        result: Result<(), Failure>,
    ) -> Outcome {
        if self.persisting_generation == Some(update.generation_id) {
            self.persisting_generation = None;
        }
        // Another member may have joined, and another generation begun, while it was written.
        if !self.is_in(ClassicState::CompletingRebalance)
            || update.generation_id != self.generation_id
        {
            return Outcome::none();
        }
        match result {
            Ok(()) => {
                for member in self.members.values_mut() {
                    let assignment = update.assignments.get(&member.id);
                    member.assignment = assignment.cloned().unwrap_or_default();
                }
                self.propagate_assignments(ctx, None);
                self.transition_to(ClassicState::Stable, ctx.moment.timestamp);
                Outcome::none()
            }
            Err(failure) => {
                let error = GroupError::of_failure(failure);
                ctx.notice(Notice::RecordsLost {
                    group_id: self.id.clone(),
                    what: "the assignment",
                });
                self.reset_assignments(ctx, error);
                let reason = format!("the assignment of {} was lost: {error}", update.leader_id);
                self.maybe_prepare_rebalance_or_complete_join(config, ctx, reason)
            }
        }
    }

    /// Takes all assignments away and tells those that wait for one.
    pub(super) fn reset_assignments(&mut self, ctx: &mut Ctx<'_>, error: GroupError) {
        assert!(self.is_in(ClassicState::CompletingRebalance));
        for member in self.members.values_mut() {
            member.assignment = Arc::from([]);
        }
        self.propagate_assignments(ctx, Some(error));
    }

    fn propagate_assignments(&mut self, ctx: &mut Ctx<'_>, error: Option<GroupError>) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let member = self.members.get_mut(&id).expect("the key is a member's");
            let Some(token) = member.awaiting_sync.take() else {
                continue;
            };
            let answer = match error {
                Some(error) => SyncAnswer::error(error),
                None => SyncAnswer {
                    error: None,
                    protocol_type: self.protocol_type.clone(),
                    protocol_name: self.protocol_name.clone(),
                    assignment: member.assignment.clone(),
                },
            };
            ctx.answer(token, Answer::Sync(answer));
            // A session that ran out while the request was parked was let pass, and nobody has
            // begun another one.
            self.reschedule_session(ctx, &id);
        }
    }
}

fn refuse(error: GroupError) -> Outcome {
    Outcome::now(Answer::Sync(SyncAnswer::error(error)))
}
