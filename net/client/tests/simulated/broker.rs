//! A broker of a few lines: one node, logs in memory, and faults on demand. It answers what the
//! client asks for in these tests, by the rules that the client relies on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use engine_base::Uuid;
use engine_codec::{Message, Reader};
use engine_record::header::{increment_sequence, stamp_base_offset};
use engine_record::{BatchHeader, Batches};
use engine_runtime::{Listener, Slice, Stream, random_u64, spawn};
use net_wire::frame::write_response;
use net_wire::message::api_versions::ApiVersion;
use net_wire::message::fetch::{FetchableTopicResponse, PartitionData};
use net_wire::message::find_coordinator::Coordinator;
use net_wire::message::join_group::JoinGroupResponseMember;
use net_wire::message::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use net_wire::message::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use net_wire::message::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use net_wire::message::produce::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use net_wire::message::*;
use net_wire::{ApiKey, ErrorCode, RequestHeader, Response, versions};

pub(crate) const PORT: u16 = 9092;
pub(crate) const TOPIC: &str = "events";

/// What the broker is asked to get wrong.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    /// One in so many requests loses its connection before the work; 0 for none.
    pub(crate) lost_before: u64,
    /// One in so many loses it after the work, before the answer.
    pub(crate) lost_after: u64,
    /// One in so many Produce requests finds another leader.
    pub(crate) not_leader: u64,
    /// The highest version of ApiVersions that is known.
    pub(crate) api_versions_max: i16,
    /// Batches to this partition are refused, for their second record.
    pub(crate) refused: Option<i32>,
    /// Batches larger than this are refused; 0 for no bound.
    pub(crate) batch_size_bytes_max: usize,
    /// What a commit of offsets is answered.
    pub(crate) commit: ErrorCode,
    /// Every byte of the topic's id, 0 when there is no topic; changed while the client runs.
    pub(crate) topic_id: Rc<Cell<u8>>,
    /// Requests of this API are never answered.
    pub(crate) silent: Option<ApiKey>,
    /// A Fetch answer is cut after so many bytes, inside a batch; 0 for never.
    pub(crate) fetch_cut: usize,
}

/// One partition's log.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) batches: Vec<Vec<u8>>,
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    /// The next sequence and the last base offset of each producer.
    producers: BTreeMap<i64, (i32, i64)>,
}

/// The broker's state.
pub(crate) struct Broker {
    pub(crate) faults: Faults,
    pub(crate) logs: RefCell<Vec<Log>>,
    pub(crate) requests: RefCell<Vec<(ApiKey, i16)>>,
    producer_ids: Cell<i64>,
}

impl Broker {
    pub(crate) fn new(partitions: usize, faults: Faults) -> Rc<Self> {
        Rc::new(Self {
            faults,
            logs: RefCell::new((0..partitions).map(|_| Log::default()).collect()),
            requests: RefCell::default(),
            producer_ids: Cell::new(100),
        })
    }

