//! A Fetch answer as a list of parts: the bytes between the records in one buffer, the records
//! where they already are. What reaches the socket is the same as the struct's encoding, without
//! the copy.
//!
//! ```text
//!  head: | length, header, …, records' length | tags, …, records' length | tags, … |
//!  parts:  Bytes(..)                  Records  Bytes(..)         Records  Bytes(..)
//! ```

use std::ops::Range;

use engine_base::Uuid;
use engine_codec::{Encode, EncodeError, EncodeNullable, Form, Message, Place, Writer};
use engine_codec::{put_tagged, varint};

use crate::frame::{FRAME_PREFIX_SIZE_BYTES, put_frame_size};
use crate::header::write_response_header;
use crate::message::fetch::{FetchResponse, NodeEndpoint, PartitionData};
use crate::{ApiKey, ErrorCode};

/// Versions up to this name topics by name, later ones by id (KIP-516).
const TOPIC_NAME_VERSION_MAX: i16 = 12;
/// A head of this size holds the answer to a request for a few partitions without growing.
const HEAD_CAPACITY_BYTES: usize = 256;

/// One stretch of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<R> {
    /// These bytes of the head buffer.
    Bytes(Range<usize>),
    /// Record batches.
    Records(R),
}

/// A complete Fetch answer, with length and header, ready to be sent part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchResponseParts<R> {
    /// What the `Bytes` parts point into.
    pub head: Vec<u8>,
    /// In the order in which they are sent.
    pub parts: Vec<Part<R>>,
    /// Bytes of all parts.
    pub size_bytes: usize,
}

impl<R: AsRef<[u8]>> FetchResponseParts<R> {
    /// The answer as a list of slices.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| match part {
            Part::Bytes(range) => self
                .head
                .get(range.clone())
                .expect("the builder made the range in this head"),
            Part::Records(records) => records.as_ref(),
        })
    }
}

/// What stands at the top of the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct FetchResponseStart {
    /// How long the client should wait, in milliseconds, because a quota was exceeded.
    pub throttle_time_ms: i32,
    /// An error of the whole request, or `NONE`.
    pub error_code: ErrorCode,
    /// The fetch session to go on with; 0 for none.
    pub session_id: i32,
}

/// Builds a Fetch answer in the order of the wire: start, then each topic with its partitions.
/// The counts are announced before their elements, as on the wire; a count that is not kept is a
/// fault of the handler and panics.
#[derive(Debug)]
pub struct FetchResponseBuilder<R> {
    form: Form,
    head: Vec<u8>,
    parts: Vec<Part<R>>,
    /// Where the `Bytes` part under construction begins.
    part_start: usize,
    records_size_bytes: usize,
    topics_left: usize,
    partitions_left: usize,
}

impl<R: AsRef<[u8]>> FetchResponseBuilder<R> {
    /// Begins the answer to a Fetch request of a version that is served.
    pub fn new(
        api_version: i16,
        correlation_id: i32,
        start: FetchResponseStart,
        topic_count: usize,
    ) -> Result<Self, EncodeError> {
        let form = FetchResponse::form(api_version).ok_or(EncodeError::UnsupportedVersion {
            message: FetchResponse::NAME,
            version: api_version,
        })?;
        let mut head = Vec::with_capacity(HEAD_CAPACITY_BYTES);
        head.extend_from_slice(&[0; FRAME_PREFIX_SIZE_BYTES]);
        write_response_header(&mut head, ApiKey::Fetch, api_version, correlation_id);
        let mut writer = Writer::new(&mut head);
        writer.i32(start.throttle_time_ms);
        if api_version >= 7 {
            writer.i16(start.error_code.0);
            writer.i32(start.session_id);
        } else if start.session_id != 0 {
            return Err(not_in_version("session_id", form));
        }
        writer.length(Some(topic_count), form.flexible)?;
        Ok(Self {
            form,
            head,
            parts: Vec::new(),
            part_start: 0,
            records_size_bytes: 0,
            topics_left: topic_count,
            partitions_left: 0,
        })
    }

    /// Begins a topic. Versions up to 12 use the name, later ones the id.
    pub fn topic(
        &mut self,
        name: &str,
        topic_id: Uuid,
        partition_count: usize,
    ) -> Result<(), EncodeError> {
        assert_eq!(self.partitions_left, 0, "the topic before is complete");
        assert!(self.topics_left > 0, "no more topics than announced");
        self.topics_left -= 1;
        self.partitions_left = partition_count;
        let mut writer = Writer::new(&mut self.head);
        if self.form.version <= TOPIC_NAME_VERSION_MAX {
            writer.nullable_string(Some(name), self.form.flexible)?;
        } else {
            writer.uuid(topic_id);
        }
        writer.length(Some(partition_count), self.form.flexible)?;
        self.end_topic_when_complete();
        Ok(())
    }

