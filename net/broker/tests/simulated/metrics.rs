//! What the broker counts of the clients it serves.

use std::time::Duration;

use engine_base::ShardId;
use engine_runtime::{resolve, sleep};
use net_broker::metrics::{Metric, Of, Snapshot};
use net_client::{Admin, Connection, ConnectionOptions, NewTopic};
use net_wire::ErrorCode;
use net_wire::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use net_wire::message::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use net_wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};

use crate::behaviour::create_topic;
use crate::clients::{GROUP, PARTITIONS, TOPIC, connect_at_last};
use crate::stage::{PORT, Stage};

/// Before topics have ids on the wire: requests name them.
const NAMES_UP_TO: i16 = 9;

fn sum(snapshot: &Snapshot, metric: Metric) -> u64 {
    let of_metric = snapshot.values.iter().filter(|((it, _), _)| *it == metric);
    of_metric.map(|(_, value)| value).sum()
}

fn errors(snapshot: &Snapshot, api: &str) -> Vec<(ErrorCode, u64)> {
    let errors = &snapshot.requests[api].errors;
    errors.iter().map(|(code, count)| (*code, *count)).collect()
}

async fn produce_to_nowhere(connection: &mut Connection) {
    let partition = |index| PartitionProduceData {
        index,
        records: Some(b"no batch".as_slice().into()),
    };
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData {
            name: "nowhere".into(),
            partition_data: vec![partition(0), partition(1)],
            ..TopicProduceData::default()
        }],
    };
    let wait = Duration::ZERO;
    let answer = connection.call_below(&request, NAMES_UP_TO, wait).await;
    answer.unwrap();
}

async fn fetch_beyond_the_end(connection: &mut Connection) {
    let request = FetchRequest {
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: TOPIC.into(),
            partitions: vec![FetchPartition {
                fetch_offset: 5,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let wait = Duration::ZERO;
    let answer = connection.call_below(&request, NAMES_UP_TO, wait).await;
    answer.unwrap();
}

/// Without membership, as tools commit.
async fn commit(connection: &mut Connection) {
    let request = OffsetCommitRequest {
        group_id: GROUP.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let wait = Duration::ZERO;
    let answer = connection.call_below(&request, NAMES_UP_TO, wait).await;
    answer.unwrap();
}

#[test]
fn every_error_that_an_answer_tells_is_counted_by_api() {
    let stage = Stage::new(11);
    stage.client(create_topic);
    stage.client(|| async {
        let mut admin = Admin::new(connect_at_last().await);
        let again = NewTopic {
            name: TOPIC.to_owned(),
            partitions: Some(1),
            ..NewTopic::default()
        };
        admin.create_topic(&again).await.unwrap_err();
        let address = resolve("broker", PORT).await.unwrap()[0];
        let opened = Connection::open(address, ConnectionOptions::default()).await;
        let mut connection = opened.unwrap();
        produce_to_nowhere(&mut connection).await;
        fetch_beyond_the_end(&mut connection).await;
    });
    let snapshot = stage.metrics();
    let told = |api| errors(&snapshot, api);
    assert_eq!(told("CreateTopics"), [(ErrorCode::TOPIC_ALREADY_EXISTS, 1)]);
    assert_eq!(
        told("Produce"),
        [(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 2)]
    );
    assert_eq!(told("Fetch"), [(ErrorCode::OFFSET_OUT_OF_RANGE, 1)]);
    assert_eq!(told("ApiVersions"), []);
    stage.assert_no_panics();
}

#[test]
fn what_a_shard_has_is_told_by_shard_and_what_is_gone_is_not() {
    let stage = Stage::new(12);
    stage.client(create_topic);
    stage.client(|| async {
        let address = resolve("broker", PORT).await.unwrap()[0];
        let opened = Connection::open(address, ConnectionOptions::default()).await;
        let mut connection = opened.unwrap();
        // The first request makes the topic of the offsets.
        let mut admin = Admin::new(connect_at_last().await);
        let _ = admin.cluster().coordinator(GROUP).await.unwrap();
        commit(&mut connection).await;
        sleep(Duration::from_millis(100)).await;
    });
    // What clients closed is noticed.
    stage.world.run_for(Duration::from_secs(1));
    let snapshot = stage.metrics();
    // Three of the offsets, one of the metadata.
    let partitions = PARTITIONS as u64 + 3 + 1;
    assert_eq!(sum(&snapshot, Metric::Partitions), partitions);
    assert_eq!(sum(&snapshot, Metric::Logs), partitions);
    assert_eq!(sum(&snapshot, Metric::Groups), 1);
    assert_eq!(
        snapshot.values[&(Metric::Groups, Of::GroupState("Empty"))],
        1
    );
    assert_eq!(sum(&snapshot, Metric::Connections), 0);
    assert!(sum(&snapshot, Metric::ConnectionsAccepted) >= 3);
    let of_first = |metric| snapshot.values[&(metric, Of::Shard(ShardId(0)))];
    assert_eq!(of_first(Metric::JournalFilesInUse), 1);
    assert_eq!(of_first(Metric::JournalSize), 4 << 20);
    assert!(of_first(Metric::TailCacheMax) > of_first(Metric::TailCache));
    assert_eq!(of_first(Metric::RequestMemory), 0);
    for metric in Metric::ALL {
        let is_told = snapshot.values.keys().any(|(it, _)| it == metric);
        assert!(is_told, "nobody tells {metric:?}");
    }
    stage.assert_no_panics();
}
