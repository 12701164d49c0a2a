//! SyncGroup (key 14): the leader hands out the assignment, members fetch theirs. KIP-345, 559.

use net_wire::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use replication_group::{Answer, Assignment, Request, SyncRequest};

use super::groups::{ask, code, owned};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: SyncGroupRequest<'_>,
) -> SyncGroupResponse<'static> {
    // From version 5 on the member says what it joined; without it it is no such version's member.
    let is_incomplete = request.protocol_type.is_none() || request.protocol_name.is_none();
    if context.version() >= 5 && is_incomplete {
        let error_code = net_wire::ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
        return SyncGroupResponse {
            error_code,
            ..SyncGroupResponse::default()
        };
    }
    let group_id = request.group_id.into_owned();
    let assignments = request
        .assignments
        .into_iter()
        .map(|assignment| Assignment {
            member_id: assignment.member_id.into_owned(),
            assignment: assignment.assignment.as_ref().into(),
        });
    let sync = SyncRequest {
        group_id: group_id.clone(),
        generation_id: request.generation_id,
        member_id: request.member_id.into_owned(),
        group_instance_id: owned(request.group_instance_id),
        protocol_type: owned(request.protocol_type),
        protocol_name: owned(request.protocol_name),
        assignments: assignments.collect(),
    };
    let synced = match ask(context.core, &group_id, Request::Sync(sync)).await {
        Ok(Answer::Sync(synced)) => synced,
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => {
            return SyncGroupResponse {
                error_code,
                ..SyncGroupResponse::default()
            };
        }
    };
    SyncGroupResponse {
        error_code: code(synced.error),
        protocol_type: synced.protocol_type.map(|text| text.to_string().into()),
        protocol_name: synced.protocol_name.map(|text| text.to_string().into()),
        assignment: synced.assignment.to_vec().into(),
        ..SyncGroupResponse::default()
    }
}
