//! What a core knows of the cluster: the metadata image, and each topic's settings made ready.
//!
//! Made once on shard 0 for each new image, then shared by all shards, immutable.

use std::sync::Arc;

use engine_base::{HashMap, TopicPartition, Uuid};
use replication_metadata::MetadataImage;
use replication_metadata::image::{
    BrokerImage, ConfigMap, ConfigResource, Endpoint, PartitionImage, ResourceType, TopicImage,
};

use crate::topic_settings::TopicSettings;

/// One topic, with what the data path needs of it.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) name: Arc<str>,
    pub(crate) image: Arc<TopicImage>,
    pub(crate) settings: TopicSettings,
}

impl Topic {
    /// Whether the topic belongs to the broker.
    pub(crate) fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// Its partitions, by index.
    pub(crate) fn partitions(&self) -> &[PartitionImage] {
        &self.image.partitions
    }

    /// The identity of one of its partitions.
    pub(crate) fn partition(&self, partition: i32) -> TopicPartition {
        TopicPartition {
            topic_id: self.id,
            partition,
        }
    }

    /// What is known of one partition.
    pub(crate) fn partition_image(&self, partition: i32) -> Option<&PartitionImage> {
        self.image.partition(partition)
    }
}

/// Whether a topic name is one of the broker's own.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(
        name,
        "__consumer_offsets" | "__transaction_state" | "__share_group_state"
    )
}

/// Whether a topic may have this name (Kafka's `Topic.validate`).
pub(crate) fn is_valid_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(name, "" | "." | "..") && name.len() <= 249 && name.bytes().all(is_legal)
}

/// The cluster as of one image.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) image: MetadataImage,
    by_id: HashMap<Uuid, Arc<Topic>>,
    by_name: HashMap<Arc<str>, Arc<Topic>>,
}

impl Catalog {
    /// The catalog of the image that follows `previous`; `settings` makes the configuration of a
    /// topic ready. What has not changed is shared with the catalog before.
    pub(crate) fn next(
        previous: &Self,
        image: MetadataImage,
        settings: impl Fn(&MetadataImage, &TopicImage) -> TopicSettings,
    ) -> Self {
        let same_defaults = is_same_for_brokers(&previous.image, &image);
        let (mut by_id, mut by_name) = (HashMap::default(), HashMap::default());
        for topic in image.topics().iter() {
            let before = previous.by_id.get(&topic.id).filter(|before| {
                let overrides = |image: &MetadataImage| image.configs().topic(&topic.name);
                same_defaults
                    && Arc::ptr_eq(&before.image, topic)
                    && overrides(&previous.image) == overrides(&image)
            });
            let entry = before.cloned().unwrap_or_else(|| {
                let settings = settings(&image, topic);
                let (id, name) = (topic.id, topic.name.clone());
                Arc::new(Topic {
                    id,
                    name,
                    image: topic.clone(),
                    settings,
                })
            });
            by_name.insert(entry.name.clone(), entry.clone());
            by_id.insert(entry.id, entry);
        }
        Self {
            image,
            by_id,
            by_name,
        }
    }

    /// A topic by name.
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// A topic by id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// All topics, in the order of their names.
    pub(crate) fn topics(&self) -> Vec<&Arc<Topic>> {
        let mut topics: Vec<_> = self.by_name.values().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// Brokers in service that can be reached through a listener, with their address there.
    pub(crate) fn brokers<'a>(
        &'a self,
        listener: &'a str,
    ) -> impl Iterator<Item = (&'a BrokerImage, &'a Endpoint)> {
        let brokers = self
            .image
            .cluster()
            .brokers()
            .filter(|broker| !broker.fenced);
        brokers.filter_map(move |broker| Some((broker, broker.endpoint(listener)?)))
    }
}

/// Whether what is set for brokers, where topics' defaults come from, is the same in both.
fn is_same_for_brokers(a: &MetadataImage, b: &MetadataImage) -> bool {
    fn of(image: &MetadataImage) -> Vec<(&ConfigResource, &Arc<ConfigMap>)> {
        let all = image.configs().iter();
        let mut set: Vec<_> = all
            .filter(|(resource, _)| resource.kind == ResourceType::Broker)
            .collect();
        set.sort();
        set
    }
    of(a) == of(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_kafka_does() {
        for good in ["a", "A.b_c-9", "__consumer_offsets", &"x".repeat(249)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "../x", &"x".repeat(250)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }
}
