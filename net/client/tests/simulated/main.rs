//! The client against a broker that loses connections, in the simulated world: simulated time,
//! no ports, the same seed the same run.

// A test fails by panic, its broker too.
#![allow(clippy::unwrap_used)]

mod broker;
mod progress;

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Broker, Faults, PORT, TOPIC};
use engine_runtime::{ShardContext, SimOptions, SimWorld, now, resolve, timeout};
use net_client::{
    ClientError, Cluster, ClusterOptions, Compression, Connection, ConnectionOptions,
    ConsumedRecord, Consumer, ConsumerOptions, GroupMembership, GroupOptions, HostPort,
    OffsetReset, Producer, ProducerOptions, ProducerRecord, StartAt, UndeliveredBatch,
};
use net_wire::message::MetadataRequest;
use net_wire::{ApiKey, ErrorCode};

/// Runs a client's work against a broker, each a process of its own.
fn with_broker<T, F>(seed: u64, broker: &std::rc::Rc<Broker>, work: impl FnOnce() -> F) -> T
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let world = SimWorld::new(seed, SimOptions::default());
    let (server, client) = (world.add_process("broker"), world.add_process("client"));
    let served = std::rc::Rc::clone(broker);
    let _shards = world.launch(server, 1, 4, move |_: ShardContext<()>| {
        std::rc::Rc::clone(&served).serve()
    });
    world.run_for(Duration::from_millis(1));
    world.runtime(client).block_on(work())
}

fn faults() -> Faults {
    Faults {
        api_versions_max: 5,
        topic_id: std::rc::Rc::new(std::cell::Cell::new(7)),
        ..Faults::default()
    }
}

async fn connect() -> Result<Cluster, ClientError> {
    let bootstrap = vec![HostPort {
        host: "broker".to_owned(),
        port: PORT,
    }];
    Cluster::connect(ClusterOptions {
        bootstrap,
        connection: ConnectionOptions::default(),
    })
    .await
}

