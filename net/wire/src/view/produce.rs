//! A Produce request read in place, and its answer written in its order.
//!
//! `ProduceView::read` walks the whole body once and refuses what is malformed, so that nothing
//! is appended of a request that turns out broken at its end. Afterwards topics, partitions and
//! batches are handed out as borrows of the frame: no allocation, no copy.

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::{
    Decode, DecodeError, Encode, EncodeError, Form, Message, Reader, Writer, put_tagged, varint,
};

use crate::ApiKey;
use crate::frame::{FRAME_PREFIX_SIZE_BYTES, put_frame_size};
use crate::header::write_response_header;
use crate::message::produce::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest,
};

/// Versions up to this name topics by name, later ones by id (KIP-516).
const TOPIC_NAME_VERSION_MAX: i16 = 12;

/// From this version on an answer can name the new leader (KIP-951); earlier it is left out.
const LEADER_VERSION_MIN: i16 = 10;

/// A well-formed Produce request inside its frame.
#[derive(Clone, Debug)]
pub struct ProduceView<'a> {
    /// The transactional id; null outside of transactions.
    pub transactional_id: Option<Cow<'a, str>>,
    /// 0, 1 or -1; other values are for the handler to refuse.
    pub acks: i16,
    /// How long the broker may wait for replicas, in milliseconds.
    pub timeout_ms: i32,
    form: Form,
    /// At the first topic.
    topics: Reader<'a>,
    topic_count: usize,
    partition_count: usize,
    body_size_bytes: usize,
}

/// One topic of the request.
#[derive(Clone, Debug)]
pub struct TopicView<'a> {
    /// The topic's name; empty from version 13 on.
    pub name: Cow<'a, str>,
    /// The topic's id; zero up to version 12.
    pub topic_id: Uuid,
    form: Form,
    /// At the first partition.
    partitions: Reader<'a>,
    partition_count: usize,
    body_size_bytes: usize,
}

/// One partition of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionView<'a> {
    /// The partition's index.
    pub index: i32,
    /// The batches, one behind the other; null and empty are for the handler to refuse.
    pub records: Option<&'a [u8]>,
    /// Where `records` begin in the body, in bytes: for those who own the frame and want to hand
    /// on a part of it.
    pub records_position: usize,
}

impl<'a> ProduceView<'a> {
    /// Reads the body of a Produce request of a version that is served. Bytes after it are
    /// ignored, as Kafka does.
    pub fn read(body: &'a [u8], version: i16) -> Result<Self, DecodeError> {
        let form = ProduceRequest::form(version).ok_or(DecodeError::UnsupportedVersion {
            message: ProduceRequest::NAME,
            version,
        })?;
        let mut reader = Reader::new(body);
        let transactional_id = reader.nullable_string(form.flexible)?;
        let acks = reader.i16()?;
        let timeout_ms = reader.i32()?;
        let topic_count = array_length(&mut reader, form, topic_size_min(form))?;
        let topics = reader.clone();
        let mut partition_count = 0;
        for _ in 0..topic_count {
            let topic = TopicView::read(&mut reader, form, body.len())?;
            partition_count += topic.partition_count;
            for _ in 0..topic.partition_count {
                PartitionView::read(&mut reader, form, body.len())?;
            }
            skip_tail(&mut reader, form)?;
        }
        skip_tail(&mut reader, form)?;
        Ok(Self {
            transactional_id,
            acks,
            timeout_ms,
            form,
            topics,
            topic_count,
            partition_count,
            body_size_bytes: body.len(),
        })
    }

    /// How many topics there are.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.topic_count
    }

    /// How many partitions there are in all topics: as many results belong to the answer.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// The topics, in the order of the request.
    pub fn topics(&self) -> impl Iterator<Item = TopicView<'a>> + use<'a> {
        let mut reader = self.topics.clone();
        let (form, body_size_bytes) = (self.form, self.body_size_bytes);
        (0..self.topic_count).map(move |_| {
            let topic = TopicView::read(&mut reader, form, body_size_bytes).expect(WALKED);
            for _ in 0..topic.partition_count {
                PartitionView::read(&mut reader, form, body_size_bytes).expect(WALKED);
            }
            skip_tail(&mut reader, form).expect(WALKED);
            topic
        })
    }
}

/// Why reading a second time cannot fail.
const WALKED: &str = "ProduceView::read walked the same bytes";

impl<'a> TopicView<'a> {
    /// The partitions, in the order of the request.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionView<'a>> + use<'a> {
        let mut reader = self.partitions.clone();
        let (form, body_size_bytes) = (self.form, self.body_size_bytes);
        (0..self.partition_count)
            .map(move |_| PartitionView::read(&mut reader, form, body_size_bytes).expect(WALKED))
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// Reads a topic's head; the partitions follow in `reader`.
    fn read(
        reader: &mut Reader<'a>,
        form: Form,
        body_size_bytes: usize,
    ) -> Result<Self, DecodeError> {
        let (name, topic_id) = if form.version <= TOPIC_NAME_VERSION_MAX {
            (Cow::decode(reader, form)?, Uuid::ZERO)
        } else {
            (Cow::Borrowed(""), reader.uuid()?)
        };
        let partition_count = array_length(reader, form, partition_size_min(form))?;
        Ok(Self {
            name,
            topic_id,
            form,
            partitions: reader.clone(),
            partition_count,
            body_size_bytes,
        })
    }
}

