//! Who leads when brokers come and go, report and ask.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use engine_base::Uuid;
use replication_controller::command::{
    AlterPartition, ElectLeaders, ElectionType, PartitionReport, RegisterBroker,
};
use replication_controller::{Answer, ApiError, Command, Controller, ErrorKind};
use replication_metadata::image::{LeaderRecoveryState, PartitionImage};
use support::{
    cluster, create, new_topic, partition, refusal, register, registration, report_of, with_configs,
};

/// Three brokers and a topic `t` on all of them, led by the first of its replicas.
fn three(configs: &[(&str, &str)]) -> Controller {
    let mut controller = cluster(3, &[]);
    let mut topic = with_configs(new_topic("t", -1, -1), configs);
    topic.assignments = vec![(0, vec![1, 2, 3])];
    create(&mut controller, topic).1.unwrap();
    controller
}

#[test]
fn leadership_moves_to_who_is_in_sync() {
    let mut controller = three(&[]);
    controller
        .handle(&Command::FenceBroker { broker_id: 1 })
        .unwrap();
    let after = partition(&controller);
    assert_eq!((after.leader, after.isr.clone()), (2, vec![2, 3]));
    assert_eq!((after.leader_epoch, after.partition_epoch), (1, 1));
    assert!(
        after.eligible_leader_replicas.is_empty(),
        "min.insync.replicas is met"
    );

    let epoch = controller.image().cluster().broker(2).unwrap().epoch;
    let shutdown = Command::ControlledShutdown {
        broker_id: 2,
        broker_epoch: epoch,
    };
    controller.handle(&shutdown).unwrap();
    let after = partition(&controller);
    assert_eq!((after.leader, after.isr), (3, vec![3]));
    assert!(!controller.image().cluster().is_active(2));
}

#[test]
fn who_left_below_the_bound_stays_eligible_unless_it_may_have_lost_records() {
    let mut controller = three(&[("min.insync.replicas", "2")]);
    for broker_id in [1, 2] {
        controller
            .handle(&Command::FenceBroker { broker_id })
            .unwrap();
    }
    assert_eq!(partition(&controller).eligible_leader_replicas, [2]);
    controller
        .handle(&Command::FenceBroker { broker_id: 3 })
        .unwrap();
    let after = partition(&controller);
    assert_eq!((after.leader, after.isr.len()), (-1, 0));
    assert_eq!(after.eligible_leader_replicas, [2, 3]);
    assert_eq!(after.last_known_elr, [3]);

    // 1 was neither in sync nor eligible: it must not lead.
    let (_, epoch) = register(&mut controller, registration(1, 2));
    controller
        .handle(&Command::UnfenceBroker {
            broker_id: 1,
            broker_epoch: epoch,
        })
        .unwrap();
    assert_eq!(partition(&controller).leader, -1);

    // 3 comes back from a crash: it is no longer eligible. 2 comes back whole, and leads.
    register(&mut controller, registration(3, 2));
    assert_eq!(partition(&controller).eligible_leader_replicas, [2]);
    let previous_broker_epoch = controller.image().cluster().broker(2).unwrap().epoch;
    let command = RegisterBroker {
        previous_broker_epoch,
        ..registration(2, 2)
    };
    let (_, epoch) = register(&mut controller, command);
    controller
        .handle(&Command::UnfenceBroker {
            broker_id: 2,
            broker_epoch: epoch,
        })
        .unwrap();
    let after = partition(&controller);
    assert_eq!((after.leader, after.isr), (2, vec![2]));
    assert_eq!(after.leader_recovery_state, LeaderRecoveryState::Recovered);
    assert!(after.last_known_elr.is_empty());
}

fn altered(
    controller: &mut Controller,
    edit: impl Fn(&mut AlterPartition),
) -> Result<PartitionImage, ApiError> {
    let epoch = controller.image().cluster().broker(1).unwrap().epoch;
    let mut report = report_of(controller, epoch, true);
    edit(&mut report);
    let outcome = controller.handle(&Command::AlterPartition(report)).unwrap();
    let Answer::PartitionsAltered(mut results) = outcome.answer else {
        panic!("another answer")
    };
    results.remove(0).2
}

