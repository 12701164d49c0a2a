//! What Metadata, DescribeTopicPartitions, DescribeCluster and FindCoordinator have in common.

use net_wire::ErrorCode;
use replication_metadata::image::PartitionImage;

use crate::context::Context;

/// All operations on a topic as a bit set: without an authorizer everything is allowed.
pub(super) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// All operations on the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// "Not asked for."
pub(super) const NO_OPERATIONS: i32 = i32::MIN;

/// A node's address on the listener that the client came through.
pub(super) struct Node {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: i32,
    pub(super) rack: Option<String>,
}

/// Every broker that the client can reach the way it came.
pub(super) fn nodes(context: &Context<'_>) -> Vec<Node> {
    let listener = &context.core.config.listeners[context.client.listener].name;
    let brokers = context.catalog.brokers(listener);
    let nodes = brokers.map(|(broker, endpoint)| Node {
        id: broker.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
    });
    nodes.collect()
}

/// The error that stands beside a partition: clients wait for a leader to appear.
pub(super) fn partition_error(partition: &PartitionImage) -> ErrorCode {
    if partition.has_leader() {
        ErrorCode::NONE
    } else {
        ErrorCode::LEADER_NOT_AVAILABLE
    }
}

/// Replicas on brokers that are not in service.
pub(super) fn offline_replicas(context: &Context<'_>, partition: &PartitionImage) -> Vec<i32> {
    let cluster = context.catalog.image.cluster();
    let is_offline = |id: &i32| cluster.broker(*id).is_none_or(|broker| broker.fenced);
    partition
        .replicas
        .iter()
        .copied()
        .filter(is_offline)
        .collect()
}
