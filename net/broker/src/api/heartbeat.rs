//! Heartbeat (key 12): a member is alive, and learns whether its group rebalances. KIP-345.

use net_wire::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use replication_group::{Answer, Request};

use super::groups::{ask, code, owned};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: HeartbeatRequest<'_>,
) -> HeartbeatResponse {
    let group_id = request.group_id.into_owned();
    let heartbeat = replication_group::HeartbeatRequest {
        group_id: group_id.clone(),
        generation_id: request.generation_id,
        member_id: request.member_id.into_owned(),
        group_instance_id: owned(request.group_instance_id),
    };
    let error_code = match ask(context.core, &group_id, Request::Heartbeat(heartbeat)).await {
        Ok(Answer::Heartbeat(result)) => code(result.err()),
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => error_code,
    };
    HeartbeatResponse {
        error_code,
        ..HeartbeatResponse::default()
    }
}
