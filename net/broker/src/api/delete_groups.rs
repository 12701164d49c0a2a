//! DeleteGroups (key 42): groups without members, and their offsets, go. KIP-229.

use net_wire::message::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};
use replication_group::{Answer, Request};

use super::groups::{ask, code};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: DeleteGroupsRequest<'_>,
) -> DeleteGroupsResponse<'static> {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let group_id = group_id.into_owned();
        let request = Request::DeleteGroups(vec![group_id.clone()]);
        let error_code = match ask(context.core, &group_id, request).await {
            Ok(Answer::DeleteGroups(deleted)) => {
                code(deleted.first().and_then(|group| group.error))
            }
            Ok(_) => unreachable!("the answer is of the request's kind"),
            Err(error_code) => error_code,
        };
        results.push(DeletableGroupResult {
            group_id: group_id.into(),
            error_code,
            error_message: None,
        });
    }
    DeleteGroupsResponse {
        results,
        ..DeleteGroupsResponse::default()
    }
}