#[test]
fn a_leaders_report_is_judged_as_kafka_does() {
    let mut controller = three(&[]);
    let mut kind = |edit: &dyn Fn(&mut PartitionReport)| {
        altered(&mut controller, |report| edit(&mut report.partitions[0]))
            .unwrap_err()
            .kind
    };
    assert_eq!(kind(&|p| p.leader_epoch += 1), ErrorKind::NotController);
    assert_eq!(kind(&|p| p.partition_epoch += 1), ErrorKind::NotController);
    assert_eq!(kind(&|p| p.leader_epoch -= 1), ErrorKind::FencedLeaderEpoch);
    assert_eq!(
        kind(&|p| p.partition_epoch -= 1),
        ErrorKind::InvalidUpdateVersion
    );
    assert_eq!(kind(&|p| p.isr = vec![(2, -1)]), ErrorKind::InvalidRequest);
    assert_eq!(
        kind(&|p| p.isr = vec![(1, -1), (9, -1)]),
        ErrorKind::InvalidRequest
    );
    assert_eq!(
        kind(&|p| p.isr = vec![(1, -1), (1, -1)]),
        ErrorKind::InvalidRequest
    );
    assert_eq!(kind(&|p| p.recovered = false), ErrorKind::InvalidRequest);
    assert_eq!(
        kind(&|p| p.isr = vec![(1, -1), (2, 0)]),
        ErrorKind::IneligibleReplica
    );
    assert_eq!(
        kind(&|p| p.partition = 5),
        ErrorKind::UnknownTopicOrPartition
    );
    assert_eq!(
        kind(&|p| p.topic_id = Uuid([3; 16])),
        ErrorKind::UnknownTopicId
    );

    let shrunk = altered(&mut controller, |report| {
        report.partitions[0].isr = vec![(1, -1), (3, -1)];
    });
    let shrunk = shrunk.unwrap();
    assert_eq!(
        (shrunk.isr, shrunk.leader_epoch, shrunk.partition_epoch),
        (vec![1, 3], 0, 1)
    );
    controller
        .handle(&Command::FenceBroker { broker_id: 2 })
        .unwrap();
    let widened = altered(&mut controller, |report| {
        report.partitions[0].isr = vec![(1, -1), (2, -1), (3, -1)];
    });
    assert_eq!(widened.unwrap_err().kind, ErrorKind::IneligibleReplica);
}

#[test]
fn leaders_are_elected_by_request() {
    let mut controller = three(&[]);
    controller
        .handle(&Command::FenceBroker { broker_id: 1 })
        .unwrap();
    let elect = |controller: &mut Controller, election, partitions| {
        let command = Command::ElectLeaders(ElectLeaders {
            election,
            partitions,
        });
        let outcome = controller.handle(&command).unwrap();
        let Answer::LeadersElected(results) = outcome.answer else {
            panic!("another answer")
        };
        results
    };
    let one = || Some(vec![("t".to_owned(), vec![0]), ("u".to_owned(), vec![0])]);
    let results = elect(&mut controller, ElectionType::Preferred, one());
    let kind = |result: &Result<(), ApiError>| result.clone().unwrap_err().kind;
    assert_eq!(
        kind(&results[0].1[0].1),
        ErrorKind::PreferredLeaderNotAvailable
    );
    assert_eq!(refusal(results[1].1[0].1.clone()).1, "No such topic as u");

    let epoch = start_again(&mut controller, 1);
    altered_by(&mut controller, 2, vec![(2, -1), (3, -1), (1, epoch)]);
    let results = elect(&mut controller, ElectionType::Preferred, None);
    assert_eq!(results, [("t".to_owned(), vec![(0, Ok(()))])]);
    assert_eq!(partition(&controller).leader, 1);
    let results = elect(&mut controller, ElectionType::Preferred, None);
    assert_eq!(
        results,
        [("t".to_owned(), vec![])],
        "those that need none are not reported"
    );
    let results = elect(&mut controller, ElectionType::Unclean, one());
    assert_eq!(kind(&results[0].1[0].1), ErrorKind::ElectionNotNeeded);
}

fn start_again(controller: &mut Controller, broker_id: i32) -> i64 {
    let (_, epoch) = register(controller, registration(broker_id, 9));
    controller
        .handle(&Command::UnfenceBroker {
            broker_id,
            broker_epoch: epoch,
        })
        .unwrap();
    epoch
}

fn altered_by(controller: &mut Controller, broker_id: i32, isr: Vec<(i32, i64)>) {
    let epoch = controller
        .image()
        .cluster()
        .broker(broker_id)
        .unwrap()
        .epoch;
    let mut report = report_of(controller, epoch, true);
    report.partitions[0].isr = isr;
    let outcome = controller.handle(&Command::AlterPartition(report)).unwrap();
    let Answer::PartitionsAltered(results) = outcome.answer else {
        panic!("another answer")
    };
    results[0].2.clone().unwrap();
}

#[test]
fn a_broker_that_unregisters_leaves_no_trace_in_sync_sets() {
    let mut controller = three(&[]);
    controller
        .handle(&Command::UnregisterBroker { broker_id: 3 })
        .unwrap();
    assert_eq!(partition(&controller).isr, [1, 2]);
    assert!(controller.image().cluster().broker(3).is_none());
    let refused = refusal(controller.handle(&Command::UnregisterBroker { broker_id: 3 }));
    let message = "Broker ID 3 is not currently registered".to_owned();
    assert_eq!(refused, (ErrorKind::BrokerIdNotRegistered, message));
}
