//! JoinGroup (key 11): a member asks to be in a group's next generation. KIP-345, 394, 559, 800,
//! 814.

use net_wire::message::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use replication_group::{Answer, JoinRequest, Protocol, Request};

use super::groups::{ask, code, owned};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: JoinGroupRequest<'_>,
) -> JoinGroupResponse<'static> {
    let version = context.version();
    let group_id = request.group_id.into_owned();
    let member_id = request.member_id.into_owned();
    let protocols = request.protocols.into_iter().map(|protocol| Protocol {
        name: protocol.name.into_owned(),
        metadata: protocol.metadata.as_ref().into(),
    });
    let join = JoinRequest {
        group_id: group_id.clone(),
        member_id: member_id.clone(),
        group_instance_id: owned(request.group_instance_id),
        client_id: context
            .header
            .client_id
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
        client_host: format!("/{}", context.client.address.ip()),
        session_timeout_ms: request.session_timeout_ms,
        // Version 0 had one timeout for both.
        rebalance_timeout_ms: if version == 0 {
            request.session_timeout_ms
        } else {
            request.rebalance_timeout_ms
        },
        protocol_type: request.protocol_type.into_owned(),
        protocols: protocols.collect(),
        reason: owned(request.reason),
        requires_known_member_id: version >= 4,
        supports_skipping_assignment: version >= 9,
        random: engine_runtime::random_bytes(),
    };
    let joined = match ask(context.core, &group_id, Request::Join(join)).await {
        Ok(Answer::Join(joined)) => joined,
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => {
            let member_id = member_id.into();
            return JoinGroupResponse {
                error_code,
                member_id,
                ..no_protocol(version)
            };
        }
    };
    let text = |text: &std::sync::Arc<str>| text.to_string().into();
    let members = joined.members.iter().map(|member| JoinGroupResponseMember {
        member_id: text(&member.member_id),
        group_instance_id: member.group_instance_id.as_ref().map(text),
        metadata: member.metadata.to_vec().into(),
    });
    let fallback = no_protocol(version);
    JoinGroupResponse {
        error_code: code(joined.error),
        generation_id: joined.generation_id,
        protocol_type: joined.protocol_type.as_ref().map(text),
        protocol_name: joined
            .protocol_name
            .as_ref()
            .map(text)
            .or(fallback.protocol_name),
        leader: text(&joined.leader),
        skip_assignment: joined.skip_assignment && version >= 9,
        member_id: text(&joined.member_id),
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}

/// Before version 7 "no protocol" is an empty name, afterwards null.
fn no_protocol(version: i16) -> JoinGroupResponse<'static> {
    let protocol_name = (version < 7).then(|| "".into());
    JoinGroupResponse {
        protocol_name,
        ..JoinGroupResponse::default()
    }
}
