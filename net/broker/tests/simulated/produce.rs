//! Produce requests that a client of ours would not send: pipelined ones with large batches, and
//! batches that their topic writes anew.

use std::time::Duration;

use engine_record::{
    BatchBuilder, BatchHeader, BatchOptions, Batches, Compression, Decompressor, TimestampType,
};
use engine_runtime::{resolve, sleep};
use net_client::{Admin, Connection, ConnectionOptions, NewTopic};
use net_wire::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use net_wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};

use crate::clients::{TOPIC, connect_at_last};
use crate::stage::{PORT, Stage};

/// Before topics have ids on the wire: requests name them.
const FETCH_VERSION_MAX: i16 = 12;
const PRODUCE_VERSION_MAX: i16 = 12;

async fn create_topic(configs: &'static [(&str, &str)]) {
    let mut admin = Admin::new(connect_at_last().await);
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        partitions: Some(1),
        replication_factor: Some(1),
        configs: configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    admin.create_topic(&topic).await.unwrap();
}

async fn connection() -> Connection {
    let address = resolve("broker", PORT).await.unwrap()[0];
    Connection::open(address, ConnectionOptions::default())
        .await
        .unwrap()
}

/// A batch of an idempotent producer.
fn batch(compression: Compression, base_sequence: i32, values: &[&[u8]]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        compression,
        producer_id: 7,
        producer_epoch: 0,
        base_sequence,
        ..BatchOptions::default()
    });
    for (delta, value) in (0..).zip(values) {
        builder.append(1_000 + delta, Some(b"key"), Some(value), &[]);
    }
    builder.finish()
}

fn request(acks: i16, batch: &[u8]) -> ProduceRequest<'_> {
    ProduceRequest {
        transactional_id: None,
        acks,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.into(),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(batch.into()),
            }],
            topic_id: engine_base::Uuid::default(),
        }],
    }
}

/// The batches that lie in the log.
async fn stored(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut batches: Vec<Vec<u8>> = Vec::new();
    loop {
        let fetch_offset = batches.last().map_or(0, |batch| {
            BatchHeader::read(batch.first_chunk().unwrap()).next_offset()
        });
        let request = FetchRequest {
            min_bytes: 0,
            max_bytes: 50 << 20,
            topics: vec![FetchTopic {
                topic: TOPIC.into(),
                partitions: vec![FetchPartition {
                    fetch_offset,
                    partition_max_bytes: 1 << 20,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let frame = connection
            .call_below(&request, FETCH_VERSION_MAX, Duration::ZERO)
            .await
            .unwrap();
        let response = frame.read().unwrap();
        let data = &response.responses[0].partitions[0];
        let found = Batches::new(data.records.as_deref().unwrap_or_default());
        let before = batches.len();
        batches.extend(found.map(|batch| batch.unwrap().bytes().to_vec()));
        if batches.len() == before {
            return batches;
        }
    }
}

/// A small batch behind a large one on the same connection: the large one gives the core to others
/// while it is looked at, and the small one must not get in front of it. Were it to, its sequence
/// number would be refused.
#[test]
fn pipelined_requests_keep_their_order_however_long_a_batch_takes() {
    for seed in 0..6 {
        let stage = Stage::new(seed);
        stage.client(|| create_topic(&[]));
        let batches = stage.client(|| async {
            let mut connection = connection().await;
            let zeros = vec![0; 15 << 20];
            let mut sequence = 0;
            for round in 0..3_u8 {
                let large = batch(Compression::Zstd, sequence, &[&zeros]);
                assert!(large.len() < 16 << 10);
                let small = batch(Compression::None, sequence + 1, &[&[round], b"b"]);
                for batch in [&large, &small] {
                    let request = request(0, batch);
                    connection
                        .produce_unanswered(&request, PRODUCE_VERSION_MAX)
                        .await
                        .unwrap();
                }
                sequence += 3;
            }
            sleep(Duration::from_secs(1)).await;
            stored(&mut connection).await
        });
        let sequences: Vec<i32> = batches
            .iter()
            .map(|batch| BatchHeader::read(batch.first_chunk().unwrap()).base_sequence)
            .collect();
        assert_eq!(sequences, [0, 1, 3, 4, 6, 7], "seed {seed}");
        stage.assert_no_panics();
    }
}

/// `compression.type` and the timestamp type of the topic, whatever the producer used; what the
/// producer numbered stays, so its retries are known as such.
#[test]
fn a_topic_with_its_own_compression_keeps_batches_in_it() {
    const CONFIGS: &[(&str, &str)] = &[
        ("compression.type", "gzip"),
        ("message.timestamp.type", "LogAppendTime"),
    ];
    let stage = Stage::new(3);
    stage.client(|| create_topic(CONFIGS));
    let kinds = [Compression::None, Compression::Zstd, Compression::Gzip];
    let batches = stage.client(move || async move {
        let mut connection = connection().await;
        for (base_sequence, compression) in (0..).step_by(2).zip(kinds) {
            let batch = batch(compression, base_sequence, &[b"a", b"b"]);
            // Sent twice, as after a lost answer.
            for _ in 0..2 {
                let request = request(-1, &batch);
                let frame = connection
                    .call_below(&request, PRODUCE_VERSION_MAX, Duration::ZERO)
                    .await
                    .unwrap();
                let response = frame.read().unwrap();
                let answer = &response.responses[0].partition_responses[0];
                assert_eq!(answer.error_code, net_wire::ErrorCode::NONE);
                assert_eq!(answer.base_offset, i64::from(base_sequence));
                assert!(answer.log_append_time_ms > 1_000);
            }
        }
        stored(&mut connection).await
    });
    assert_eq!(batches.len(), kinds.len());
    for (base_offset, bytes) in (0..).step_by(2).zip(&batches) {
        let batch = engine_record::BatchView::read(bytes).unwrap();
        batch.check_crc().unwrap();
        let header = batch.header();
        assert_eq!(batch.compression(), Ok(Compression::Gzip));
        assert_eq!(
            header.attributes.timestamp_type(),
            TimestampType::LogAppendTime
        );
        assert_eq!((header.producer_id, header.producer_epoch), (7, 0));
        assert_eq!(header.base_offset, base_offset);
        assert_eq!(i64::from(header.base_sequence), base_offset);
        let data = batch.decompressed(&mut Decompressor::new()).unwrap();
        let values: Vec<_> = batch
            .records_in(&data)
            .map(|record| record.unwrap().value.unwrap().to_vec())
            .collect();
        assert_eq!(values, [b"a", b"b"]);
    }
    stage.assert_no_panics();
}
