//! Images, made as they come to be: by records.

use engine_base::Uuid;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use replication_metadata::image::Provenance;
use replication_metadata::record::{
    AccessControlEntry, ClientQuota, Config, DelegationToken, FeatureLevel, NodeEndpoint,
    NodeFeature, Partition, PartitionChange, ProducerIds, QuotaEntity, RegisterBroker,
    RegisterController, RemoveTopic, Topic, UnfenceBroker, UserScramCredential,
};
use replication_metadata::{MetadataDelta, MetadataImage, MetadataVersion, Record};

type Records = Vec<Record<'static>>;

/// The image that these records build, up to some offset.
pub(crate) fn image_of(records: &[Record<'static>]) -> MetadataImage {
    let provenance = Provenance {
        offset: 77_000,
        epoch: 5,
        timestamp: 1_600_000_000_000,
    };
    built(records, provenance)
}

fn built(records: &[Record<'static>], provenance: Provenance) -> MetadataImage {
    let mut delta = MetadataDelta::new(&MetadataImage::default());
    for record in records {
        delta.apply(record).unwrap();
    }
    delta.finish(provenance).0
}

pub(crate) fn metadata_version() -> Record<'static> {
    feature(MetadataVersion::FEATURE_NAME, MetadataVersion::MAX.level())
}

fn feature(name: &str, feature_level: i16) -> Record<'static> {
    let name = name.to_owned().into();
    FeatureLevel {
        name,
        feature_level,
    }
    .into()
}

fn config(resource_type: i8, resource: &str, name: &str, value: &str) -> Record<'static> {
    Config {
        resource_type,
        resource_name: resource.to_owned().into(),
        name: name.to_owned().into(),
        value: Some(value.to_owned().into()),
    }
    .into()
}

/// A topic with an id made from a number, and its partitions.
pub(crate) fn topic(name: &str, number: u32, partitions: i32) -> Records {
    let mut topic_id = Uuid([9; 16]);
    topic_id.0[12..].copy_from_slice(&number.to_be_bytes());
    let name = name.to_owned().into();
    let mut records = vec![Topic { name, topic_id }.into()];
    records.extend((0..partitions).map(|partition_id| {
        Record::from(Partition {
            partition_id,
            topic_id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            leader_epoch: 3,
            partition_epoch: 4,
            directories: vec![Uuid([7; 16])],
            ..Partition::default()
        })
    }));
    records
}

/// At least one record of each kind that a snapshot may hold.
pub(crate) fn one_of_each() -> Records {
    let mut records = topic("a", 1, 2);
    records.extend([
        metadata_version(),
        feature("group.version", 1),
        broker(1, 20, "one", Vec::new()),
        controller(1, "localhost"),
        config(2, "a", "retention.ms", "7"),
        quota(vec![("user", None)], "producer_byte_rate", 10.5),
        producer_ids(1000),
        acl(Uuid([1; 16]), "User:alice", 3),
        scram("alice", 1, vec![1, 2, 3]),
        token("t", "alice"),
    ]);
    records
}

fn broker(id: i32, epoch: i64, host: &str, log_dirs: Vec<Uuid>) -> Record<'static> {
    RegisterBroker {
        broker_id: id,
        broker_epoch: epoch,
        incarnation_id: Uuid([id as u8; 16]),
        end_points: vec![NodeEndpoint {
            name: "PLAINTEXT".into(),
            host: host.to_owned().into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: vec![NodeFeature {
            name: "group.version".into(),
            min_supported_version: 0,
            max_supported_version: 1,
        }],
        rack: (id % 2 == 0).then(|| "rack".into()),
        in_controlled_shutdown: id % 3 == 0,
        cordoned_log_dirs: (id % 4 == 0).then(|| log_dirs.clone()),
        log_dirs,
        ..RegisterBroker::default()
    }
    .into()
}

fn controller(controller_id: i32, host: &str) -> Record<'static> {
    RegisterController {
        controller_id,
        incarnation_id: Uuid([3; 16]),
        end_points: vec![NodeEndpoint {
            name: "CONTROLLER".into(),
            host: host.to_owned().into(),
            port: 9093,
            security_protocol: 0,
        }],
        ..RegisterController::default()
    }
    .into()
}

