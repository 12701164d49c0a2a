//! ApiVersions (key 18): what this broker speaks. KIP-35, 511, 584, 1242.

use net_wire::message::api_versions::{
    ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use net_wire::{ErrorCode, versions};
use replication_metadata::features;

use crate::context::Context;

/// The level that every directory of ours is formatted with; an adopted one must have it too.
const KRAFT_VERSION_LEVEL: i16 = 1;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: ApiVersionsRequest<'_>,
) -> ApiVersionsResponse<'static> {
    let mut response = versions::api_versions_response();
    response.error_code = check(context, &request);
    if !response.error_code.is_none() {
        return response;
    }
    // Clients before version 4 take a lowest level of 0 for an error (KAFKA-17011).
    let can_say_zero = context.version() >= 4;
    let supported = features::supported()
        .into_iter()
        .filter(|f| can_say_zero || f.min > 0);
    response.supported_features = supported
        .map(|feature| SupportedFeatureKey {
            name: feature.name.into(),
            min_version: feature.min,
            max_version: feature.max,
        })
        .collect();
    let image = &context.catalog.image;
    response.finalized_features = features::served(image.features(), KRAFT_VERSION_LEVEL)
        .into_iter()
        .map(|(name, level)| FinalizedFeatureKey {
            name: name.into(),
            max_version_level: level,
            min_version_level: level,
        })
        .collect();
    response.finalized_features_epoch = image.provenance().offset;
    response
}

/// Names that make no sense are refused; a client that expects another cluster or node is told
/// to start over from its bootstrap servers (KIP-1242).
fn check(context: &Context<'_>, request: &ApiVersionsRequest<'_>) -> ErrorCode {
    let is_sane = |text: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        is_edge(bytes.first()) && is_edge(bytes.last()) && text.bytes().all(is_inner)
    };
    let (name, version) = (
        &request.client_software_name,
        &request.client_software_version,
    );
    if context.version() >= 3 && !(is_sane(name) && is_sane(version)) {
        return ErrorCode::INVALID_REQUEST;
    }
    let cluster_id = context.core.cluster_id().to_string();
    let other_cluster = request
        .cluster_id
        .as_deref()
        .is_some_and(|id| id != cluster_id);
    let other_node = request.node_id >= 0 && request.node_id != context.core.config.node_id.0;
    if context.version() >= 5 && (other_cluster || other_node) {
        return ErrorCode::REBOOTSTRAP_REQUIRED;
    }
    ErrorCode::NONE
}
