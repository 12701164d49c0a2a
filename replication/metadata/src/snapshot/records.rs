//! An image as records.

use std::iter::once;

use crate::MetadataVersion;
use crate::image::{MetadataImage, QuotaEntityKey, SecurityImage, TopicImage};
use crate::record::{ClientQuota, Config, FeatureLevel, ProducerIds, QuotaEntity, Record, Topic};

/// The records of an image, in the order of Kafka's own snapshots: `metadata.version` first, so
/// that a reader knows whether it may go on; nodes, topics, configuration, and the rest. Each is
/// made when it is asked for: an image may hold more than a core can spare the time for at once.
///
/// The image must have been bootstrapped: without a `metadata.version` there are no records.
pub fn image_records(image: &MetadataImage) -> impl Iterator<Item = Record<'_>> {
    let metadata_version = image.features().metadata_version();
    metadata_version
        .into_iter()
        .flat_map(|metadata_version| all(image, metadata_version))
}

fn all(
    image: &MetadataImage,
    metadata_version: MetadataVersion,
) -> impl Iterator<Item = Record<'_>> {
    let cluster = image.cluster();
    features(image, metadata_version)
        .chain(cluster.brokers().map(|broker| broker.to_record().into()))
        .chain(cluster.controllers().map(|c| c.to_record().into()))
        .chain(image.topics().iter().flat_map(|topic| self::topic(topic)))
        .chain(configs(image))
        .chain(quotas(image.security()))
        .chain(producer_ids(image))
        .chain(access(image.security()))
}

fn features(
    image: &MetadataImage,
    metadata_version: MetadataVersion,
) -> impl Iterator<Item = Record<'_>> {
    let version = (MetadataVersion::FEATURE_NAME, metadata_version.level());
    once(version)
        .chain(image.features().levels())
        .map(|(name, feature_level)| {
            let name = name.into();
            Record::from(FeatureLevel {
                name,
                feature_level,
            })
        })
}

fn topic(topic: &TopicImage) -> impl Iterator<Item = Record<'_>> {
    let record = Topic {
        name: (*topic.name).into(),
        topic_id: topic.id,
    };
    let partitions = topic.partitions.iter();
    once(Record::from(record)).chain(partitions.map(|p| p.to_record(topic.id).into()))
}

fn configs(image: &MetadataImage) -> impl Iterator<Item = Record<'_>> {
    image.configs().iter().flat_map(|(resource, values)| {
        values.iter().map(|(name, value)| {
            Record::from(Config {
                resource_type: resource.kind.id(),
                resource_name: resource.name.as_str().into(),
                name: name.as_str().into(),
                value: Some(value.as_str().into()),
            })
        })
    })
}

fn quotas(security: &SecurityImage) -> impl Iterator<Item = Record<'_>> {
    security.quotas.iter().flat_map(|(entity, quotas)| {
        quotas.iter().map(|(key, &value)| {
            Record::from(ClientQuota {
                entity: quota_entity(entity),
                key: key.as_str().into(),
                value,
                remove: false,
            })
        })
    })
}

fn quota_entity(entity: &QuotaEntityKey) -> Vec<QuotaEntity<'_>> {
    let parts = entity.iter();
    parts
        .map(|(entity_type, entity_name)| QuotaEntity {
            entity_type: entity_type.as_str().into(),
            entity_name: entity_name.as_deref().map(Into::into),
        })
        .collect()
}

/// Who took the last block is not part of the image.
fn producer_ids(image: &MetadataImage) -> impl Iterator<Item = Record<'_>> {
    image
        .next_producer_id()
        .into_iter()
        .map(|next_producer_id| {
            Record::from(ProducerIds {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id,
            })
        })
}

fn access(security: &SecurityImage) -> impl Iterator<Item = Record<'_>> {
    let acls = security.acls.values().cloned().map(Record::from);
    let scram = security.scram.values().cloned().map(Record::from);
    let tokens = security.tokens.values().cloned().map(Record::from);
    acls.chain(scram).chain(tokens)
}