impl<'a> PartitionView<'a> {
    fn read(
        reader: &mut Reader<'a>,
        form: Form,
        body_size_bytes: usize,
    ) -> Result<Self, DecodeError> {
        let index = reader.i32()?;
        let records = reader.nullable_bytes(form.flexible)?;
        let records_size_bytes = records.map_or(0, <[u8]>::len);
        let records_position = body_size_bytes - reader.remaining() - records_size_bytes;
        skip_tail(reader, form)?;
        Ok(Self {
            index,
            records,
            records_position,
        })
    }
}

fn array_length(
    reader: &mut Reader<'_>,
    form: Form,
    element_size_min: usize,
) -> Result<usize, DecodeError> {
    let length = reader.array_length(form.flexible, element_size_min)?;
    length.ok_or(DecodeError::InvalidLength)
}

fn skip_tail(reader: &mut Reader<'_>, form: Form) -> Result<(), DecodeError> {
    if form.flexible {
        reader.skip_tagged_fields()?;
    }
    Ok(())
}

/// A name or id, an empty array, a tail.
fn topic_size_min(form: Form) -> usize {
    match (form.version <= TOPIC_NAME_VERSION_MAX, form.flexible) {
        (true, false) => 2 + 4,
        (true, true) => 1 + 1 + 1,
        (false, _) => 16 + 1 + 1,
    }
}

/// An index, null records, a tail.
fn partition_size_min(form: Form) -> usize {
    if form.flexible { 4 + 1 + 1 } else { 4 + 4 }
}

/// What an answer says besides its results.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProduceResponseTail<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded.
    pub throttle_time_ms: i32,
    /// How to reach the leaders that the results name (versions 10 and later).
    pub node_endpoints: &'a [NodeEndpoint<'a>],
}

/// Appends a whole Produce answer, with length and header. `results` come in the order of the
/// request, one for each partition; the index of each is taken from the request. On an error
/// `out` is as before.
pub fn write_produce_response<'r>(
    out: &mut Vec<u8>,
    request: &ProduceView<'_>,
    correlation_id: i32,
    results: impl IntoIterator<Item = PartitionProduceResponse<'r>>,
    tail: ProduceResponseTail<'_>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_PREFIX_SIZE_BYTES]);
    let version = request.form.version;
    write_response_header(out, ApiKey::Produce, version, correlation_id);
    let result = write_results(out, request, results)
        .and_then(|()| write_tail(out, request.form, tail))
        .and_then(|()| put_frame_size(out, start, 0));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_results<'r>(
    out: &mut Vec<u8>,
    request: &ProduceView<'_>,
    results: impl IntoIterator<Item = PartitionProduceResponse<'r>>,
) -> Result<(), EncodeError> {
    let form = request.form;
    let mut results = results.into_iter();
    Writer::new(out).length(Some(request.topic_count), form.flexible)?;
    for topic in request.topics() {
        if form.version <= TOPIC_NAME_VERSION_MAX {
            topic.name.encode(out, form)?;
        } else {
            topic.topic_id.encode(out, form)?;
        }
        Writer::new(out).length(Some(topic.partition_count), form.flexible)?;
        for partition in topic.partitions() {
            let mut result = results
                .next()
                .expect("a result for each partition of the request");
            result.index = partition.index;
            if form.version < LEADER_VERSION_MIN {
                result.current_leader = LeaderIdAndEpoch::default();
            }
            result.encode(out, form)?;
        }
        put_no_tags(out, form);
    }
    assert!(
        results.next().is_none(),
        "no result without a partition in the request"
    );
    Ok(())
}

fn write_tail(
    out: &mut Vec<u8>,
    form: Form,
    tail: ProduceResponseTail<'_>,
) -> Result<(), EncodeError> {
    tail.throttle_time_ms.encode(out, form)?;
    if form.version >= LEADER_VERSION_MIN && !tail.node_endpoints.is_empty() {
        varint::put_uvarint(out, 1);
        put_tagged(out, 0, tail.node_endpoints, form)
    } else {
        put_no_tags(out, form);
        Ok(())
    }
}

