//! Heartbeat.

use super::group::ClassicGroup;
use super::state::ClassicState;
use crate::coordinator::Ctx;
use crate::error::GroupError;
use crate::request::HeartbeatRequest;

impl ClassicGroup {
    /// Handles a Heartbeat.
    pub(crate) fn heartbeat(
        &self,
        ctx: &mut Ctx<'_>,
        request: &HeartbeatRequest,
    ) -> Result<(), GroupError> {
        if self.is_in(ClassicState::Dead) {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        self.reschedule_session(ctx, &request.member_id);
        match self.state {
            ClassicState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            // Consumers heartbeat as soon as they have joined, before they have their assignment.
            ClassicState::CompletingRebalance | ClassicState::Stable => Ok(()),
            ClassicState::Empty | ClassicState::Dead => {
                unreachable!("an empty group knows no member")
            }
        }
    }
}
