//! Where partitions go: placed by the controller, or by the caller and judged as Apache Kafka
//! 4.4.0 does.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use replication_controller::command::{CreatePartitions, MorePartitions};
use replication_controller::{Answer, ApiError, Command, Controller, ErrorKind};
use support::{cluster, create, directory, new_topic, refusal};

#[test]
fn manual_assignments_are_judged_as_kafka_does() {
    let mut controller = cluster(2, &[]);
    let mut refused = |assignments: &[(i32, Vec<i32>)]| {
        let mut topic = new_topic("m1", -1, -1);
        topic.assignments = assignments.to_vec();
        refusal(create(&mut controller, topic).1).1
    };
    let prefix = "The manual partition assignment includes";
    assert_eq!(
        refused(&[(0, vec![1, 1])]),
        format!("{prefix} the broker 1 more than once.")
    );
    assert_eq!(
        refused(&[(0, vec![7])]),
        format!("{prefix} broker 7, but no such broker is registered.")
    );
    assert_eq!(
        refused(&[(0, vec![])]),
        format!("{prefix} an empty replica list.")
    );
    let sequence = "partitions should be a consecutive 0-based integer sequence";
    assert_eq!(refused(&[(1, vec![1])]), sequence);
    assert_eq!(refused(&[(-1, vec![1])]), sequence);
    assert_eq!(
        refused(&[(0, vec![1]), (0, vec![1])]),
        "Found multiple manual partition assignments for partition 0"
    );
    assert_eq!(
        refused(&[(0, vec![1]), (1, vec![1, 2])]),
        format!(
            "{prefix} a partition with 2 replica(s), but this is not consistent with previous \
             partitions, which have 1 replica(s)."
        )
    );
    let mut topic = new_topic("m1", -1, 1);
    topic.assignments = vec![(0, vec![1])];
    assert_eq!(
        refusal(create(&mut controller, topic.clone()).1).0,
        ErrorKind::InvalidRequest
    );
    topic.replication_factor = -1;
    topic.assignments = vec![(1, vec![2, 1]), (0, vec![1, 2])];
    let created = create(&mut controller, topic).1.unwrap();
    assert_eq!((created.partitions, created.replication_factor), (2, 2));
    let partitions = &controller
        .image()
        .topics()
        .by_name("m1")
        .unwrap()
        .partitions;
    assert_eq!((partitions[0].leader, partitions[1].leader), (1, 2));
    assert_eq!(partitions[1].directories, [directory(2), directory(1)]);
}

fn enlarge(
    controller: &mut Controller,
    name: &str,
    count: i32,
    assignments: Option<Vec<Vec<i32>>>,
) -> Result<(), ApiError> {
    let topics = vec![MorePartitions {
        name: name.to_owned(),
        count,
        assignments,
    }];
    let command = CreatePartitions {
        topics,
        validate_only: false,
        random: 0,
    };
    let outcome = controller
        .handle(&Command::CreatePartitions(command))
        .unwrap();
    let Answer::PartitionsCreated(results) = outcome.answer else {
        panic!("another answer")
    };
    results[0].1.clone()
}

#[test]
fn partitions_are_added_as_kafka_does() {
    let mut controller = cluster(1, &[]);
    create(&mut controller, new_topic("t1", 3, 1)).1.unwrap();
    enlarge(&mut controller, "t1", 5, None).unwrap();
    let mut refused =
        |count, assignments| refusal(enlarge(&mut controller, "t1", count, assignments));
    assert_eq!(
        refused(2, None),
        (
            ErrorKind::InvalidPartitions,
            "The topic t1 currently has 5 partition(s); 2 would not be an increase.".to_owned()
        )
    );
    assert_eq!(
        refused(5, None),
        (
            ErrorKind::InvalidPartitions,
            "Topic already has 5 partition(s).".to_owned()
        )
    );
    assert_eq!(
        refused(6, Some(vec![vec![1], vec![1]])).1,
        "Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified."
    );
    assert_eq!(
        refused(6, Some(vec![vec![1, 1]])).1,
        "The manual partition assignment includes the broker 1 more than once."
    );
    enlarge(&mut controller, "t1", 6, Some(vec![vec![1]])).unwrap();
    assert_eq!(
        controller
            .image()
            .topics()
            .by_name("t1")
            .unwrap()
            .partitions
            .len(),
        6
    );
    let absent = enlarge(&mut controller, "nope", 5, None).unwrap_err();
    assert_eq!(absent.kind, ErrorKind::UnknownTopicOrPartition);
}

#[test]
fn nothing_is_placed_on_brokers_out_of_service() {
    let mut controller = cluster(3, &[]);
    controller
        .handle(&Command::FenceBroker { broker_id: 1 })
        .unwrap();
    create(&mut controller, new_topic("t", 30, 3)).1.unwrap();
    let topic = controller.image().topics().by_name("t").unwrap().clone();
    for partition in &topic.partitions {
        let mut replicas = partition.replicas.clone();
        replicas.sort_unstable();
        assert_eq!(
            replicas,
            [1, 2, 3],
            "a fenced broker takes replicas when it must"
        );
        assert_ne!(partition.leader, 1);
        assert!(!partition.isr.contains(&1) && partition.isr.len() == 2);
    }
    for broker_id in [2, 3] {
        controller
            .handle(&Command::FenceBroker { broker_id })
            .unwrap();
    }
    let (kind, message) = refusal(create(&mut controller, new_topic("u", 1, 1)).1);
    assert_eq!(kind, ErrorKind::InvalidReplicationFactor);
    assert_eq!(
        message,
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have \
         all their log directories cordoned."
    );
}

#[test]
fn defaults_come_from_the_brokers_configuration() {
    let mut controller = cluster(
        2,
        &[("num.partitions", "4"), ("default.replication.factor", "2")],
    );
    let created = create(&mut controller, new_topic("def", -1, -1)).1.unwrap();
    assert_eq!((created.partitions, created.replication_factor), (4, 2));
    let topic = controller.image().topics().by_name("def").unwrap();
    let leaders: Vec<i32> = topic
        .partitions
        .iter()
        .map(|partition| partition.leader)
        .collect();
    assert_eq!(
        leaders.iter().filter(|leader| **leader == 1).count(),
        2,
        "{leaders:?}"
    );
    assert!(
        topic
            .partitions
            .iter()
            .all(|partition| partition.isr.len() == 2)
    );
}