fn put_no_tags(out: &mut Vec<u8>, form: Form) {
    if form.flexible {
        varint::put_uvarint(out, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use crate::message::produce::{
        BatchIndexAndErrorMessage, PartitionProduceData, ProduceResponse, TopicProduceData,
        TopicProduceResponse,
    };

    const VERSIONS: std::ops::RangeInclusive<i16> = 3..=13;

    fn topic(name: &'static str, records: &[Option<&'static [u8]>]) -> TopicProduceData<'static> {
        let partition_data = (0..)
            .zip(records)
            .map(|(index, records)| PartitionProduceData {
                index,
                records: records.map(Cow::Borrowed),
            })
            .collect();
        TopicProduceData {
            name: name.into(),
            topic_id: Uuid([name.len() as u8; 16]),
            partition_data,
        }
    }

    fn request() -> ProduceRequest<'static> {
        ProduceRequest {
            transactional_id: Some("txn".into()),
            acks: -1,
            timeout_ms: 500,
            topic_data: vec![
                topic("a", &[Some(b"one"), None]),
                topic("bcd", &[]),
                topic("ef", &[Some(b""), Some(b"two"), Some(b"three")]),
            ],
        }
    }

    #[test]
    fn the_view_sees_what_the_struct_holds() {
        for version in VERSIONS {
            let body = request().to_bytes(version).unwrap();
            let expected = ProduceRequest::read(&body, version).unwrap();
            let view = ProduceView::read(&body, version).unwrap();
            assert_eq!(view.transactional_id, expected.transactional_id);
            assert_eq!(
                (view.acks, view.timeout_ms),
                (expected.acks, expected.timeout_ms)
            );
            assert_eq!((view.topic_count(), view.partition_count()), (3, 5));
            assert!(
                view.topics()
                    .all(|topic| matches!(topic.name, Cow::Borrowed(_)))
            );
            for (topic, expected) in view.topics().zip(&expected.topic_data) {
                assert_eq!(
                    (&topic.name, topic.topic_id),
                    (&expected.name, expected.topic_id)
                );
                assert_eq!(topic.partition_count(), expected.partition_data.len());
                for (partition, expected) in topic.partitions().zip(&expected.partition_data) {
                    assert_eq!(partition.index, expected.index);
                    assert_eq!(partition.records, expected.records.as_deref());
                    let records = partition.records.unwrap_or_default();
                    let position = partition.records_position;
                    assert_eq!(&body[position..position + records.len()], records);
                }
            }
        }
    }

    #[test]
    fn every_truncation_is_refused_and_trailing_bytes_are_ignored() {
        for version in VERSIONS {
            let mut body = request().to_bytes(version).unwrap();
            for cut in 0..body.len() {
                assert!(ProduceView::read(&body[..cut], version).is_err());
            }
            body.push(0);
            assert!(ProduceView::read(&body, version).is_ok());
        }
    }

    #[test]
    fn arrays_that_cannot_fit_are_refused_before_they_are_walked() {
        let bomb = [0xff, 0xff, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0];
        assert_eq!(
            ProduceView::read(&bomb, 3).unwrap_err(),
            DecodeError::ArrayTooLong
        );
        let removed = ProduceView::read(&[], 2).unwrap_err();
        assert!(matches!(removed, DecodeError::UnsupportedVersion { .. }));
    }

    fn results(version: i16) -> Vec<PartitionProduceResponse<'static>> {
        (0..5)
            .map(|n: i64| PartitionProduceResponse {
                error_code: ErrorCode::NONE,
                base_offset: 100 + n,
                record_errors: vec![BatchIndexAndErrorMessage {
                    batch_index: 1,
                    batch_index_error_message: None,
                }],
                current_leader: match version {
                    10.. => LeaderIdAndEpoch {
                        leader_id: 3,
                        leader_epoch: 4,
                    },
                    _ => LeaderIdAndEpoch::default(),
                },
                ..Default::default()
            })
            .collect()
    }

    /// The same answer by way of the struct.
    fn expected_response(version: i16, endpoints: &[NodeEndpoint<'static>]) -> Vec<u8> {
        let mut flat = results(version).into_iter();
        let responses = request()
            .topic_data
            .iter()
            .map(|topic| TopicProduceResponse {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partition_responses: topic
                    .partition_data
                    .iter()
                    .map(|partition| PartitionProduceResponse {
                        index: partition.index,
                        ..flat.next().unwrap()
                    })
                    .collect(),
            })
            .collect();
        let response = ProduceResponse {
            responses,
            throttle_time_ms: 9,
            node_endpoints: endpoints.to_vec(),
        };
        let mut out = Vec::new();
        crate::frame::write_response(&mut out, &response, version, 42).unwrap();
        out
    }

    #[test]
    fn the_answer_is_that_of_the_struct() {
        for version in VERSIONS {
            let body = request().to_bytes(version).unwrap();
            let view = ProduceView::read(&body, version).unwrap();
            let endpoints = match version {
                10.. => vec![NodeEndpoint {
                    node_id: 3,
                    host: "h".into(),
                    ..Default::default()
                }],
                _ => Vec::new(),
            };
            let tail = ProduceResponseTail {
                throttle_time_ms: 9,
                node_endpoints: &endpoints,
            };
            let mut out = Vec::new();
            write_produce_response(&mut out, &view, 42, results(version), tail).unwrap();
            assert_eq!(
                out,
                expected_response(version, &endpoints),
                "version {version}"
            );
        }
    }
}
