//! Brokers come and go: records as those of a node of Apache Kafka 4.4.0 that was started,
//! stopped, started, killed and started again.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use engine_base::Uuid;
use replication_controller::command::RegisterBroker;
use replication_controller::{Answer, Command, Controller, ErrorKind, Outcome};
use replication_metadata::image::LeaderRecoveryState;
use replication_metadata::{MetadataImage, MetadataVersion, Record};
use support::{
    activated, create, directory, new_topic, partition, refusal, register, registration, report_of,
    settings, start_broker,
};

const TOPIC: &str = "0a996fda3854403e95172a1032d4dd3e";

fn hex(record: &Record<'static>) -> String {
    let bytes = record.to_bytes(MetadataVersion::MAX).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hexes(outcome: &Outcome) -> Vec<String> {
    outcome.records.iter().map(hex).collect()
}

/// One node with one topic of one partition, whose id is that of the reference.
fn node() -> (Controller, i64) {
    let mut controller = activated(&[]);
    let epoch = start_broker(&mut controller, 1);
    let mut topic = new_topic("t", 1, 1);
    topic.id = Uuid(std::array::from_fn(|i| {
        u8::from_str_radix(&TOPIC[2 * i..2 * i + 2], 16).unwrap()
    }));
    create(&mut controller, topic).1.unwrap();
    (controller, epoch)
}

/// The change of partition 0: the tagged fields that follow.
fn change(fields: &str) -> String {
    format!("01050200000000{TOPIC}{fields}")
}

#[test]
fn a_first_start_is_kafkas() {
    let mut controller = Controller::new(settings(&[]), MetadataImage::default(), 3);
    let bootstrap = replication_metadata::format::bootstrap_records(MetadataVersion::MAX);
    let outcome = controller.activate(None, &bootstrap);
    let expected = [
        "01170001001212426f6f747374726170207265636f726473",
        "010c00116d657461646174612e76657273696f6e002100",
        "010c0021656c696769626c652e6c65616465722e7265706c696361732e76657273696f6e000100",
        "010c000e67726f75702e76657273696f6e000100",
        "010c000e73686172652e76657273696f6e000200",
        "010c001073747265616d732e76657273696f6e000100",
        "010c00147472616e73616374696f6e2e76657273696f6e000200",
        "0104000401146d696e2e696e73796e632e7265706c69636173023100",
        "01180000",
    ];
    assert_eq!(hexes(&outcome), expected);
    assert_eq!((outcome.base_offset, outcome.atomic), (3, true));

    let (outcome, epoch) = register(&mut controller, registration(1, 1));
    assert_eq!(
        (outcome.records.len(), outcome.base_offset, epoch),
        (1, 12, 12)
    );
    let broker = controller.image().cluster().broker(1).unwrap();
    assert!(broker.fenced && broker.epoch == 12);
    let outcome = controller
        .handle(&Command::UnfenceBroker {
            broker_id: 1,
            broker_epoch: 12,
        })
        .unwrap();
    assert_eq!(hexes(&outcome), ["01110000000001000000000000000c010001ff"]);
    assert!(controller.image().cluster().is_active(1));
}

#[test]
fn a_second_activation_writes_nothing_but_the_end_of_an_open_transaction() {
    let (controller, _) = node();
    let image = controller.image().clone();
    let mut next = Controller::new(settings(&[]), image, controller.next_offset() + 1);
    assert!(next.activate(None, &[]).records.is_empty());
    let outcome = next.activate(Some(40), &[]);
    assert_eq!(
        hexes(&outcome),
        ["01190001001414436f6e74726f6c6c6572206661696c6f766572"]
    );
}

#[test]
fn a_clean_restart_is_kafkas() {
    let (mut controller, epoch) = node();
    let outcome = controller
        .handle(&Command::FenceBroker { broker_id: 1 })
        .unwrap();
    let leaderless = change("040001010104ffffffff0605020000000107050200000001");
    let fenced = format!("011100000000010000000000000{epoch:03x}01000101");
    assert_eq!(hexes(&outcome), [leaderless, fenced]);
    // Stopping twice says nothing twice.
    let again = controller
        .handle(&Command::FenceBroker { broker_id: 1 })
        .unwrap();
    assert!(again.records.is_empty());

    let command = RegisterBroker {
        previous_broker_epoch: epoch,
        ..registration(1, 2)
    };
    let (outcome, epoch) = register(&mut controller, command);
    assert_eq!(
        outcome.records.len(),
        1,
        "the partition has lost its leader before"
    );
    let unfence = Command::UnfenceBroker {
        broker_id: 1,
        broker_epoch: epoch,
    };
    let outcome = controller.handle(&unfence).unwrap();
    let unfenced = format!("011100000000010000000000000{epoch:03x}010001ff");
    let elected = change("0400050200000001010400000001060101070101");
    assert_eq!(hexes(&outcome), [unfenced, elected]);
    let partition = partition(&controller);
    assert_eq!((partition.leader, partition.leader_epoch), (1, 2));
    assert_eq!(
        partition.leader_recovery_state,
        LeaderRecoveryState::Recovered
    );
    assert!(controller.handle(&unfence).unwrap().records.is_empty());
}

#[test]
fn a_restart_after_kill_is_kafkas() {
    let (mut controller, _) = node();
    // Kafka's controller fences the silent broker first.
    controller
        .handle(&Command::FenceBroker { broker_id: 1 })
        .unwrap();
    let (outcome, epoch) = register(&mut controller, registration(1, 2));
    assert_eq!(hexes(&outcome)[0], change("01060101"));
    assert_eq!(
        epoch, outcome.base_offset,
        "the epoch is the offset of the first record"
    );
    let outcome = controller
        .handle(&Command::UnfenceBroker {
            broker_id: 1,
            broker_epoch: epoch,
        })
        .unwrap();
    assert_eq!(
        hexes(&outcome)[1],
        change("0400050200000001010400000001050101070101")
    );
    assert_eq!(
        partition(&controller).leader_recovery_state,
        LeaderRecoveryState::Recovering
    );

    // The leader reports that it has recovered.
    let report = report_of(&controller, epoch, true);
    let outcome = controller.handle(&Command::AlterPartition(report)).unwrap();
    assert_eq!(hexes(&outcome), [change("01050100")]);
    assert_eq!(
        partition(&controller).leader_recovery_state,
        LeaderRecoveryState::Recovered
    );
}

#[test]
fn a_crash_whose_log_is_proved_whole_restarts_as_a_clean_stop() {
    let (mut controller, epoch) = node();
    let command = RegisterBroker {
        previous_broker_epoch: epoch,
        ..registration(1, 2)
    };
    let (outcome, epoch) = register(&mut controller, command);
    assert_eq!(outcome.records.len(), 2);
    assert_eq!(partition(&controller).eligible_leader_replicas, [1]);
    controller
        .handle(&Command::UnfenceBroker {
            broker_id: 1,
            broker_epoch: epoch,
        })
        .unwrap();
    let partition = partition(&controller);
    assert_eq!((partition.leader, partition.isr), (1, vec![1]));
    assert_eq!(
        partition.leader_recovery_state,
        LeaderRecoveryState::Recovered
    );
    assert_eq!(partition.leader_epoch, 2, "two changes of leadership");
}

#[test]
fn registrations_are_judged_as_kafka_does() {
    let (mut controller, _) = node();
    let mut refused = |command| refusal(controller.handle(&Command::RegisterBroker(command)));
    let other = RegisterBroker {
        cluster_id: "other".to_owned(),
        ..registration(2, 1)
    };
    let message = format!(
        "Expected cluster ID {}, but got cluster ID other",
        support::CLUSTER
    );
    assert_eq!(refused(other), (ErrorKind::InconsistentClusterId, message));
    let invalid = |message: &str| (ErrorKind::InvalidRegistration, message.to_owned());
    let dirs = |log_dirs| RegisterBroker {
        log_dirs,
        ..registration(2, 1)
    };
    assert_eq!(
        refused(dirs(vec![])),
        invalid("No directories specified in request")
    );
    assert_eq!(
        refused(dirs(vec![Uuid::ZERO])),
        invalid("Reserved directory ID in request")
    );
    let twice = vec![directory(2), directory(2)];
    assert_eq!(
        refused(dirs(twice)),
        invalid("Duplicate directory ID in request")
    );
    let taken = format!(
        "Broker 1 is already registered with directory {}",
        directory(1)
    );
    assert_eq!(refused(dirs(vec![directory(1)])), invalid(&taken));

    let mut features = registration(2, 1);
    features
        .features
        .retain(|(name, ..)| name != "metadata.version");
    assert_eq!(
        refused(features),
        invalid("Request features do not contain 'metadata.version'")
    );
    let mut features = registration(2, 1);
    features
        .features
        .retain(|(name, ..)| name != "share.version");
    let message = "Unable to register because the broker does not support finalized version 2 of \
                   share.version. The broker wants a version between 0 and 0, inclusive.";
    assert_eq!(
        refused(features),
        (ErrorKind::UnsupportedVersion, message.to_owned())
    );
}

#[test]
fn the_same_incarnation_keeps_its_epoch() {
    let (mut controller, epoch) = node();
    let (outcome, again) = register(&mut controller, registration(1, 1));
    assert_eq!((outcome.records.len(), again), (1, epoch));
    assert!(
        controller.image().cluster().is_active(1),
        "it stays in service"
    );
    assert_eq!(partition(&controller).leader, 1);
}

#[test]
fn an_earlier_incarnation_is_refused() {
    let (mut controller, epoch) = node();
    let stale = epoch - 1;
    let message = format!("Expected broker epoch {epoch}, but got broker epoch {stale}");
    for command in [
        Command::UnfenceBroker {
            broker_id: 1,
            broker_epoch: stale,
        },
        Command::ControlledShutdown {
            broker_id: 1,
            broker_epoch: stale,
        },
        Command::AllocateProducerIds {
            broker_id: 1,
            broker_epoch: stale,
        },
    ] {
        let refused = refusal(controller.handle(&command));
        assert_eq!(refused, (ErrorKind::StaleBrokerEpoch, message.clone()));
    }
}

#[test]
fn producer_ids_come_in_blocks() {
    let (mut controller, broker_epoch) = node();
    let mut allocate = || {
        let command = Command::AllocateProducerIds {
            broker_id: 1,
            broker_epoch,
        };
        let outcome = controller.handle(&command).unwrap();
        assert_eq!(outcome.records.len(), 1);
        let Answer::ProducerIds { first, count } = outcome.answer else {
            panic!("another answer")
        };
        (first, count)
    };
    assert_eq!([allocate(), allocate()], [(0, 1000), (1000, 1000)]);
    assert_eq!(controller.image().next_producer_id(), Some(2000));
}