/// Connects although the first tries may break.
async fn connect_at_last() -> Cluster {
    for _ in 0..50 {
        match connect().await {
            Ok(cluster) => return cluster,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
    panic!("no connection in 50 tries");
}

async fn producer_at_last(options: &ProducerOptions) -> Producer {
    for _ in 0..50 {
        match Producer::new(connect_at_last().await, options.clone()).await {
            Ok(producer) => return producer,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
    panic!("no producer in 50 tries");
}

async fn read_all(count: usize) -> Vec<ConsumedRecord> {
    let mut cluster = connect_at_last().await;
    let mut consumer = Consumer::new(ConsumerOptions {
        reset: OffsetReset::Earliest,
    });
    let places: Vec<_> = (0..3)
        .map(|partition| (TOPIC.to_owned(), partition, StartAt::Reset))
        .collect();
    consumer.assign(&mut cluster, &places).await.unwrap();
    let mut records = Vec::new();
    while records.len() < count {
        let polled = consumer
            .poll(&mut cluster, Duration::from_millis(100))
            .await;
        records.extend(polled.unwrap());
    }
    records
}

async fn send_numbers(options: &ProducerOptions, count: u32) {
    let mut producer = producer_at_last(options).await;
    for number in 0..count {
        let value = number.to_be_bytes();
        let partition = Some((number % 3) as i32);
        let record = ProducerRecord {
            topic: TOPIC,
            partition,
            value: Some(&value),
            ..ProducerRecord::default()
        };
        producer.send(record).await.unwrap();
        if number % 50 == 0 {
            producer.flush().await.unwrap();
        }
    }
    producer.flush().await.unwrap();
}

/// Every number once, and in order within its partition.
fn assert_numbers(records: &[ConsumedRecord], count: u32) {
    let mut last: BTreeMap<i32, u32> = BTreeMap::new();
    for record in records {
        let number = u32::from_be_bytes(record.value.as_deref().unwrap().try_into().unwrap());
        let partition = record.partition;
        assert_eq!(number % 3, partition as u32);
        let expected = last
            .get(&partition)
            .map_or(partition as u32, |last| last + 3);
        assert_eq!(number, expected, "partition {partition}");
        last.insert(partition, number);
    }
    assert_eq!(records.len(), count as usize);
}

#[test]
fn versions_are_negotiated_with_a_broker_that_lacks_ours() {
    let broker = Broker::new(
        1,
        Faults {
            api_versions_max: 2,
            ..faults()
        },
    );
    with_broker(1, &broker, || async { connect().await.map(|_| ()) }).unwrap();
    let asked: Vec<i16> = broker
        .requests
        .borrow()
        .iter()
        .filter(|(key, _)| *key == ApiKey::ApiVersions)
        .map(|(_, version)| *version)
        .collect();
    assert_eq!(asked, [5, 2]);
}

#[test]
fn every_record_arrives_once_and_in_order_over_broken_connections() {
    for seed in 0..20 {
        let broken = Faults {
            lost_before: 9,
            lost_after: 9,
            not_leader: 7,
            fetch_cut: 40,
            ..faults()
        };
        let broker = Broker::new(3, broken);
        let compression =
            [Compression::None, Compression::Lz4, Compression::Zstd][seed as usize % 3];
        let options = ProducerOptions {
            compression,
            batch_size_bytes: 400,
            ..ProducerOptions::default()
        };
        with_broker(seed, &broker, || async move {
            send_numbers(&options, 300).await
        });
        let total: i64 = broker.logs.borrow().iter().map(|log| log.end_offset).sum();
        assert_eq!(total, 300, "seed {seed}");
        let records = with_broker(seed, &broker, || read_all(300));
        assert_numbers(&records, 300);
    }
}

#[test]
fn batches_that_are_too_large_are_sent_in_parts_over_broken_connections_too() {
    for seed in 0..6 {
        let narrow = Faults {
            lost_before: 9,
            lost_after: 9,
            not_leader: 7,
            batch_size_bytes_max: 150,
            ..faults()
        };
        let broker = Broker::new(3, narrow);
        let options = ProducerOptions {
            compression: [Compression::None, Compression::Lz4][seed as usize % 2],
            batch_size_bytes: 2000,
            ..ProducerOptions::default()
        };
        with_broker(seed, &broker, || async move {
            send_numbers(&options, 300).await
        });
        let records = with_broker(seed, &broker, || read_all(300));
        assert_numbers(&records, 300);
    }
}

#[test]
fn a_record_that_is_too_large_alone_is_named_and_those_before_it_arrive() {
    let narrow = Faults {
        batch_size_bytes_max: 150,
        ..faults()
    };
    let broker = Broker::new(1, narrow);
    let (error, undelivered) = with_broker(2, &broker, || async {
        let mut producer = producer_at_last(&ProducerOptions::default()).await;
        for size in [20, 20, 20, 200, 20] {
            let value = vec![b'v'; size];
            let record = ProducerRecord {
                topic: TOPIC,
                value: Some(&value),
                ..ProducerRecord::default()
            };
            producer.send(record).await.unwrap();
        }
        let error = producer.flush().await.unwrap_err();
        (error, producer.take_undelivered().unwrap())
    });
    assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    let arrived = undelivered.deliveries.iter();
    assert_eq!(arrived.map(|it| it.record_count).sum::<usize>(), 3);
    let batch = |number, at_fault| UndeliveredBatch {
        records: std::iter::once(number..number + 1).collect(),
        at_fault,
    };
    let expected = [batch(4, Some(4)), batch(5, None)];
    assert_eq!(undelivered.batches, expected);
}

#[test]
fn what_a_refused_batch_held_is_known_and_the_others_arrive() {
    let refused = Some(1);
    let broker = Broker::new(
        3,
        Faults {
            refused,
            ..faults()
        },
    );
    let (error, undelivered) = with_broker(2, &broker, || async {
        let mut producer = producer_at_last(&ProducerOptions::default()).await;
        for partition in [0, 1, 1, 2, 1] {
            let record = ProducerRecord {
                topic: TOPIC,
                partition: Some(partition),
                value: Some(b"v"),
                ..ProducerRecord::default()
            };
            assert_eq!(producer.send(record).await.unwrap(), []);
        }
        let error = producer.flush().await.unwrap_err();
        (error, producer.take_undelivered().unwrap())
    });
    assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
    assert_eq!(undelivered.next, 6);
    let arrived = undelivered.deliveries.iter();
    let arrived: Vec<_> = arrived.map(|it| (it.partition, it.record_count)).collect();
    assert_eq!(arrived, [(0, 1), (2, 1)]);
    let expected = UndeliveredBatch {
        records: vec![2..4, 5..6],
        at_fault: Some(3),
    };
    assert_eq!(undelivered.batches, [expected]);
}

#[test]
fn an_unknown_topic_is_told_at_once() {
    let broker = Broker::new(1, faults());
    let error = with_broker(3, &broker, || async {
        let mut cluster = connect().await.unwrap();
        cluster.topic("nope").await.map(|_| ()).unwrap_err()
    });
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let error = with_broker(3, &broker, || async {
        let mut cluster = connect().await.unwrap();
        cluster.leader(TOPIC, 5).await.unwrap_err()
    });
    assert!(
        matches!(
            error,
            ClientError::NoPartition {
                partition: 5,
                count: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_silent_broker_is_given_up_after_the_timeout() {
    let broker = Broker::new(
        1,
        Faults {
            silent: Some(ApiKey::Metadata),
            ..faults()
        },
    );
    let error = with_broker(4, &broker, || async {
        connect().await.map(|_| ()).unwrap_err()
    });
    assert!(
        matches!(
            error,
            ClientError::TimedOut {
                key: ApiKey::Metadata,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains(&format!(":{PORT}")), "{error}");
}

#[test]
fn a_connection_whose_call_was_dropped_takes_no_other() {
    let broker = Broker::new(
        1,
        Faults {
            silent: Some(ApiKey::Metadata),
            ..faults()
        },
    );
    let broken = with_broker(6, &broker, || async {
        let address = resolve("broker", PORT).await.unwrap()[0];
        let opened = Connection::open(address, ConnectionOptions::default()).await;
        let mut connection = opened.unwrap();
        let before = connection.is_broken();
        let request = MetadataRequest::default();
        let call = connection.call(&request);
        assert!(timeout(Duration::from_secs(1), call).await.is_err());
        (before, connection.is_broken())
    });
    assert_eq!(broken, (false, true));
}

#[test]
fn an_address_without_a_broker_is_named() {
    let world = SimWorld::new(5, SimOptions::default());
    let (_server, client) = (world.add_process("broker"), world.add_process("client"));
    let error = world
        .runtime(client)
        .block_on(async { connect().await.map(|_| ()).unwrap_err() });
    assert!(error.to_string().contains("broker:9092"), "{error}");
}

#[test]
fn every_address_without_a_broker_is_named() {
    let world = SimWorld::new(5, SimOptions::default());
    let (_server, client) = (world.add_process("broker"), world.add_process("client"));
    let error = world.runtime(client).block_on(async {
        let options = ClusterOptions {
            bootstrap: HostPort::parse_list("broker:1,broker:2").unwrap(),
            connection: ConnectionOptions::default(),
        };
        Cluster::connect(options).await.map(|_| ()).unwrap_err()
    });
    assert!(error.is_retriable());
    let shown = error.to_string();
    assert!(shown.contains("broker:1:"), "{shown}");
    assert!(shown.contains("broker:2:"), "{shown}");
}

#[test]
fn a_position_that_is_gone_is_reset() {
    let broker = Broker::new(3, faults());
    with_broker(6, &broker, || async {
        send_numbers(&ProducerOptions::default(), 30).await
    });
    let records = with_broker(6, &broker, || async {
        let mut cluster = connect().await.unwrap();
        let mut consumer = Consumer::new(ConsumerOptions {
            reset: OffsetReset::Earliest,
        });
        let place = [(TOPIC.to_owned(), 0, StartAt::Offset(1_000_000))];
        consumer.assign(&mut cluster, &place).await.unwrap();
        let mut records = Vec::new();
        while records.len() < 10 {
            let wait = Duration::from_millis(10);
            records.extend(consumer.poll(&mut cluster, wait).await.unwrap());
        }
        assert_eq!(consumer.positions()[&(TOPIC.to_owned(), 0)], 10);
        records
    });
    assert_eq!(records[0].offset, 0);
}

/// What a member that joined and ends is told, and how long it takes.
fn close_of_a_member(faults: Faults) -> (Vec<ClientError>, Duration, usize) {
    let broker = Broker::new(1, faults);
    let (errors, took) = with_broker(7, &broker, || async {
        let mut cluster = connect().await.unwrap();
        let mut group = GroupMembership::new(GroupOptions::new("g", &[TOPIC.to_owned()]));
        let place = (TOPIC.to_owned(), 0);
        let joined = group.join(&mut cluster).await.unwrap();
        assert_eq!((joined.len(), joined.first()), (1, Some(&place)));
        let began = now();
        let errors = group
            .close(&mut cluster, &BTreeMap::from([(place, 5)]))
            .await;
        (errors, now().since(began))
    });
    let asked = broker.requests.borrow();
    let leaves = asked.iter().filter(|(key, _)| *key == ApiKey::LeaveGroup);
    (errors, took, leaves.count())
}

#[test]
fn a_member_whose_topic_was_deleted_leaves_at_once() {
    let (errors, took, leaves) = close_of_a_member(Faults {
        commit: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ..faults()
    });
    let codes: Vec<_> = errors.iter().map(ClientError::code).collect();
    assert_eq!(codes, [Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
    assert_eq!(leaves, 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_member_leaves_in_time_whatever_becomes_of_its_commit() {
    let refused = Faults {
        commit: ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ..faults()
    };
    let unanswered = Faults {
        silent: Some(ApiKey::OffsetCommit),
        ..faults()
    };
    for faults in [refused, unanswered] {
        let (errors, took, leaves) = close_of_a_member(faults);
        assert_eq!((errors.len(), leaves), (1, 1), "{errors:?}");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    let silent = Some(ApiKey::LeaveGroup);
    let (errors, took, _) = close_of_a_member(Faults { silent, ..faults() });
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_topic_that_is_gone_is_told_and_another_of_its_name_is_read_from_its_first_record() {
    let faults = faults();
    let topic_id = std::rc::Rc::clone(&faults.topic_id);
    let broker = Broker::new(3, faults);
    with_broker(8, &broker, || async {
        send_numbers(&ProducerOptions::default(), 30).await
    });
    with_broker(8, &broker, || async move {
        let mut cluster = connect().await.unwrap();
        let mut consumer = Consumer::new(ConsumerOptions::default());
        let place = [(TOPIC.to_owned(), 0, StartAt::Offset(10))];
        consumer.assign(&mut cluster, &place).await.unwrap();
        let wait = Duration::from_millis(10);
        assert!(consumer.poll(&mut cluster, wait).await.unwrap().is_empty());
        assert!(consumer.gone_topics().is_empty());
        topic_id.set(0);
        for _ in 0..2 {
            consumer.poll(&mut cluster, wait).await.unwrap();
        }
        assert!(consumer.gone_topics().contains(TOPIC));
        // The same topic after all: the broker had not learnt of it yet.
        topic_id.set(7);
        assert!(consumer.poll(&mut cluster, wait).await.unwrap().is_empty());
        assert!(consumer.gone_topics().is_empty());
        topic_id.set(8);
        consumer.poll(&mut cluster, wait).await.unwrap();
        let records = consumer.poll(&mut cluster, wait).await.unwrap();
        assert_eq!((records.len(), records[0].offset), (10, 0));
    });
}