    /// Adds a partition: `data` without its `records`, and the pieces of the records, which are
    /// sent one behind the other. No piece means no records (an empty set, not null, as Kafka
    /// answers).
    pub fn partition(
        &mut self,
        data: &PartitionData<'_>,
        records: impl IntoIterator<Item = R>,
    ) -> Result<(), EncodeError> {
        assert!(
            self.partitions_left > 0,
            "no more partitions than announced"
        );
        assert!(data.records.is_none(), "records are given apart");
        self.partitions_left -= 1;
        self.put_before_records(data)?;
        self.put_records(records)?;
        self.put_after_records(data)?;
        self.end_topic_when_complete();
        Ok(())
    }

    /// Ends the answer. `node_endpoints` says how to reach the leaders that partitions name; it
    /// travels in versions 16 and later.
    pub fn finish(
        mut self,
        node_endpoints: &[NodeEndpoint<'_>],
    ) -> Result<FetchResponseParts<R>, EncodeError> {
        assert_eq!(
            self.partitions_left, 0,
            "all partitions announced have come"
        );
        assert_eq!(self.topics_left, 0, "all topics announced have come");
        if self.form.version >= 16 && !node_endpoints.is_empty() {
            varint::put_uvarint(&mut self.head, 1);
            put_tagged(&mut self.head, 0, node_endpoints, self.form)?;
        } else {
            self.put_no_tags();
        }
        self.end_bytes_part();
        put_frame_size(&mut self.head, 0, self.records_size_bytes)?;
        Ok(FetchResponseParts {
            size_bytes: self.head.len() + self.records_size_bytes,
            head: self.head,
            parts: self.parts,
        })
    }

    fn put_before_records(&mut self, data: &PartitionData<'_>) -> Result<(), EncodeError> {
        let (form, head) = (self.form, &mut self.head);
        let mut writer = Writer::new(head);
        writer.i32(data.partition_index);
        writer.i16(data.error_code.0);
        writer.i64(data.high_watermark);
        writer.i64(data.last_stable_offset);
        if form.version >= 5 {
            writer.i64(data.log_start_offset);
        }
        let aborted = data.aborted_transactions.as_ref();
        EncodeNullable::encode_nullable(aborted, head, form, Place::Ordinary)?;
        if form.version >= 11 {
            data.preferred_read_replica.encode(head, form)?;
        } else if data.preferred_read_replica != -1 {
            return Err(not_in_version("preferred_read_replica", form));
        }
        Ok(())
    }

    /// The length of the records goes to the head, the pieces become parts behind it.
    fn put_records(&mut self, records: impl IntoIterator<Item = R>) -> Result<(), EncodeError> {
        let bytes_part = self.parts.len();
        let mut size_bytes = 0;
        for piece in records {
            let piece_size_bytes = piece.as_ref().len();
            if piece_size_bytes == 0 {
                continue;
            }
            if size_bytes == 0 {
                self.parts.push(Part::Bytes(0..0)); // its range is known after the length
            }
            size_bytes += piece_size_bytes;
            self.parts.push(Part::Records(piece));
        }
        Writer::new(&mut self.head).length(Some(size_bytes), self.form.flexible)?;
        if let Some(part) = self.parts.get_mut(bytes_part) {
            *part = Part::Bytes(self.part_start..self.head.len());
            self.part_start = self.head.len();
        }
        self.records_size_bytes += size_bytes;
        Ok(())
    }

    fn put_after_records(&mut self, data: &PartitionData<'_>) -> Result<(), EncodeError> {
        let (form, head) = (self.form, &mut self.head);
        let tagged = [
            data.diverging_epoch != Default::default(),
            data.current_leader != Default::default(),
            data.snapshot_id != Default::default(),
        ];
        let [diverging_epoch, current_leader, snapshot_id] = tagged;
        if !form.flexible {
            return match tagged.contains(&true) {
                true => Err(not_in_version(
                    "diverging_epoch, current_leader or snapshot_id",
                    form,
                )),
                false => Ok(()),
            };
        }
        varint::put_uvarint(head, tagged.map(u32::from).iter().sum());
        if diverging_epoch {
            put_tagged(head, 0, &data.diverging_epoch, form)?;
        }
        if current_leader {
            put_tagged(head, 1, &data.current_leader, form)?;
        }
        if snapshot_id {
            put_tagged(head, 2, &data.snapshot_id, form)?;
        }
        Ok(())
    }

    fn end_topic_when_complete(&mut self) {
        if self.partitions_left == 0 {
            self.put_no_tags();
        }
    }

    fn put_no_tags(&mut self) {
        if self.form.flexible {
            varint::put_uvarint(&mut self.head, 0);
        }
    }

    fn end_bytes_part(&mut self) {
        if self.part_start < self.head.len() {
            self.parts
                .push(Part::Bytes(self.part_start..self.head.len()));
            self.part_start = self.head.len();
        }
    }
}

fn not_in_version(field: &'static str, form: Form) -> EncodeError {
    EncodeError::FieldNotInVersion {
        field,
        version: form.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::write_response;
    use crate::message::fetch::{
        AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch,
    };
    use std::borrow::Cow;

    const START: FetchResponseStart = FetchResponseStart {
        throttle_time_ms: 5,
        error_code: ErrorCode::NONE,
        session_id: 0,
    };

    fn partition(index: i32, version: i16) -> PartitionData<'static> {
        let mut data = PartitionData {
            partition_index: index,
            high_watermark: 10,
            last_stable_offset: 9,
            aborted_transactions: Some(vec![AbortedTransaction {
                producer_id: 4,
                first_offset: 2,
            }]),
            ..Default::default()
        };
        if version >= 12 && index == 1 {
            data.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
            data.current_leader = LeaderIdAndEpoch {
                leader_id: 1,
                leader_epoch: 7,
            };
            data.diverging_epoch = EpochEndOffset {
                epoch: 1,
                end_offset: 2,
            };
        }
        data
    }

    /// Pieces of the records of each partition of each topic.
    const PIECES: [&[&[&[u8]]]; 3] = [
        &[&[b"batch one", b"batch two"], &[]],
        &[],
        &[&[b""], &[b"batch three"]],
    ];

    fn endpoints(version: i16) -> Vec<NodeEndpoint<'static>> {
        let endpoint = NodeEndpoint {
            node_id: 1,
            host: "h".into(),
            port: 9092,
            rack: None,
        };
        if version >= 16 {
            vec![endpoint]
        } else {
            vec![]
        }
    }