fn quota(entity: Vec<(&str, Option<String>)>, key: &str, value: f64) -> Record<'static> {
    let part = |(entity_type, entity_name): (&str, Option<String>)| QuotaEntity {
        entity_type: entity_type.to_owned().into(),
        entity_name: entity_name.map(Into::into),
    };
    ClientQuota {
        entity: entity.into_iter().map(part).collect(),
        key: key.to_owned().into(),
        value,
        remove: false,
    }
    .into()
}

fn producer_ids(next_producer_id: i64) -> Record<'static> {
    ProducerIds {
        broker_id: 1,
        broker_epoch: 2,
        next_producer_id,
    }
    .into()
}

fn acl(id: Uuid, principal: &str, operation: i8) -> Record<'static> {
    AccessControlEntry {
        id,
        resource_type: 2,
        resource_name: "topic".into(),
        pattern_type: 3,
        principal: principal.to_owned().into(),
        host: "*".into(),
        operation,
        permission_type: 3,
    }
    .into()
}

fn scram(name: &str, mechanism: i8, key: Vec<u8>) -> Record<'static> {
    UserScramCredential {
        name: name.to_owned().into(),
        mechanism,
        salt: key.clone().into(),
        stored_key: key.clone().into(),
        server_key: key.into(),
        iterations: 4096,
    }
    .into()
}

fn token(token_id: &str, owner: &str) -> Record<'static> {
    DelegationToken {
        owner: owner.to_owned().into(),
        requester: owner.to_owned().into(),
        renewers: vec!["User:bob".into()],
        issue_timestamp: 1,
        max_timestamp: 3,
        expiration_timestamp: 2,
        token_id: token_id.to_owned().into(),
    }
    .into()
}

/// Any image.
pub(crate) fn image() -> impl Strategy<Value = MetadataImage> {
    let provenance = (0..1i64 << 40, 0..1000i32, -1..1i64 << 42);
    let records = (features(), nodes(), topics(), configs(), security(), ids());
    (provenance, records).prop_map(|((offset, epoch, timestamp), parts)| {
        let (features, nodes, topics, configs, security, ids) = parts;
        let records = [features, nodes, topics, configs, security, ids].concat();
        let provenance = Provenance {
            offset,
            epoch,
            timestamp,
        };
        built(&records, provenance)
    })
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid)
}

fn features() -> impl Strategy<Value = Records> {
    btree_map("[a-z]{1,5}[.]version", 0..4i16, 0..4).prop_map(|levels| {
        let levels = levels.into_iter();
        let mut records: Records = levels.map(|(name, level)| feature(&name, level)).collect();
        records.push(metadata_version());
        records
    })
}

fn nodes() -> impl Strategy<Value = Records> {
    let broker_parts = (any::<i64>(), "[a-z]{0,9}", vec(uuid(), 0..3), any::<bool>());
    let brokers = btree_map(0..9i32, broker_parts, 0..4);
    let controllers = btree_map(0..9i32, "[a-z]{0,9}", 0..3);
    (brokers, controllers).prop_map(|(brokers, controllers)| {
        let mut records = Records::new();
        for (id, (epoch, host, log_dirs, serves)) in brokers {
            records.push(broker(id, epoch, &host, log_dirs));
            if serves {
                records.push(UnfenceBroker { id, epoch }.into());
            }
        }
        let controllers = controllers.into_iter();
        records.extend(controllers.map(|(id, host)| controller(id, &host)));
        records
    })
}

fn node_ids() -> impl Strategy<Value = Vec<i32>> {
    vec(0..9i32, 0..4)
}

prop_compose! {
    fn partition()(
        (replicas, isr, removing_replicas, adding_replicas) in
            (vec((0..9i32, uuid()), 0..4), node_ids(), node_ids(), node_ids()),
        (leader, leader_recovery_state, leader_epoch, partition_epoch) in
            (-1..9i32, 0..2i8, 0..1000i32, 0..1000i32),
        (eligible_leader_replicas, last_known_elr) in
            (prop::option::of(node_ids()), prop::option::of(node_ids())),
    ) -> Partition {
        let (replicas, directories) = replicas.into_iter().unzip();
        Partition {
            replicas,
            directories,
            isr,
            removing_replicas,
            adding_replicas,
            leader,
            leader_recovery_state,
            leader_epoch,
            partition_epoch,
            eligible_leader_replicas,
            last_known_elr,
            ..Partition::default()
        }
    }
}

