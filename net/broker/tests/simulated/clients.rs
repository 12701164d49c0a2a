//! Clients that write, read and commit, whatever happens to the broker, and tell the oracle.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{random_u64, sleep, wall_clock_ms};
use net_client::{
    Acks, Admin, ClientError, Cluster, ClusterOptions, ConnectionOptions, Consumer,
    ConsumerOptions, Delivery, GroupEvent, GroupMembership, GroupOptions, HostPort, NewTopic,
    OffsetReset, Producer, ProducerOptions, ProducerRecord, StartAt,
};
use net_wire::ErrorCode;

use crate::oracle::{Held, Name, Oracle};
use crate::stage::PORT;

pub(crate) const TOPIC: &str = "events";
pub(crate) const GROUP: &str = "readers";
pub(crate) const PARTITIONS: i32 = 4;

/// How long a poll waits for records.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// A broker that is down for longer than all these tries is a finding.
const TRIES_MAX: u32 = 500;
/// Small, so that a batch fits the smallest segments.
const BATCH_SIZE_BYTES: usize = 20_000;
/// How old producers say that their records are: what is younger got its time from the broker.
const AGE_MS: i64 = 3_600_000;

pub(crate) async fn connect() -> Result<Cluster, ClientError> {
    let bootstrap = vec![HostPort {
        host: "broker".to_owned(),
        port: PORT,
    }];
    let connection = ConnectionOptions::default();
    Cluster::connect(ClusterOptions {
        bootstrap,
        connection,
    })
    .await
}

