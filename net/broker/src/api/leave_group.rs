//! LeaveGroup (key 13): members leave, or are removed by an administrator. KIP-345, 800.

use net_wire::ErrorCode;
use net_wire::message::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};
use replication_group::{Answer, LeaveRequest, LeavingMember, Request};

use super::groups::{ask, code, owned};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: LeaveGroupRequest<'_>,
) -> LeaveGroupResponse<'static> {
    let is_single = context.version() < 3;
    let members = if is_single {
        let member_id = request.member_id;
        vec![MemberIdentity {
            member_id,
            ..MemberIdentity::default()
        }]
    } else {
        request.members
    };
    let members = members.into_iter().map(|member| LeavingMember {
        member_id: member.member_id.into_owned(),
        group_instance_id: owned(member.group_instance_id),
        reason: owned(member.reason),
    });
    let group_id = request.group_id.into_owned();
    let leave = LeaveRequest {
        group_id: group_id.clone(),
        members: members.collect(),
    };
    let left = match ask(context.core, &group_id, Request::Leave(leave)).await {
        Ok(Answer::Leave(Ok(left))) => left,
        Ok(Answer::Leave(Err(error))) => return failed(code(Some(error))),
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => return failed(error_code),
    };
    if is_single {
        // One member, one error: it stands at the top.
        let error = left.first().and_then(|member| member.error);
        return failed(code(error));
    }
    let members = left.into_iter().map(|member| MemberResponse {
        member_id: member.member_id.into(),
        group_instance_id: member.group_instance_id.map(Into::into),
        error_code: code(member.error),
    });
    LeaveGroupResponse {
        members: members.collect(),
        ..LeaveGroupResponse::default()
    }
}

fn failed(error_code: ErrorCode) -> LeaveGroupResponse<'static> {
    LeaveGroupResponse {
        error_code,
        ..LeaveGroupResponse::default()
    }
}
