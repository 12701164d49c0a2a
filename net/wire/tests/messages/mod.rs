//! Every message behind one interface, so that a test can walk all of them in all versions.

#![allow(dead_code, missing_docs)] // each test uses its own part
#![allow(elided_lifetimes_in_paths)] // half of the types that the macro names borrow

use engine_codec::sample::{Choices, Sample};
use engine_codec::{DecodeError, Message, VersionRange};
use net_wire::message::*;
use net_wire::{ApiKey, Request, Response};

/// Bytes and the text of their fields.
pub(crate) type Printed = (Vec<u8>, String);

/// One request or response type.
pub(crate) struct Entry {
    pub name: &'static str,
    pub api_key: ApiKey,
    pub is_request: bool,
    pub versions: VersionRange,
    pub flexible: VersionRange,
    /// A random message of a seed.
    pub sample: fn(u64, i16) -> Printed,
    /// Decodes and encodes again.
    pub reread: fn(&[u8], i16) -> Result<Printed, DecodeError>,
}

impl Entry {
    /// What an assertion should say about this message.
    pub(crate) fn at(&self, version: i16) -> String {
        format!("{} version {version}", self.name)
    }
}

pub(crate) fn print<M: Message + Sample>(message: &M, version: i16) -> Printed {
    let bytes = message
        .to_bytes(version)
        .unwrap_or_else(|e| panic!("{} {version}: {e}", M::NAME));
    assert_eq!(
        message.encoded_size(version),
        Ok(bytes.len()),
        "{} {version}",
        M::NAME
    );
    let mut text = String::new();
    message.dump(&mut text);
    (bytes, text)
}

macro_rules! entries {
    ($($request:ident $response:ident)*) => {
        vec![$(
            entries!(@ $request, <$request as Request>::KEY, true),
            entries!(@ $response, <$response as Response>::KEY, false),
        )*]
    };
    (@ $message:ident, $key:expr, $is_request:literal) => {
        Entry {
            name: stringify!($message),
            api_key: $key,
            is_request: $is_request,
            versions: $message::VERSIONS,
            flexible: $message::FLEXIBLE,
            sample: |seed, version| {
                let form = $message::form(version).expect("a version of the window");
                print(&$message::sample(&mut Choices::new(seed), form), version)
            },
            reread: |bytes, version| {
                let message = $message::read(bytes, version)?;
                Ok(print(&message, version))
            },
        }
    };
}

/// Every request and response, by ascending key.
pub(crate) fn entries() -> Vec<Entry> {
    entries![
        ProduceRequest ProduceResponse
        FetchRequest FetchResponse
        ListOffsetsRequest ListOffsetsResponse
        MetadataRequest MetadataResponse
        OffsetCommitRequest OffsetCommitResponse
        OffsetFetchRequest OffsetFetchResponse
        FindCoordinatorRequest FindCoordinatorResponse
        JoinGroupRequest JoinGroupResponse
        HeartbeatRequest HeartbeatResponse
        LeaveGroupRequest LeaveGroupResponse
        SyncGroupRequest SyncGroupResponse
        DescribeGroupsRequest DescribeGroupsResponse
        ListGroupsRequest ListGroupsResponse
        ApiVersionsRequest ApiVersionsResponse
        CreateTopicsRequest CreateTopicsResponse
        DeleteTopicsRequest DeleteTopicsResponse
        InitProducerIdRequest InitProducerIdResponse
        OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
        DescribeConfigsRequest DescribeConfigsResponse
        DeleteGroupsRequest DeleteGroupsResponse
        IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
        OffsetDeleteRequest OffsetDeleteResponse
        DescribeClusterRequest DescribeClusterResponse
        DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse
    ]
}
