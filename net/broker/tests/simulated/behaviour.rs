//! What clients see of a broker that nothing happens to.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{resolve, sleep, timeout};
use net_client::{Acks, Admin, Connection, ConnectionOptions, NewTopic};
use net_wire::ErrorCode;
use net_wire::message::CreateTopicsRequest;
use net_wire::message::create_topics::CreatableTopic;

use crate::clients::{
    GROUP, PARTITIONS, TOPIC, connect_at_last, read_everything, read_in_group, topic_names,
    write_some,
};
use crate::oracle::Oracle;
use crate::stage::{PORT, Stage};

/// Makes the topic that the clients use.
pub(crate) async fn create_topic() {
    create_topic_with(&[]).await;
}

/// The same, configured otherwise.
pub(crate) async fn create_topic_with(configs: &[(&str, &str)]) {
    let mut admin = Admin::new(connect_at_last().await);
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        partitions: Some(PARTITIONS),
        replication_factor: Some(1),
        configs: configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    admin.create_topic(&topic).await.unwrap();
}

#[test]
fn every_kind_of_acknowledgement_keeps_records_in_order() {
    for (seed, acks) in [(1, Acks::All), (2, Acks::Leader), (3, Acks::None)] {
        let stage = Stage::new(seed);
        stage.client(create_topic);
        let oracle = Rc::new(Oracle::default());
        stage.client(|| write_some(oracle.clone(), acks, 200));
        let held = stage.client(|| async {
            // Nobody says when the last unacknowledged one has arrived.
            sleep(Duration::from_secs(1)).await;
            read_everything().await
        });
        assert_eq!(held.records.len(), 200, "{acks:?}");
        oracle.assert_kept(&held);
        let acked = if acks == Acks::None { 0 } else { 200 };
        assert_eq!(oracle.acked_count(), acked);
        stage.stop_clean();
        stage.start();
        assert_eq!(stage.client(read_everything).records.len(), 200);
        stage.assert_no_panics();
    }
}

#[test]
fn a_group_reads_everything_and_its_offsets_outlive_the_broker() {
    let stage = Stage::new(4);
    stage.client(create_topic);
    let oracle = Rc::new(Oracle::default());
    let members = ["first member", "second member"].map(|name| {
        let oracle = oracle.clone();
        stage.begin(stage.add_client(name), move || {
            read_in_group(oracle.clone())
        })
    });
    stage.client(|| write_some(oracle.clone(), Acks::All, 200));
    let limit = Duration::from_secs(60);
    let committed = || oracle.committed().values().sum::<i64>();
    assert!(stage.world.run_until(limit, || committed() == 200));
    oracle.is_over.set(true);
    let is_over = || members.iter().all(engine_runtime::SimShard::is_finished);
    assert!(stage.world.run_until(limit, is_over));
    stage.stop_clean();
    stage.start();
    let offsets = stage.client(|| async {
        let mut admin = Admin::new(connect_at_last().await);
        let group = admin.describe_group(GROUP).await.unwrap();
        admin.group_offsets(&group).await.unwrap()
    });
    assert_eq!(offsets.len(), PARTITIONS as usize);
    for offset in offsets {
        assert_eq!(offset.committed, offset.end, "{}", offset.partition);
    }
    stage.assert_no_panics();
}

#[test]
fn a_topic_is_there_once_and_gone_when_it_is_deleted() {
    let stage = Stage::new(5);
    stage.client(create_topic);
    stage.client(|| async {
        let mut admin = Admin::new(connect_at_last().await);
        let again = NewTopic {
            name: TOPIC.to_owned(),
            partitions: Some(1),
            ..NewTopic::default()
        };
        let error = admin.create_topic(&again).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
        let topic = admin.topic(TOPIC).await.unwrap();
        assert_eq!(topic.partitions.len(), PARTITIONS as usize);
        admin.delete_topic(TOPIC).await.unwrap();
    });
    stage.world.kill(stage.broker);
    stage.start();
    stage.client(|| async {
        let mut admin = Admin::new(connect_at_last().await);
        let topics = admin.topics().await.unwrap();
        assert!(topics.iter().all(|topic| topic.name != TOPIC), "{topics:?}");
    });
    stage.assert_no_panics();
}

/// What CreateTopics answers for a topic, with the sentence for people.
async fn created(partitions: i32, wait: Duration) -> (ErrorCode, Option<String>) {
    let address = resolve("broker", PORT).await.unwrap()[0];
    let connection = Connection::open(address, ConnectionOptions::default()).await;
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: TOPIC.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        ..CreateTopicsRequest::default()
    };
    let mut connection = connection.unwrap();
    let frame = connection.call_below(&request, i16::MAX, wait).await;
    let frame = frame.unwrap();
    let result = &frame.read().unwrap().topics[0];
    let message = result.error_message.as_deref().map(str::to_owned);
    (result.error_code, message)
}

