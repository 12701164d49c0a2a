//! Frames, request headers, and every request and response in every version.
//!
//! ```text
//! input: selector u8 | bytes
//!   0        the bytes are a request frame: header and body, as a connection hands them on
//!   1        a blob of the consumer protocol, subscription or assignment by the next byte
//!   others   a response frame of API (selector - 2), version in the next byte
//! ```
//! Proved: nothing panics; what decodes also encodes (unless a string grew past its bound when
//! bytes that are not UTF-8 were replaced), its size is the announced one, and the encoding is a
//! fixed point: decoded again it gives the same bytes. `ProduceView`, the broker's own path,
//! accepts exactly what the struct accepts and hands out the same values.

use engine_codec::sample::{Choices, Sample};
use engine_codec::{EncodeError, Message, Reader};
use net_wire::frame::{
    FRAME_PREFIX_SIZE_BYTES, RESPONSE_ELEMENTS_MAX, read_response, write_request, write_response,
};
use net_wire::header::read_response_header;
use net_wire::message::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, read_blob, write_blob,
};
use net_wire::message::*;
use net_wire::view::produce::ProduceView;
use net_wire::{ApiKey, RequestHeader};

use crate::input::Input;

const SELECT_REQUEST: u8 = 0;
const SELECT_BLOB: u8 = 1;
const SELECT_RESPONSES: u8 = 2;

/// Seeds for each API and version.
const SEEDS_EACH: u64 = 2;

/// Decodes, encodes, decodes and encodes again, as a message type in a version. Bytes behind a
/// message are passed over, as the broker and Kafka do.
macro_rules! check_message {
    ($message:ident, $bytes:expr, $version:expr) => {
        if let Ok(message) = $message::read_from(&mut Reader::new($bytes), $version)
            && let Some(encoded) = encoded(&message, $version)
        {
            let again = $message::read(&encoded, $version).expect("what we wrote is readable");
            assert_eq!(again, message);
            assert_eq!(again.to_bytes($version).as_deref(), Ok(&encoded[..]));
        }
    };
}

macro_rules! apis {
    ($($name:ident $request:ident $response:ident)*) => {
        const KEYS: &[ApiKey] = &[$(ApiKey::$name),*];

        fn check_request_body(key: ApiKey, version: i16, body: &[u8]) {
            match key {
                $(ApiKey::$name => check_message!($request, body, version),)*
            }
        }

        fn check_response_body(key: ApiKey, version: i16, body: &[u8]) {
            match key {
                $(ApiKey::$name => check_message!($response, body, version),)*
            }
        }

        /// The reader of whole frames, which clients use, judges as its parts do.
        fn reads_response_frame(key: ApiKey, version: i16, frame: &[u8]) -> bool {
            match key {
                $(ApiKey::$name => read_response::<$response>(frame, version).is_ok(),)*
            }
        }

        fn request_sample(key: ApiKey, version: i16, choices: &mut Choices) -> Vec<u8> {
            let mut frame = Vec::new();
            match key {
                $(ApiKey::$name => {
                    let form = $request::form(version).expect("a version of the window");
                    let request = $request::sample(choices, form);
                    write_request(&mut frame, &request, version, 7, Some("fuzz"))
                })*
            }
            .expect("samples are lawful");
            frame.split_off(FRAME_PREFIX_SIZE_BYTES)
        }

        fn response_sample(key: ApiKey, version: i16, choices: &mut Choices) -> Vec<u8> {
            let mut frame = Vec::new();
            match key {
                $(ApiKey::$name => {
                    let form = $response::form(version).expect("a version of the window");
                    write_response(&mut frame, &$response::sample(choices, form), version, 7)
                })*
            }
            .expect("samples are lawful");
            frame.split_off(FRAME_PREFIX_SIZE_BYTES)
        }
    };
}

apis! {
    Produce ProduceRequest ProduceResponse
    Fetch FetchRequest FetchResponse
    ListOffsets ListOffsetsRequest ListOffsetsResponse
    Metadata MetadataRequest MetadataResponse
    OffsetCommit OffsetCommitRequest OffsetCommitResponse
    OffsetFetch OffsetFetchRequest OffsetFetchResponse
    FindCoordinator FindCoordinatorRequest FindCoordinatorResponse
    JoinGroup JoinGroupRequest JoinGroupResponse
    Heartbeat HeartbeatRequest HeartbeatResponse
    LeaveGroup LeaveGroupRequest LeaveGroupResponse
    SyncGroup SyncGroupRequest SyncGroupResponse
    DescribeGroups DescribeGroupsRequest DescribeGroupsResponse
    ListGroups ListGroupsRequest ListGroupsResponse
    ApiVersions ApiVersionsRequest ApiVersionsResponse
    CreateTopics CreateTopicsRequest CreateTopicsResponse
    DeleteTopics DeleteTopicsRequest DeleteTopicsResponse
    InitProducerId InitProducerIdRequest InitProducerIdResponse
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
    DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse
    DeleteGroups DeleteGroupsRequest DeleteGroupsResponse
    IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
    OffsetDelete OffsetDeleteRequest OffsetDeleteResponse
    DescribeCluster DescribeClusterRequest DescribeClusterResponse
    DescribeTopicPartitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse
}

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() {
        SELECT_REQUEST => check_request(input.rest()),
        SELECT_BLOB => check_blob(&mut input),
        selector => {
            let index = usize::from(selector - SELECT_RESPONSES) % KEYS.len();
            check_response(KEYS[index], i16::from(input.byte()), input.rest());
        }
    }
}