    fn by_parts(version: i16) -> FetchResponseParts<&'static [u8]> {
        let mut builder = FetchResponseBuilder::new(version, 3, START, PIECES.len()).unwrap();
        for (topic, partitions) in PIECES.iter().enumerate() {
            let id = Uuid([topic as u8; 16]);
            builder
                .topic(&format!("topic-{topic}"), id, partitions.len())
                .unwrap();
            for (index, pieces) in (0..).zip(*partitions) {
                builder
                    .partition(&partition(index, version), pieces.iter().copied())
                    .unwrap();
            }
        }
        builder.finish(&endpoints(version)).unwrap()
    }

    fn by_struct(version: i16) -> Vec<u8> {
        let responses = (0u8..)
            .zip(PIECES)
            .map(|(topic, partitions)| FetchableTopicResponse {
                topic: format!("topic-{topic}").into(),
                topic_id: Uuid([topic; 16]),
                partitions: (0..)
                    .zip(partitions)
                    .map(|(index, pieces)| PartitionData {
                        records: Some(Cow::Owned(pieces.concat())),
                        ..partition(index, version)
                    })
                    .collect(),
            })
            .collect();
        let response = FetchResponse {
            throttle_time_ms: START.throttle_time_ms,
            responses,
            node_endpoints: endpoints(version),
            ..Default::default()
        };
        let mut out = Vec::new();
        write_response(&mut out, &response, version, 3).unwrap();
        out
    }

    #[test]
    fn parts_are_the_structs_bytes() {
        for version in 4..=18 {
            let parts = by_parts(version);
            let bytes: Vec<u8> = parts.slices().flatten().copied().collect();
            assert_eq!(bytes, by_struct(version), "version {version}");
            assert_eq!(bytes.len(), parts.size_bytes);
        }
    }

    #[test]
    fn records_are_the_callers_own_bytes() {
        let parts = by_parts(18);
        let records: Vec<*const u8> = parts
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Records(records) => Some(records.as_ptr()),
                Part::Bytes(_) => None,
            })
            .collect();
        let expected = [PIECES[0][0][0], PIECES[0][0][1], PIECES[2][1][0]].map(<[u8]>::as_ptr);
        assert_eq!(records, expected);
    }

    #[test]
    fn an_empty_answer_is_one_part() {
        let builder = FetchResponseBuilder::<Vec<u8>>::new(18, 1, START, 0).unwrap();
        let parts = builder.finish(&[]).unwrap();
        assert_eq!(parts.parts, [Part::Bytes(0..parts.head.len())]);
        let size = i32::from_be_bytes(parts.head[..4].try_into().unwrap());
        assert_eq!(size as usize + 4, parts.head.len());
    }

    #[test]
    #[should_panic(expected = "all partitions announced have come")]
    fn a_missing_partition_is_noticed() {
        let mut builder = FetchResponseBuilder::<Vec<u8>>::new(18, 1, START, 1).unwrap();
        builder.topic("t", Uuid::ZERO, 1).unwrap();
        drop(builder.finish(&[]));
    }

    #[test]
    fn what_an_old_version_cannot_say_is_an_error() {
        let mut builder = FetchResponseBuilder::<Vec<u8>>::new(11, 1, START, 1).unwrap();
        builder.topic("t", Uuid::ZERO, 1).unwrap();
        assert!(builder.partition(&partition(1, 12), []).is_err());
    }
}