/// What becomes of a topic after it was created.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Stays,
    Changes,
    Goes,
}

/// Topics with partitions and configuration, some changed and some deleted again.
fn topics() -> impl Strategy<Value = Records> {
    let configs = btree_map("[a-z.]{1,9}", "\\PC{0,20}", 0..4);
    let fate = prop::sample::select(vec![Fate::Stays, Fate::Changes, Fate::Goes]);
    let topic = (uuid(), vec(partition(), 0..5), configs, fate);
    btree_map("[a-zA-Z0-9._-]{1,30}", topic, 0..12).prop_map(|topics| {
        let mut records = Records::new();
        for (number, (name, (mut topic_id, partitions, configs, fate))) in (0..).zip(topics) {
            topic_id.0[0] = number; // no two topics have one id
            let count = partitions.len();
            let topic = name.clone().into();
            records.push(
                Topic {
                    name: topic,
                    topic_id,
                }
                .into(),
            );
            for (partition_id, mut partition) in (0..).zip(partitions) {
                (partition.partition_id, partition.topic_id) = (partition_id, topic_id);
                records.push(partition.into());
            }
            let configs = configs.iter();
            records.extend(configs.map(|(key, value)| config(2, &name, key, value)));
            records.extend(after(fate, topic_id, count));
        }
        records
    })
}

fn after(fate: Fate, topic_id: Uuid, partitions: usize) -> Option<Record<'static>> {
    match fate {
        Fate::Changes if partitions > 0 => Some(
            PartitionChange {
                topic_id,
                partition_id: 0,
                isr: Some(vec![7]),
                leader: 7,
                ..PartitionChange::default()
            }
            .into(),
        ),
        Fate::Goes => Some(RemoveTopic { topic_id }.into()),
        _ => None,
    }
}

/// Of brokers, of their default, and of groups.
fn configs() -> impl Strategy<Value = Records> {
    let kind = prop::sample::select(vec![4, 8, 16, 32]);
    let value = (kind, "[a-z0-9]{0,5}", "[a-z.]{1,20}", "\\PC{0,20}");
    vec(value, 0..10).prop_map(|values| {
        let values = values.iter();
        values
            .map(|(kind, resource, key, value)| config(*kind, resource, key, value))
            .collect()
    })
}

fn security() -> impl Strategy<Value = Records> {
    let part = prop::sample::select(vec!["user", "client-id", "ip"]);
    let entity = btree_map(part, prop::option::of("\\PC{0,9}"), 1..3);
    let quotas = vec((entity, "[a-z_]{1,9}", -1e12..1e12f64), 0..6);
    let acls = vec((uuid(), "\\PC{0,9}", any::<i8>()), 0..6);
    let scrams = vec(("\\PC{0,9}", 1..3i8, vec(any::<u8>(), 0..40)), 0..4);
    let tokens = vec(("\\PC{0,9}", "\\PC{0,9}"), 0..4);
    (quotas, acls, scrams, tokens).prop_map(|(quotas, acls, scrams, tokens)| {
        let quotas = quotas.into_iter();
        let quotas = quotas.map(|(entity, key, value)| {
            let entity = entity.into_iter().collect();
            quota(entity, &key, value)
        });
        let acls = acls
            .into_iter()
            .map(|(id, whom, what)| acl(id, &whom, what));
        let scrams = scrams.into_iter();
        let scrams = scrams.map(|(name, mechanism, key)| scram(&name, mechanism, key));
        let tokens = tokens.into_iter().map(|(id, owner)| token(&id, &owner));
        quotas.chain(acls).chain(scrams).chain(tokens).collect()
    })
}

fn ids() -> impl Strategy<Value = Records> {
    prop::option::of(0..i64::MAX).prop_map(|next| next.map(producer_ids).into_iter().collect())
}
