//! DescribeGroups (key 15): members and assignments of classic groups. KIP-430, 1043.

use net_wire::ErrorCode;
use net_wire::message::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use replication_group::{Answer, DescribedMember, Request};

use super::groups::{ask, code};
use crate::context::Context;

/// Unknown groups are an error from this version on; before, they are described as dead.
const NOT_FOUND_FROM: i16 = 6;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: DescribeGroupsRequest<'_>,
) -> DescribeGroupsResponse<'static> {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        groups.push(describe(context, group_id.into_owned()).await);
    }
    DescribeGroupsResponse {
        groups,
        ..DescribeGroupsResponse::default()
    }
}

async fn describe(context: &Context<'_>, group_id: String) -> DescribedGroup<'static> {
    let request = Request::DescribeGroups(vec![group_id.clone()]);
    let described = match ask(context.core, &group_id, request).await {
        Ok(Answer::DescribeGroups(mut described)) if described.len() == 1 => described.remove(0),
        Ok(_) => unreachable!("one group was asked for"),
        Err(error_code) => {
            let group_id = group_id.into();
            return DescribedGroup {
                error_code,
                group_id,
                ..DescribedGroup::default()
            };
        }
    };
    let mut error_code = code(described.error);
    let mut error_message = None;
    if error_code == ErrorCode::GROUP_ID_NOT_FOUND {
        if context.version() >= NOT_FOUND_FROM {
            error_message = Some(format!("Group {group_id} not found.").into());
        } else {
            error_code = ErrorCode::NONE;
        }
    }
    DescribedGroup {
        error_code,
        error_message,
        group_id: described.group_id.into(),
        group_state: described.state.into(),
        protocol_type: described.protocol_type.to_string().into(),
        protocol_data: described.protocol_data.to_string().into(),
        members: described.members.iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}

fn member(member: &DescribedMember) -> DescribedGroupMember<'static> {
    DescribedGroupMember {
        member_id: member.member_id.to_string().into(),
        group_instance_id: member
            .group_instance_id
            .as_ref()
            .map(|id| id.to_string().into()),
        client_id: member.client_id.to_string().into(),
        client_host: member.client_host.to_string().into(),
        member_metadata: member.metadata.to_vec().into(),
        member_assignment: member.assignment.to_vec().into(),
    }
}