    /// Accepts connections for ever.
    pub(crate) async fn serve(self: Rc<Self>) {
        let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT);
        let listener = Listener::bind(any).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let broker = Rc::clone(&self);
            spawn(async move { broker.connection(stream).await }).detach();
        }
    }

    async fn connection(&self, stream: Stream) {
        let mut received = Vec::new();
        loop {
            while received.len() < 4 || received.len() < 4 + frame_size(&received) {
                let (count, bytes) = stream.recv(received, 1 << 16).await;
                received = bytes;
                if !matches!(count, Ok(1..)) {
                    return;
                }
            }
            let rest = received.split_off(4 + frame_size(&received));
            let frame = std::mem::replace(&mut received, rest);
            if one_in(self.faults.lost_before) {
                return;
            }
            let answer = self.answer(&frame[4..]);
            if one_in(self.faults.lost_after) {
                return;
            }
            if let Some(answer) = answer
                && stream.send([Slice::from_vec(answer)]).await.is_err()
            {
                return;
            }
        }
    }

    fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader::new(frame);
        let header = RequestHeader::read(&mut reader).expect("the client knows our versions");
        let (key, version, id) = (header.api_key, header.api_version, header.correlation_id);
        self.requests.borrow_mut().push((key, version));
        if self.faults.silent == Some(key) {
            return None;
        }
        let body = reader.rest();
        Some(match key {
            ApiKey::ApiVersions if version > self.faults.api_versions_max => {
                let mut refusal = versions::unsupported_api_versions_response();
                refusal.api_keys = vec![ApiVersion {
                    api_key: key.code(),
                    min_version: 0,
                    max_version: self.faults.api_versions_max,
                }];
                written(&refusal, 0, id)
            }
            ApiKey::ApiVersions => written(&versions::api_versions_response(), version, id),
            ApiKey::Metadata => {
                let request = MetadataRequest::read(body, version).unwrap();
                written(&self.metadata(&request), version, id)
            }
            ApiKey::InitProducerId => {
                self.producer_ids.set(self.producer_ids.get() + 1);
                let producer_id = self.producer_ids.get();
                let response = InitProducerIdResponse {
                    producer_id,
                    ..Default::default()
                };
                written(&response, version, id)
            }
            ApiKey::Produce => {
                let request = ProduceRequest::read(body, version).unwrap();
                written(&self.produce(&request), version, id)
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::read(body, version).unwrap();
                written(&self.list_offsets(&request), version, id)
            }
            ApiKey::Fetch => {
                let request = FetchRequest::read(body, version).unwrap();
                written(&self.fetch(&request), version, id)
            }
            ApiKey::FindCoordinator => written(&coordinator(), version, id),
            ApiKey::JoinGroup => {
                let request = JoinGroupRequest::read(body, version).unwrap();
                written(&alone(&request), version, id)
            }
            ApiKey::SyncGroup => {
                let request = SyncGroupRequest::read(body, version).unwrap();
                let response = SyncGroupResponse {
                    assignment: request.assignments[0].assignment.to_vec().into(),
                    ..Default::default()
                };
                written(&response, version, id)
            }
            ApiKey::OffsetCommit => {
                let request = OffsetCommitRequest::read(body, version).unwrap();
                written(&self.commit(&request), version, id)
            }
            ApiKey::LeaveGroup => written(&LeaveGroupResponse::default(), version, id),
            other => panic!("the tests do not ask for {other:?}"),
        })
    }

    fn metadata(&self, request: &MetadataRequest<'_>) -> MetadataResponse<'static> {
        let count = i32::try_from(self.logs.borrow().len()).unwrap();
        let partition = |partition_index| MetadataResponsePartition {
            partition_index,
            leader_id: 1,
            replica_nodes: vec![1],
            isr_nodes: vec![1],
            ..Default::default()
        };
        let topic = |name: &str| MetadataResponseTopic {
            error_code: match name {
                TOPIC if self.faults.topic_id.get() != 0 => ErrorCode::NONE,
                _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            },
            name: Some(name.to_owned().into()),
            topic_id: self.topic_id(),
            partitions: (0..count).map(partition).collect(),
            ..Default::default()
        };
        let asked = request
            .topics
            .iter()
            .flatten()
            .filter_map(|topic| topic.name.as_deref());
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: "broker".into(),
                port: i32::from(PORT),
                rack: None,
            }],
            controller_id: 1,
            topics: asked.map(topic).collect(),
            ..Default::default()
        }
    }

    fn produce(&self, request: &ProduceRequest<'_>) -> ProduceResponse<'static> {
        let refused = one_in(self.faults.not_leader);
        let topic = &request.topic_data[0];
        assert_eq!(topic.topic_id, self.topic_id());
        let results = topic.partition_data.iter().map(|data| {
            if self.faults.refused == Some(data.index) {
                return refusal(data.index);
            }
            let records = data.records.as_deref().unwrap();
            let size_max = self.faults.batch_size_bytes_max;
            let error_code = if refused {
                ErrorCode::NOT_LEADER_OR_FOLLOWER
            } else if size_max > 0 && records.len() > size_max {
                ErrorCode::MESSAGE_TOO_LARGE
            } else {
                ErrorCode::NONE
            };
            let base_offset = match error_code {
                ErrorCode::NONE => self.logs.borrow_mut()[data.index as usize].append(records),
                _ => -1,
            };
            PartitionProduceResponse {
                index: data.index,
                error_code,
                base_offset,
                ..Default::default()
            }
        });
        ProduceResponse {
            responses: vec![TopicProduceResponse {
                topic_id: topic.topic_id,
                partition_responses: results.collect(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn list_offsets(&self, request: &ListOffsetsRequest<'_>) -> ListOffsetsResponse<'static> {
        let asked = &request.topics[0].partitions[0];
        let logs = self.logs.borrow();
        let log = &logs[asked.partition_index as usize];
        let offset = if asked.timestamp == -2 {
            log.start_offset
        } else {
            log.end_offset
        };
        ListOffsetsResponse {
            topics: vec![ListOffsetsTopicResponse {
                name: TOPIC.into(),
                partitions: vec![ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    offset,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        }
    }

    fn topic_id(&self) -> Uuid {
        Uuid([self.faults.topic_id.get(); 16])
    }

    fn commit(&self, request: &OffsetCommitRequest<'_>) -> OffsetCommitResponse<'static> {
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            OffsetCommitResponseTopic {
                name: topic.name.to_string().into(),
                partitions: partitions
                    .map(|partition| OffsetCommitResponsePartition {
                        partition_index: partition.partition_index,
                        error_code: self.faults.commit,
                    })
                    .collect(),
                ..Default::default()
            }
        });
        OffsetCommitResponse {
            topics: topics.collect(),
            ..Default::default()
        }
    }

    fn fetch(&self, request: &FetchRequest<'_>) -> FetchResponse<'static> {
        let logs = self.logs.borrow();
        let topic_id = request.topics[0].topic_id;
        let asked = request.topics[0].partitions.iter();
        let partitions = asked.map(|asked| {
            let log = &logs[asked.partition as usize];
            let offset = asked.fetch_offset;
            if topic_id != self.topic_id() {
                return PartitionData {
                    partition_index: asked.partition,
                    error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                    ..Default::default()
                };
            }
            if offset < log.start_offset || offset > log.end_offset {
                return PartitionData {
                    partition_index: asked.partition,
                    error_code: ErrorCode::OFFSET_OUT_OF_RANGE,
                    ..Default::default()
                };
            }
            let records = log.read(offset, self.faults.fetch_cut);
            PartitionData {
                partition_index: asked.partition,
                high_watermark: log.end_offset,
                records: Some(records.into()),
                ..Default::default()
            }
        });
        FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic_id,
                partitions: partitions.collect(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }
}

impl Log {
    /// Appends as a leader does: a batch that was there before is not there twice.
    fn append(&mut self, records: &[u8]) -> i64 {
        let mut batch = records.to_vec();
        let header = BatchHeader::read(batch.first_chunk().unwrap());
        let sequence = header.base_sequence;
        let entry = self.producers.entry(header.producer_id).or_insert((0, -1));
        if sequence >= 0 && sequence < entry.0 {
            return entry.1;
        }
        assert_eq!(sequence.max(0), entry.0, "a gap in the sequence");
        let base_offset = self.end_offset;
        *entry = (
            increment_sequence(entry.0, header.record_count),
            base_offset,
        );
        self.end_offset += i64::from(header.record_count);
        stamp_base_offset(&mut batch, base_offset);
        self.batches.push(batch);
        base_offset
    }

    /// Batches from the one that holds `offset` on, cut after `cut` bytes behind the first.
    fn read(&self, offset: i64, cut: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for batch in &self.batches {
            let next = BatchHeader::read(batch.first_chunk().unwrap()).next_offset();
            if next > offset {
                bytes.extend_from_slice(batch);
            }
        }
        if cut > 0 {
            let first = Batches::new(&bytes)
                .next()
                .map_or(0, |batch| batch.unwrap().size_bytes());
            bytes.truncate(first + cut);
        }
        bytes
    }
}

fn refusal(index: i32) -> PartitionProduceResponse<'static> {
    PartitionProduceResponse {
        index,
        error_code: ErrorCode::INVALID_RECORD,
        base_offset: -1,
        record_errors: vec![BatchIndexAndErrorMessage {
            batch_index: 1,
            batch_index_error_message: None,
        }],
        ..Default::default()
    }
}

fn coordinator() -> FindCoordinatorResponse<'static> {
    FindCoordinatorResponse {
        coordinators: vec![Coordinator {
            node_id: 1,
            host: "broker".into(),
            port: i32::from(PORT),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A group of this member alone.
fn alone<'a>(request: &JoinGroupRequest<'a>) -> JoinGroupResponse<'a> {
    JoinGroupResponse {
        generation_id: 1,
        protocol_name: Some("range".into()),
        leader: "member".into(),
        member_id: "member".into(),
        members: vec![JoinGroupResponseMember {
            member_id: "member".into(),
            group_instance_id: None,
            metadata: request.protocols[0].metadata.clone(),
        }],
        ..Default::default()
    }
}

fn frame_size(received: &[u8]) -> usize {
    u32::from_be_bytes(*received.first_chunk().unwrap()) as usize
}

fn written<R: Response>(response: &R, version: i16, correlation_id: i32) -> Vec<u8> {
    let mut out = Vec::new();
    write_response(&mut out, response, version, correlation_id).unwrap();
    out
}

fn one_in(count: u64) -> bool {
    count > 0 && random_u64().is_multiple_of(count)
}
