//! FindCoordinator (key 10): which broker coordinates a group; makes `__consumer_offsets` when the
//! first group asks. KIP-699, 890.

use net_wire::ErrorCode;
use net_wire::message::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};

use super::topology::nodes;
use crate::OFFSETS_TOPIC;
use crate::context::Context;
use crate::topic_creation::create_missing;

const KEY_TYPE_GROUP: i8 = 0;
/// Several keys in one request from this version on.
const KEYS_FROM: i16 = 4;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: FindCoordinatorRequest<'_>,
) -> FindCoordinatorResponse<'static> {
    let keys = if context.version() < KEYS_FROM {
        vec![request.key]
    } else {
        request.coordinator_keys
    };
    let error_code = if request.key_type == KEY_TYPE_GROUP {
        ensure_offsets_topic(context).await
    } else {
        // Transactions and share groups are not served here; retrying would not help.
        ErrorCode::INVALID_REQUEST
    };
    let coordinators: Vec<Coordinator<'static>> = keys
        .into_iter()
        .map(|key| coordinator(context, key.into_owned(), error_code))
        .collect();
    if context.version() >= KEYS_FROM {
        return FindCoordinatorResponse {
            coordinators,
            ..FindCoordinatorResponse::default()
        };
    }
    let only = coordinators.into_iter().next().unwrap_or_default();
    FindCoordinatorResponse {
        error_code: only.error_code,
        error_message: only.error_message,
        node_id: only.node_id,
        host: only.host,
        port: only.port,
        ..FindCoordinatorResponse::default()
    }
}

async fn ensure_offsets_topic(context: &Context<'_>) -> ErrorCode {
    if context.catalog.topic(OFFSETS_TOPIC).is_some() {
        return ErrorCode::NONE;
    }
    let refused = create_missing(context.core, vec![OFFSETS_TOPIC.to_owned()]).await;
    if refused.is_empty() {
        ErrorCode::NONE
    } else {
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    }
}

fn coordinator(context: &Context<'_>, key: String, error_code: ErrorCode) -> Coordinator<'static> {
    let node = nodes(context)
        .into_iter()
        .find(|node| node.id == context.core.config.node_id.0);
    match node {
        Some(node) if error_code.is_none() => Coordinator {
            key: key.into(),
            node_id: node.id,
            host: node.host.into(),
            port: node.port,
            error_code,
            error_message: (context.version() < KEYS_FROM).then(|| "NONE".into()),
        },
        _ => {
            let missing = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            let error_code = if error_code.is_none() {
                missing
            } else {
                error_code
            };
            Coordinator {
                key: key.into(),
                node_id: -1,
                host: "".into(),
                port: -1,
                error_code,
                error_message: crate::dispatch::message_of(error_code),
            }
        }
    }
}