#[test]
fn a_request_that_is_refused_as_a_whole_is_told_why() {
    let stage = Stage::new(8);
    let answer = stage.client(|| created(10_001, Duration::ZERO));
    let message = "Excessively large number of partitions per request.".to_owned();
    assert_eq!(answer, (ErrorCode::POLICY_VIOLATION, Some(message)));
    stage.assert_no_panics();
}

#[test]
fn a_controller_without_room_is_told_in_time_and_goes_on_when_there_is_some() {
    let stage = Stage::new(9);
    stage.world.with_disk(stage.broker, |disk| {
        disk.set_capacity(disk.used_bytes());
    });
    // The store looks at the free space once in a while.
    stage.world.run_for(Duration::from_secs(30));
    let answer = stage.client(|| created(4, Duration::from_secs(90)));
    assert_eq!(answer, (ErrorCode::REQUEST_TIMED_OUT, None));
    let has_room = |disk: &mut engine_runtime::disk::Disk| disk.set_capacity(u64::MAX);
    stage.world.with_disk(stage.broker, has_room);
    stage.world.run_for(Duration::from_secs(30));
    // What was decided comes to pass.
    let answer = stage.client(|| created(4, Duration::ZERO));
    assert_eq!(answer.0, ErrorCode::TOPIC_ALREADY_EXISTS);
    stage.assert_no_panics();
}

/// What is free is below what appends need, and above what only room-making appends get.
#[test]
fn a_full_disk_is_relieved_by_deleting_a_topic() {
    let stage = Stage::new(10);
    stage.client(create_topic);
    stage.world.with_disk(stage.broker, |disk| {
        disk.set_capacity(disk.used_bytes() + (40 << 20));
    });
    stage.world.run_for(Duration::from_secs(5));
    stage.client(|| async {
        let mut admin = Admin::new(connect_at_last().await);
        let deleted = timeout(Duration::from_secs(5), admin.delete_topic(TOPIC)).await;
        deleted.expect("an answer in time").unwrap();
        assert!(!topic_names().await.contains(&TOPIC.to_owned()));
    });
    stage.stop_clean();
    stage.assert_no_panics();
}

#[test]
fn a_stop_on_a_full_disk_ends_and_the_next_start_recovers() {
    let stage = Stage::new(11);
    stage.client(create_topic);
    stage.world.with_disk(stage.broker, |disk| {
        disk.set_capacity(disk.used_bytes());
    });
    stage.world.run_for(Duration::from_secs(5));
    let said = stage.stop_fails();
    assert!(said.contains("the next start recovers"), "{said}");
    let has_room = |disk: &mut engine_runtime::disk::Disk| disk.set_capacity(u64::MAX);
    stage.world.with_disk(stage.broker, has_room);
    stage.start();
    assert!(stage.client(topic_names).contains(&TOPIC.to_owned()));
    stage.assert_no_panics();
}

#[test]
fn a_topic_that_is_said_to_exist_outlives_a_power_cut() {
    let stage = Stage::new(6);
    for round in 0..30 {
        let name = format!("contested-{round}");
        let answered = Rc::new(Cell::new(false));
        let rivals = ["one", "another"].map(|rival| {
            let (name, answered) = (name.clone(), answered.clone());
            stage.begin(stage.add_client(rival), move || {
                claim(name.clone(), answered.clone())
            })
        });
        let limit = Duration::from_secs(60);
        assert!(stage.world.run_until(limit, || answered.get()));
        stage.world.power_cut(stage.broker);
        stage.start();
        let topics = stage.client(topic_names);
        assert!(topics.contains(&name), "{name} is lost");
        let are_over = || rivals.iter().all(engine_runtime::SimShard::is_finished);
        assert!(stage.world.run_until(limit, are_over));
    }
    stage.assert_no_panics();
}

/// Creates a topic, and notes when the broker says that it is there.
async fn claim(name: String, answered: Rc<Cell<bool>>) {
    let topic = NewTopic {
        name,
        partitions: Some(1),
        ..NewTopic::default()
    };
    loop {
        let mut admin = Admin::new(connect_at_last().await);
        let code = admin
            .create_topic(&topic)
            .await
            .err()
            .map(|error| error.code());
        if matches!(code, None | Some(Some(ErrorCode::TOPIC_ALREADY_EXISTS))) {
            return answered.set(true);
        }
    }
}
