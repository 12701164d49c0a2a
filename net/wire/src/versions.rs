//! The one table of APIs and versions: requests are admitted by it, ApiVersions answers from it.
//!
//! The windows are Kafka 4.4's. Serving less than Kafka's highest version breaks clients that
//! expect a feature of it, so a window is never narrowed.

use crate::ApiKey;
use crate::error_code::ErrorCode;
use crate::message::api_versions::{ApiVersion, ApiVersionsResponse};

/// One API: which versions exist here, and from which on they are flexible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiWindow {
    /// The API.
    pub key: ApiKey,
    /// Kafka's name of it.
    pub name: &'static str,
    /// The lowest version served.
    pub lowest: i16,
    /// The highest version served.
    pub highest: i16,
    /// The first flexible version (KIP-482), or `None` if none is.
    pub flexible_from: Option<i16>,
    /// The lowest version in the ApiVersions answer.
    advertised_lowest: i16,
}

impl ApiWindow {
    /// Whether requests of this version are served.
    #[must_use]
    pub fn serves(&self, version: i16) -> bool {
        self.lowest <= version && version <= self.highest
    }

    /// Whether this version has compact lengths and tagged fields.
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible_from.is_some_and(|from| version >= from)
    }

    /// The version of the request header: 1, or 2 where tagged fields follow.
    #[must_use]
    pub fn request_header_version(&self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the response header: 0, or 1 where tagged fields follow. ApiVersions stays
    /// at 0: its client cannot know yet what the broker speaks (KIP-511).
    #[must_use]
    pub fn response_header_version(&self, version: i16) -> i16 {
        i16::from(self.key != ApiKey::ApiVersions && self.is_flexible(version))
    }

    const fn new(
        key: ApiKey,
        name: &'static str,
        lowest: i16,
        highest: i16,
        flexible_from: Option<i16>,
    ) -> Self {
        Self {
            key,
            name,
            lowest,
            highest,
            flexible_from,
            advertised_lowest: lowest,
        }
    }

    /// Says a lower version than is served.
    const fn advertised_from(self, advertised_lowest: i16) -> Self {
        Self {
            advertised_lowest,
            ..self
        }
    }
}

/// Every API, by ascending key.
pub const WINDOWS: [ApiWindow; 24] = [
    // librdkafka turns compression off when Produce does not start at 0 (KAFKA-18659).
    ApiWindow::new(ApiKey::Produce, "Produce", 3, 13, Some(9)).advertised_from(0),
    ApiWindow::new(ApiKey::Fetch, "Fetch", 4, 18, Some(12)),
    ApiWindow::new(ApiKey::ListOffsets, "ListOffsets", 1, 11, Some(6)),
    ApiWindow::new(ApiKey::Metadata, "Metadata", 0, 13, Some(9)),
    ApiWindow::new(ApiKey::OffsetCommit, "OffsetCommit", 2, 10, Some(8)),
    ApiWindow::new(ApiKey::OffsetFetch, "OffsetFetch", 1, 10, Some(6)),
    ApiWindow::new(ApiKey::FindCoordinator, "FindCoordinator", 0, 6, Some(3)),
    ApiWindow::new(ApiKey::JoinGroup, "JoinGroup", 0, 9, Some(6)),
    ApiWindow::new(ApiKey::Heartbeat, "Heartbeat", 0, 4, Some(4)),
    ApiWindow::new(ApiKey::LeaveGroup, "LeaveGroup", 0, 5, Some(4)),
    ApiWindow::new(ApiKey::SyncGroup, "SyncGroup", 0, 5, Some(4)),
    ApiWindow::new(ApiKey::DescribeGroups, "DescribeGroups", 0, 6, Some(5)),
    ApiWindow::new(ApiKey::ListGroups, "ListGroups", 0, 5, Some(3)),
    ApiWindow::new(ApiKey::ApiVersions, "ApiVersions", 0, 5, Some(3)),
    ApiWindow::new(ApiKey::CreateTopics, "CreateTopics", 2, 7, Some(5)),
    ApiWindow::new(ApiKey::DeleteTopics, "DeleteTopics", 1, 6, Some(4)),
    ApiWindow::new(ApiKey::InitProducerId, "InitProducerId", 0, 5, Some(2)),
    ApiWindow::new(
        ApiKey::OffsetForLeaderEpoch,
        "OffsetForLeaderEpoch",
        2,
        4,
        Some(4),
    ),
    ApiWindow::new(ApiKey::DescribeConfigs, "DescribeConfigs", 1, 4, Some(4)),
    ApiWindow::new(ApiKey::DeleteGroups, "DeleteGroups", 0, 3, Some(2)),
    ApiWindow::new(
        ApiKey::IncrementalAlterConfigs,
        "IncrementalAlterConfigs",
        0,
        1,
        Some(1),
    ),
    ApiWindow::new(ApiKey::OffsetDelete, "OffsetDelete", 0, 0, None),
    ApiWindow::new(ApiKey::DescribeCluster, "DescribeCluster", 0, 2, Some(0)),
    ApiWindow::new(
        ApiKey::DescribeTopicPartitions,
        "DescribeTopicPartitions",
        0,
        0,
        Some(0),
    ),
];

/// The row of a key on the wire.
#[must_use]
pub fn window_with_code(code: i16) -> Option<&'static ApiWindow> {
    let index = WINDOWS
        .binary_search_by_key(&code, |window| window.key.code())
        .ok()?;
    WINDOWS.get(index)
}

/// The ApiVersions answer: all APIs, no features (the caller adds those).
#[must_use]
pub fn api_versions_response() -> ApiVersionsResponse<'static> {
    ApiVersionsResponse {
        api_keys: WINDOWS.iter().map(advertised).collect(),
        ..ApiVersionsResponse::default()
    }
}

/// The answer to an ApiVersions request in a version we do not have: to be sent in version 0,
/// with our window of ApiVersions alone, so that the client can ask again (KIP-511).
#[must_use]
pub fn unsupported_api_versions_response() -> ApiVersionsResponse<'static> {
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![advertised(ApiKey::ApiVersions.window())],
        ..ApiVersionsResponse::default()
    }
}

fn advertised(window: &ApiWindow) -> ApiVersion {
    ApiVersion {
        api_key: window.key.code(),
        min_version: window.advertised_lowest,
        max_version: window.highest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_are_found() {
        assert!(WINDOWS.is_sorted_by(|a, b| a.key.code() < b.key.code()));
        for window in &WINDOWS {
            assert_eq!(ApiKey::from_code(window.key.code()), Some(window.key));
            assert_eq!(window.key.name(), format!("{:?}", window.key));
            assert!(window.lowest <= window.highest);
        }
        assert_eq!(ApiKey::from_code(-1), None);
        assert_eq!(ApiKey::from_code(4), None);
    }

    #[test]
    fn produce_is_advertised_from_0_and_served_from_3() {
        let response = api_versions_response();
        let produce = response
            .api_keys
            .iter()
            .find(|api| api.api_key == 0)
            .unwrap();
        assert_eq!((produce.min_version, produce.max_version), (0, 13));
        assert!(!ApiKey::Produce.window().serves(2));
    }

    #[test]
    fn response_header_of_api_versions_is_never_flexible() {
        let window = ApiKey::ApiVersions.window();
        assert_eq!(window.request_header_version(3), 2);
        assert_eq!(window.response_header_version(3), 0);
        assert_eq!(ApiKey::Fetch.window().response_header_version(12), 1);
        assert_eq!(ApiKey::OffsetDelete.window().request_header_version(0), 1);
    }
}
