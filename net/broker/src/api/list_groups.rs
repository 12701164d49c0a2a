//! ListGroups (key 16): the groups this broker coordinates. KIP-518, 848.

use net_wire::message::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use replication_group::{Answer, Request};

use super::groups::{ask_all, code};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: ListGroupsRequest<'_>,
) -> ListGroupsResponse<'static> {
    let owned = |texts: Vec<std::borrow::Cow<'_, str>>| {
        texts
            .into_iter()
            .map(std::borrow::Cow::into_owned)
            .collect()
    };
    let request = Request::ListGroups(replication_group::ListGroupsRequest {
        states_filter: owned(request.states_filter),
        types_filter: owned(request.types_filter),
    });
    let mut response = ListGroupsResponse::default();
    for answer in ask_all(context.core, &request).await {
        match answer {
            Ok(Answer::ListGroups(Ok(groups))) => {
                response
                    .groups
                    .extend(groups.into_iter().map(|group| ListedGroup {
                        group_id: group.group_id.to_string().into(),
                        protocol_type: group.protocol_type.to_string().into(),
                        group_state: group.state.into(),
                        group_type: group.group_type.into(),
                    }));
            }
            // One coordinator that is loading makes the list incomplete: the client asks again.
            Ok(Answer::ListGroups(Err(error))) => response.error_code = code(Some(error)),
            Ok(_) => unreachable!("the answer is of the request's kind"),
            Err(error_code) => response.error_code = error_code,
        }
    }
    if !response.error_code.is_none() {
        response.groups.clear();
    }
    response
}