/// Connects although the broker may be down at first.
pub(crate) async fn connect_at_last() -> Cluster {
    for _ in 0..TRIES_MAX {
        match connect().await {
            Ok(cluster) => return cluster,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
        sleep(POLL_WAIT).await;
    }
    panic!("no connection in {TRIES_MAX} tries");
}

pub(crate) async fn producer_at_last(options: &ProducerOptions) -> Producer {
    for _ in 0..TRIES_MAX {
        match Producer::new(connect_at_last().await, options.clone()).await {
            Ok(producer) => return producer,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
    panic!("no producer in {TRIES_MAX} tries");
}

fn below(bound: u64) -> u64 {
    random_u64() % bound
}

/// Mostly small records, sometimes one that is written to its segment at once.
fn value_size() -> usize {
    match below(40) {
        0 => 10_000 + below(60_000) as usize,
        1..=4 => 1_000 + below(5_000) as usize,
        _ => 8 + below(100) as usize,
    }
}

/// Records under way, in order for each partition.
type Pending = BTreeMap<i32, VecDeque<Name>>;

fn note_deliveries(oracle: &Oracle, pending: &mut Pending, deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        let waiting = pending.get_mut(&delivery.partition).unwrap();
        for (offset, name) in (delivery.base_offset..).zip(waiting.drain(..delivery.record_count)) {
            oracle.on_acked(delivery.partition, offset, name);
        }
    }
}

/// Writes with idempotence and acks=all until the run is over.
pub(crate) async fn write(oracle: Rc<Oracle>) {
    let writer = oracle.new_writer();
    let options = ProducerOptions {
        batch_size_bytes: BATCH_SIZE_BYTES,
        ..ProducerOptions::default()
    };
    let mut producer = producer_at_last(&options).await;
    let mut number = 0;
    while !oracle.is_over.get() {
        let mut pending = Pending::new();
        for _ in 0..=below(8) {
            number += 1;
            let name = Name { writer, number };
            let partition = below(PARTITIONS as u64) as i32;
            let value = name.value(value_size());
            let record = ProducerRecord {
                topic: TOPIC,
                partition: Some(partition),
                value: Some(&value),
                timestamp: Some(wall_clock_ms() - AGE_MS),
                ..ProducerRecord::default()
            };
            let sent = producer.send(record).await.unwrap();
            note_deliveries(&oracle, &mut pending, sent);
            pending.entry(partition).or_default().push_back(name);
        }
        let sent = producer.flush().await.unwrap();
        note_deliveries(&oracle, &mut pending, sent);
        assert!(pending.values().all(VecDeque::is_empty));
        sleep(Duration::from_millis(below(60))).await;
    }
}

pub(crate) fn all_partitions(start: StartAt) -> Vec<(String, i32, StartAt)> {
    (0..PARTITIONS)
        .map(|partition| (TOPIC.to_owned(), partition, start))
        .collect()
}

/// Reads all partitions as they grow until the run is over; no record may be left out, unless
/// retention took it.
pub(crate) async fn read(oracle: Rc<Oracle>) {
    let mut cluster = connect_at_last().await;
    let mut consumer = Consumer::new(ConsumerOptions {
        reset: OffsetReset::Earliest,
    });
    let start = all_partitions(StartAt::Offset(0));
    consumer.assign(&mut cluster, &start).await.unwrap();
    let mut ends = BTreeMap::new();
    while !oracle.is_over.get() {
        for record in consumer.poll(&mut cluster, POLL_WAIT).await.unwrap() {
            let end = ends.entry(record.partition).or_insert(0);
            let is_next = record.offset == *end;
            let is_jump = oracle.removes.get() && record.offset > *end;
            assert!(is_next || is_jump, "{record:?} where {end} is next");
            *end = record.offset + 1;
            oracle.on_seen(&record);
        }
    }
}

/// Reads in a group and commits what was read, until the run is over.
pub(crate) async fn read_in_group(oracle: Rc<Oracle>) {
    let mut cluster = connect_at_last().await;
    let options = GroupOptions {
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        ..GroupOptions::new(GROUP, &[TOPIC.to_owned()])
    };
    let mut member = GroupMembership::new(options);
    while !oracle.is_over.get() {
        match read_as_member(&oracle, &mut cluster, &mut member).await {
            Ok(()) => {}
            // The group went on without this member, or the broker is down for long: join again.
            Err(error) => assert!(error.code().is_some() || error.is_retriable(), "{error}"),
        }
    }
}

/// One membership, from joining to the next rebalance.
async fn read_as_member(
    oracle: &Oracle,
    cluster: &mut Cluster,
    member: &mut GroupMembership,
) -> Result<(), ClientError> {
    let mine = member.join(cluster).await?;
    let expected = oracle.committed();
    let committed = member.committed(cluster, &mine).await?;
    let mut consumer = Consumer::new(ConsumerOptions {
        reset: OffsetReset::Earliest,
    });
    let mut starts = Vec::new();
    for place in &mine {
        let found = committed.get(place).copied().unwrap_or(0);
        let least = expected.get(&place.1).copied().unwrap_or(0);
        assert!(
            found >= least,
            "{place:?}: {least} was committed, {found} is told"
        );
        starts.push((place.0.clone(), place.1, StartAt::Offset(found)));
    }
    consumer.assign(cluster, &starts).await?;
    while !oracle.is_over.get() {
        let records = consumer.poll(cluster, POLL_WAIT).await?;
        records.iter().for_each(|record| oracle.on_seen(record));
        if !records.is_empty() {
            let positions = consumer.positions();
            member.commit(cluster, &positions).await?;
            for ((_, partition), offset) in positions {
                oracle.on_committed(partition, offset);
            }
        }
        if member.heartbeat(cluster).await? != GroupEvent::Stable {
            return Ok(());
        }
    }
    Ok(())
}

/// Creates topics and deletes some of them again, until the run is over.
pub(crate) async fn administer(oracle: Rc<Oracle>) {
    let mut number = 0;
    while !oracle.is_over.get() {
        number += 1;
        let name = format!("made-{number}");
        let topic = NewTopic {
            name: name.clone(),
            partitions: Some(1 + below(3) as i32),
            ..NewTopic::default()
        };
        // Where the answer was lost, the next try finds it done.
        let again = ErrorCode::TOPIC_ALREADY_EXISTS;
        at_last(again, async |admin| admin.create_topic(&topic).await).await;
        oracle.on_topic(&name, true);
        if below(3) == 0 {
            oracle.on_topic_unsure(&name);
            let again = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            at_last(again, async |admin| admin.delete_topic(&name).await).await;
            oracle.on_topic(&name, false);
        }
        sleep(Duration::from_millis(below(100))).await;
    }
}

/// Asks until the broker has done it; `done` is its answer where it had done it before.
async fn at_last(done: ErrorCode, mut ask: impl AsyncFnMut(&mut Admin) -> Result<(), ClientError>) {
    for _ in 0..TRIES_MAX {
        let mut admin = Admin::new(connect_at_last().await);
        match ask(&mut admin).await {
            Ok(()) => return,
            Err(error) if error.code() == Some(done) => return,
            Err(error) => assert!(error.is_retriable(), "{error}"),
        }
    }
    panic!("not done in {TRIES_MAX} tries");
}

/// The names of all topics.
pub(crate) async fn topic_names() -> Vec<String> {
    let mut admin = Admin::new(connect_at_last().await);
    let topics = admin.topics().await.unwrap();
    topics.into_iter().map(|topic| topic.name).collect()
}

/// Everything that the topic holds now.
pub(crate) async fn read_everything() -> Held {
    let mut admin = Admin::new(connect_at_last().await);
    let mut held = Held::default();
    for partition in 0..PARTITIONS {
        let offsets = admin.partition_offsets(TOPIC, partition).await.unwrap();
        held.starts.insert(partition, offsets.earliest);
        held.ends.insert(partition, offsets.latest);
    }
    let mut consumer = Consumer::new(ConsumerOptions {
        reset: OffsetReset::Earliest,
    });
    let cluster = admin.cluster();
    let starts: Vec<_> = held
        .starts
        .iter()
        .map(|(&partition, &start)| (TOPIC.to_owned(), partition, StartAt::Offset(start)))
        .collect();
    consumer.assign(cluster, &starts).await.unwrap();
    let mut positions = held.starts.clone();
    while positions != held.ends {
        for record in consumer.poll(cluster, POLL_WAIT).await.unwrap() {
            let position = positions.get_mut(&record.partition).unwrap();
            if record.offset != *position {
                // Retention was faster than this reader.
                assert!(record.offset > *position);
                held.records.retain(|one| one.partition != record.partition);
                held.starts.insert(record.partition, record.offset);
            }
            *position = record.offset + 1;
            held.records.push(record);
        }
    }
    held
}

/// What the group has committed for each partition.
pub(crate) async fn committed_offsets() -> BTreeMap<i32, i64> {
    let mut admin = Admin::new(connect_at_last().await);
    let group = admin.describe_group(GROUP).await.unwrap();
    let offsets = admin.group_offsets(&group).await.unwrap();
    let known = offsets.iter();
    known
        .filter_map(|offset| Some((offset.partition, offset.committed?)))
        .collect()
}

/// Writes `count` records with any acks; what was acknowledged is told to the oracle.
pub(crate) async fn write_some(oracle: Rc<Oracle>, acks: Acks, count: u32) {
    let writer = oracle.new_writer();
    let options = ProducerOptions {
        acks,
        ..ProducerOptions::default()
    };
    let mut producer = producer_at_last(&options).await;
    for number in 1..=count {
        let name = Name { writer, number };
        let partition = number as i32 % PARTITIONS;
        let value = name.value(value_size());
        let record = ProducerRecord {
            topic: TOPIC,
            partition: Some(partition),
            value: Some(&value),
            timestamp: Some(wall_clock_ms() - AGE_MS),
            ..ProducerRecord::default()
        };
        assert!(producer.send(record).await.unwrap().is_empty());
        for delivery in producer.flush().await.unwrap() {
            assert_eq!(delivery.partition, partition);
            match acks {
                Acks::None => assert_eq!(delivery.base_offset, -1),
                _ => oracle.on_acked(partition, delivery.base_offset, name),
            }
        }
    }
}
