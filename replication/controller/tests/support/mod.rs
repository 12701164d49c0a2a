//! A controller of one node, as it stands after a first start.

#![allow(dead_code)] // every test file takes what it needs
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use engine_base::Uuid;
use replication_controller::command::{
    AlterPartition, CreateTopics, NewTopic, PartitionReport, RegisterBroker,
};
use replication_controller::{
    Answer, ApiError, Command, Controller, CreatedTopic, ErrorKind, Outcome, Settings,
};
use replication_metadata::features::registered;
use replication_metadata::format::bootstrap_records;
use replication_metadata::image::{Endpoint, PartitionImage};
use replication_metadata::{MetadataImage, MetadataVersion};

pub(crate) const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";

pub(crate) fn directory(broker_id: i32) -> Uuid {
    Uuid([0x40 + u8::try_from(broker_id).unwrap(); 16])
}

pub(crate) fn settings(broker: &[(&str, &str)]) -> Settings {
    let broker: BTreeMap<String, String> = broker
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings {
        node_id: 1,
        cluster_id: CLUSTER.to_owned(),
        broker,
    }
}

/// A controller that has activated on an empty log whose first three offsets hold control records.
pub(crate) fn activated(broker: &[(&str, &str)]) -> Controller {
    let mut controller = Controller::new(settings(broker), MetadataImage::default(), 3);
    let _ = controller.activate(None, &bootstrap_records(MetadataVersion::MAX));
    controller
}

pub(crate) fn registration(broker_id: i32, incarnation: u8) -> RegisterBroker {
    RegisterBroker {
        broker_id,
        cluster_id: CLUSTER.to_owned(),
        incarnation_id: Uuid([incarnation; 16]),
        endpoints: vec![Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: "localhost".to_owned(),
            port: 9092,
            security_protocol: 0,
        }],
        features: registered()
            .iter()
            .map(|f| (f.name.to_owned(), f.min, f.max))
            .collect(),
        rack: None,
        log_dirs: vec![directory(broker_id)],
        previous_broker_epoch: -1,
    }
}

/// Registers and unfences a broker, and returns its epoch.
pub(crate) fn start_broker(controller: &mut Controller, broker_id: i32) -> i64 {
    let command = Command::RegisterBroker(registration(broker_id, 1));
    let Answer::BrokerRegistered { broker_epoch } = controller.handle(&command).unwrap().answer
    else {
        panic!("another answer");
    };
    controller
        .handle(&Command::UnfenceBroker {
            broker_id,
            broker_epoch,
        })
        .unwrap();
    broker_epoch
}

/// A cluster with brokers 1 to `brokers` in service.
pub(crate) fn cluster(brokers: i32, broker: &[(&str, &str)]) -> Controller {
    let mut controller = activated(broker);
    for id in 1..=brokers {
        start_broker(&mut controller, id);
    }
    controller
}

pub(crate) fn new_topic(name: &str, partitions: i32, replication_factor: i16) -> NewTopic {
    let mut id = [7; 16];
    for (index, byte) in name.bytes().enumerate() {
        id[index % 16] ^= byte.rotate_left(u32::try_from(index % 8).unwrap());
    }
    NewTopic {
        name: name.to_owned(),
        id: Uuid(id),
        partitions,
        replication_factor,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

pub(crate) fn with_configs(mut topic: NewTopic, configs: &[(&str, &str)]) -> NewTopic {
    topic.configs = configs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect();
    topic
}

pub(crate) fn create(
    controller: &mut Controller,
    topic: NewTopic,
) -> (Outcome, Result<CreatedTopic, ApiError>) {
    let command = CreateTopics {
        topics: vec![topic],
        validate_only: false,
        random: 5,
    };
    let outcome = controller.handle(&Command::CreateTopics(command)).unwrap();
    let Answer::TopicsCreated(results) = &outcome.answer else {
        panic!("another answer")
    };
    assert_eq!(results.len(), 1);
    let result = results[0].1.clone();
    (outcome, result)
}

/// The kind and the sentence of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, ApiError>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (
        error.kind,
        error
            .message
            .map(|message| message.into_owned())
            .unwrap_or_default(),
    )
}

/// Partition 0 of topic `t`.
pub(crate) fn partition(controller: &Controller) -> PartitionImage {
    controller.image().topics().by_name("t").unwrap().partitions[0].clone()
}

pub(crate) fn register(controller: &mut Controller, command: RegisterBroker) -> (Outcome, i64) {
    let outcome = controller
        .handle(&Command::RegisterBroker(command))
        .unwrap();
    let Answer::BrokerRegistered { broker_epoch } = outcome.answer else {
        panic!("another answer");
    };
    (outcome, broker_epoch)
}

pub(crate) fn report_of(
    controller: &Controller,
    broker_epoch: i64,
    recovered: bool,
) -> AlterPartition {
    let topic = controller.image().topics().by_name("t").unwrap();
    let partition = &topic.partitions[0];
    AlterPartition {
        broker_id: partition.leader,
        broker_epoch,
        partitions: vec![PartitionReport {
            topic_id: topic.id,
            partition: 0,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: partition.isr.iter().map(|id| (*id, -1)).collect(),
            recovered,
        }],
    }
}
