//! DescribeCluster (key 60): the nodes and the cluster's id. KIP-700, 919, 1073.

use net_wire::ErrorCode;
use net_wire::message::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::topology::{CLUSTER_OPERATIONS, nodes};
use crate::context::Context;

/// "Brokers", the one kind of endpoint that a broker's listener describes.
const ENDPOINT_BROKERS: i8 = 1;
/// "Controllers", which are described by controllers.
const ENDPOINT_CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse<'static> {
    let error_code = match request.endpoint_type {
        ENDPOINT_BROKERS => ErrorCode::NONE,
        ENDPOINT_CONTROLLERS => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
        _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
    };
    if !error_code.is_none() {
        return DescribeClusterResponse {
            error_code,
            error_message: crate::dispatch::message_of(error_code),
            endpoint_type: request.endpoint_type,
            ..DescribeClusterResponse::default()
        };
    }
    let brokers = nodes(context)
        .into_iter()
        .map(|node| DescribeClusterBroker {
            broker_id: node.id,
            host: node.host.into(),
            port: node.port,
            rack: node.rack.map(Into::into),
            is_fenced: false,
        });
    let mut response = DescribeClusterResponse {
        cluster_id: context.core.cluster_id().to_string().into(),
        controller_id: context.core.config.node_id.0,
        brokers: brokers.collect(),
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}