fn check_request(frame: &[u8]) {
    let mut reader = Reader::new(frame);
    let Ok(header) = RequestHeader::read(&mut reader) else {
        return;
    };
    assert!(header.api_key.window().serves(header.api_version));
    check_header(&header);
    let body = reader.rest();
    check_request_body(header.api_key, header.api_version, body);
    if header.api_key == ApiKey::Produce {
        check_produce_view(body, header.api_version);
    }
}

/// Unknown tags are not kept, so the bytes may differ; the meaning may not.
fn check_header(header: &RequestHeader<'_>) {
    let mut bytes = Vec::new();
    if header.write(&mut bytes).is_ok() {
        let mut reader = Reader::new(&bytes);
        assert_eq!(RequestHeader::read(&mut reader).as_ref(), Ok(header));
        assert!(reader.is_empty());
    }
}

fn check_produce_view(body: &[u8], version: i16) {
    let message = ProduceRequest::read_from(&mut Reader::new(body), version);
    let view = ProduceView::read(body, version);
    let (message, view) = match (message, view) {
        (Ok(message), Ok(view)) => (message, view),
        (Err(_), Err(_)) => return,
        (message, view) => panic!("struct and view disagree: {message:?}, {view:?}"),
    };
    assert_eq!(view.transactional_id, message.transactional_id);
    assert_eq!(view.acks, message.acks);
    assert_eq!(view.timeout_ms, message.timeout_ms);
    assert_eq!(view.topic_count(), message.topic_data.len());
    assert_eq!(view.topics().count(), message.topic_data.len());
    let mut partition_count = 0;
    for (topic, expected) in view.topics().zip(&message.topic_data) {
        assert_eq!(topic.name, expected.name);
        assert_eq!(topic.topic_id, expected.topic_id);
        assert_eq!(topic.partitions().count(), expected.partition_data.len());
        for (partition, expected) in topic.partitions().zip(&expected.partition_data) {
            partition_count += 1;
            assert_eq!(partition.index, expected.index);
            assert_eq!(partition.records, expected.records.as_deref());
            if let Some(records) = partition.records {
                let start = partition.records_position;
                assert_eq!(&body[start..start + records.len()], records);
            }
        }
    }
    assert_eq!(view.partition_count(), partition_count);
}

fn check_response(key: ApiKey, version: i16, frame: &[u8]) {
    if !key.window().serves(version) {
        assert!(!reads_response_frame(key, version, frame));
        return;
    }
    let is_read = reads_response_frame(key, version, frame);
    let mut reader = Reader::with_elements_max(frame, RESPONSE_ELEMENTS_MAX);
    match read_response_header(&mut reader, key, version) {
        Ok(_) => check_response_body(key, version, reader.rest()),
        Err(_) => assert!(!is_read),
    }
}

fn check_blob(input: &mut Input<'_>) {
    macro_rules! check_blob_as {
        ($message:ident) => {
            if let Ok(message) = read_blob::<$message<'_>>(input.rest()) {
                for version in $message::VERSIONS.iter() {
                    let mut blob = Vec::new();
                    if write_blob(&mut blob, &message, version).is_err() {
                        continue;
                    }
                    let again =
                        read_blob::<$message<'_>>(&blob).expect("what we wrote is readable");
                    let mut second = Vec::new();
                    write_blob(&mut second, &again, version).expect("it has been written before");
                    assert_eq!(blob, second);
                }
            }
        };
    }
    if input.flag() {
        check_blob_as!(ConsumerProtocolAssignment);
    } else {
        check_blob_as!(ConsumerProtocolSubscription);
    }
}

/// The bytes of a message that was decoded in the same version.
fn encoded(message: &impl Message, version: i16) -> Option<Vec<u8>> {
    let size = message.encoded_size(version);
    match message.to_bytes(version) {
        Ok(bytes) => {
            assert_eq!(size, Ok(bytes.len()));
            Some(bytes)
        }
        Err(EncodeError::TooLong) => None,
        Err(error) => panic!("what was decoded does not encode: {error}"),
    }
}

/// Lawful messages of every kind and version.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, &key) in (SELECT_RESPONSES..).zip(KEYS) {
        let window = key.window();
        for version in window.lowest..=window.highest {
            for seed in 0..SEEDS_EACH {
                let choices = &mut Choices::new(seed);
                let version_byte = u8::try_from(version).expect("versions are small");
                seeds.push(
                    [
                        &[SELECT_REQUEST][..],
                        &request_sample(key, version, choices),
                    ]
                    .concat(),
                );
                let response = response_sample(key, version, choices);
                seeds.push([&[index, version_byte][..], &response].concat());
            }
        }
    }
    for version in ConsumerProtocolSubscription::VERSIONS.iter() {
        let form = ConsumerProtocolSubscription::form(version).expect("a version of the window");
        let choices = &mut Choices::new(3);
        let mut subscription = vec![SELECT_BLOB, 0];
        let message = ConsumerProtocolSubscription::sample(choices, form);
        write_blob(&mut subscription, &message, version).expect("samples are lawful");
        let mut assignment = vec![SELECT_BLOB, 1];
        let message = ConsumerProtocolAssignment::sample(choices, form);
        write_blob(&mut assignment, &message, version).expect("samples are lawful");
        seeds.extend([subscription, assignment]);
    }
    seeds
}
