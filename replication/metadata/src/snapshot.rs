//! An image as the records that would build it.

use crate::MetadataVersion;
use crate::image::{MetadataImage, TopicImage};
use crate::record::{ClientQuota, Config, FeatureLevel, ProducerIds, QuotaEntity, Record, Topic};

/// The records of an image, in the order of Kafka's own snapshots: `metadata.version` first, so
/// that a reader knows whether it may go on; nodes, topics, configuration, and the rest.
///
/// The image must have been bootstrapped: without a `metadata.version` there are no records.
#[must_use]
pub fn image_records(image: &MetadataImage) -> Vec<Record<'static>> {
    let Some(metadata_version) = image.features().metadata_version() else {
        return Vec::new();
    };
    let mut records = Vec::new();
    features(image, metadata_version, &mut records);
    for broker in image.cluster().brokers() {
        records.push(broker.to_record().into());
    }
    for controller in image.cluster().controllers() {
        records.push(controller.to_record().into());
    }
    for topic in image.topics().iter() {
        self::topic(topic, &mut records);
    }
    configs(image, &mut records);
    quotas(image, &mut records);
    if let Some(next_producer_id) = image.next_producer_id() {
        // Who took the last block is not part of the image.
        records.push(
            ProducerIds {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id,
            }
            .into(),
        );
    }
    let security = image.security();
    records.extend(security.acls.values().cloned().map(Record::from));
    records.extend(security.scram.values().cloned().map(Record::from));
    records.extend(security.tokens.values().cloned().map(Record::from));
    records
}

fn features(
    image: &MetadataImage,
    metadata_version: MetadataVersion,
    records: &mut Vec<Record<'static>>,
) {
    let record = |name: &str, feature_level| {
        Record::from(FeatureLevel {
            name: name.to_owned().into(),
            feature_level,
        })
    };
    records.push(record(
        MetadataVersion::FEATURE_NAME,
        metadata_version.level(),
    ));
    records.extend(
        image
            .features()
            .levels()
            .map(|(name, level)| record(name, level)),
    );
}

fn topic(topic: &TopicImage, records: &mut Vec<Record<'static>>) {
    let name = topic.name.to_string().into();
    records.push(
        Topic {
            name,
            topic_id: topic.id,
        }
        .into(),
    );
    records.extend(
        topic
            .partitions
            .iter()
            .map(|partition| partition.to_record(topic.id).into()),
    );
}

fn configs(image: &MetadataImage, records: &mut Vec<Record<'static>>) {
    for (resource, values) in image.configs().iter() {
        records.extend(values.iter().map(|(name, value)| {
            Record::from(Config {
                resource_type: resource.kind.id(),
                resource_name: resource.name.clone().into(),
                name: name.clone().into(),
                value: Some(value.clone().into()),
            })
        }));
    }
}

fn quotas(image: &MetadataImage, records: &mut Vec<Record<'static>>) {
    for (entity, quotas) in &image.security().quotas {
        let entity: Vec<QuotaEntity<'static>> = entity
            .iter()
            .map(|(entity_type, entity_name)| QuotaEntity {
                entity_type: entity_type.clone().into(),
                entity_name: entity_name.clone().map(Into::into),
            })
            .collect();
        records.extend(quotas.iter().map(|(key, &value)| {
            let (entity, key) = (entity.clone(), key.clone().into());
            Record::from(ClientQuota {
                entity,
                key,
                value,
                remove: false,
            })
        }));
    }
}
