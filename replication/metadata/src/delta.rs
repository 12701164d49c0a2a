//! From one image to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine_base::TopicId;

use crate::error::ApplyError;
use crate::image::{ConfigResource, MetadataImage, PartitionImage, Provenance, TopicImage};
use crate::record::{self, Record};

/// What differs between two images, for those who must react.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Topics that are new, or of which a partition changed.
    pub topics_changed: BTreeSet<TopicId>,
    /// Topics that went, as they last were.
    pub topics_removed: BTreeMap<TopicId, Arc<TopicImage>>,
    /// Resources of which a configuration value changed or went.
    pub configs_changed: BTreeSet<ConfigResource>,
    /// Brokers that registered, changed or left.
    pub brokers_changed: BTreeSet<i32>,
    /// A finalized feature changed.
    pub features_changed: bool,
    /// A quota, access control entry, credential or token changed.
    pub security_changed: bool,
}

impl Changes {
    /// Whether nothing changed that anyone would look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Applies records to a private copy of an image. The copy shares with its origin whatever no
/// record touched.
#[derive(Clone, Debug)]
pub struct MetadataDelta {
    image: MetadataImage,
    changes: Changes,
}

impl MetadataDelta {
    /// No changes yet.
    #[must_use]
    pub fn new(image: &MetadataImage) -> Self {
        Self {
            image: image.clone(),
            changes: Changes::default(),
        }
    }

    /// The image as it would be now.
    #[must_use]
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// Ends here: the new image, containing everything up to `provenance`, and what differs.
    #[must_use]
    pub fn finish(mut self, provenance: Provenance) -> (MetadataImage, Changes) {
        assert!(
            provenance.offset >= self.image.provenance.offset,
            "images only move forward"
        );
        self.image.provenance = provenance;
        (self.image, self.changes)
    }

    /// Takes over what a delta that began from this one's image did since.
    pub(crate) fn absorb(&mut self, later: Self) {
        let Changes {
            topics_changed,
            topics_removed,
            configs_changed,
            brokers_changed,
            features_changed,
            security_changed,
        } = later.changes;
        self.image = later.image;
        let changes = &mut self.changes;
        changes.topics_changed.extend(topics_changed);
        changes
            .topics_changed
            .retain(|id| !topics_removed.contains_key(id));
        changes.topics_removed.extend(topics_removed);
        changes.configs_changed.extend(configs_changed);
        changes.brokers_changed.extend(brokers_changed);
        changes.features_changed |= features_changed;
        changes.security_changed |= security_changed;
    }

    /// Applies one record. Transaction brackets are the loader's business and change nothing
    /// here.
    ///
    /// # Errors
    /// The record does not fit the image: the log is damaged. The delta must then be dropped.
    pub fn apply(&mut self, record: &Record<'_>) -> Result<(), ApplyError> {
        match record {
            Record::Topic(record) => {
                self.image.topics.create(&record.name, record.topic_id)?;
                self.changes.topics_changed.insert(record.topic_id);
                Ok(())
            }
            Record::Partition(record) => self.partition(record),
            Record::PartitionChange(record) => {
                self.image
                    .topics
                    .topic_mut(record.topic_id)?
                    .change(record)?;
                self.changes.topics_changed.insert(record.topic_id);
                Ok(())
            }
            Record::RemoveTopic(record) => self.remove_topic(record.topic_id),
            Record::ClearElr(record) => self.clear_elr(record),
            Record::Config(record) => {
                let resource = self.image.configs.apply(record)?;
                self.changes.configs_changed.insert(resource);
                Ok(())
            }
            Record::ProducerIds(record) => {
                self.image.next_producer_id = Some(record.next_producer_id);
                Ok(())
            }
            Record::FeatureLevel(record) => {
                self.changes.features_changed = true;
                Arc::make_mut(&mut self.image.features).apply(record)
            }
            Record::RegisterBroker(_)
            | Record::UnregisterBroker(_)
            | Record::FenceBroker(_)
            | Record::UnfenceBroker(_)
            | Record::BrokerRegistrationChange(_)
            | Record::RegisterController(_)
            | Record::UnregisterController(_) => self.cluster(record),
            Record::ClientQuota(_)
            | Record::AccessControlEntry(_)
            | Record::RemoveAccessControlEntry(_)
            | Record::UserScramCredential(_)
            | Record::RemoveUserScramCredential(_)
            | Record::DelegationToken(_)
            | Record::RemoveDelegationToken(_) => self.security(record),
            Record::NoOp(_)
            | Record::ZkMigrationState(_)
            | Record::BeginTransaction(_)
            | Record::EndTransaction(_)
            | Record::AbortTransaction(_) => Ok(()),
        }
    }

    fn partition(&mut self, record: &record::Partition) -> Result<(), ApplyError> {
        let partition = PartitionImage::from_record(record)?;
        self.image.topics.topic_mut(record.topic_id)?.put(partition);
        self.changes.topics_changed.insert(record.topic_id);
        Ok(())
    }

    fn remove_topic(&mut self, id: TopicId) -> Result<(), ApplyError> {
        let topic = self.image.topics.remove(id)?;
        let resource = ConfigResource::topic(&topic.name);
        if self.image.configs.remove(&resource) {
            self.changes.configs_changed.insert(resource);
        }
        self.changes.topics_changed.remove(&id);
        self.changes.topics_removed.insert(id, topic);
        Ok(())
    }

    fn clear_elr(&mut self, record: &record::ClearElr<'_>) -> Result<(), ApplyError> {
        let topics = &self.image.topics;
        let named = || ApplyError::UnknownTopicName(record.topic_name.to_string());
        let ids: Vec<TopicId> = if record.topic_name.is_empty() {
            topics
                .iter()
                .filter(|topic| topic.has_eligible_leaders())
                .map(|t| t.id)
                .collect()
        } else {
            vec![topics.id_of(&record.topic_name).ok_or_else(named)?]
        };
        for id in ids {
            let topic = self.image.topics.topic_mut(id)?;
            if topic.has_eligible_leaders() {
                topic.clear_eligible_leaders()?;
                self.changes.topics_changed.insert(id);
            }
        }
        Ok(())
    }

    fn cluster(&mut self, record: &Record<'_>) -> Result<(), ApplyError> {
        let cluster = Arc::make_mut(&mut self.image.cluster);
        let broker_id = match record {
            Record::RegisterBroker(record) => {
                cluster.register_broker(record);
                record.broker_id
            }
            Record::UnregisterBroker(record) => {
                cluster.unregister_broker(record.broker_id, record.broker_epoch)?;
                record.broker_id
            }
            Record::FenceBroker(record) => {
                cluster.set_fenced(record.id, record.epoch, true)?;
                record.id
            }
            Record::UnfenceBroker(record) => {
                cluster.set_fenced(record.id, record.epoch, false)?;
                record.id
            }
            Record::BrokerRegistrationChange(record) => {
                cluster.change_broker(record)?;
                record.broker_id
            }
            Record::RegisterController(record) => {
                cluster.register_controller(record);
                return Ok(());
            }
            Record::UnregisterController(record) => {
                return cluster.unregister_controller(record.controller_id);
            }
            _ => unreachable!("`apply` sends records about nodes only"),
        };
        self.changes.brokers_changed.insert(broker_id);
        Ok(())
    }

    fn security(&mut self, record: &Record<'_>) -> Result<(), ApplyError> {
        let security = Arc::make_mut(&mut self.image.security);
        match record {
            Record::ClientQuota(record) => security.quota(record),
            Record::AccessControlEntry(record) => security.add_acl(record),
            Record::RemoveAccessControlEntry(record) => security.remove_acl(record.id)?,
            Record::UserScramCredential(record) => security.add_scram(record),
            Record::RemoveUserScramCredential(record) => security.remove_scram(record),
            Record::DelegationToken(record) => security.add_token(record),
            Record::RemoveDelegationToken(record) => security.remove_token(record),
            _ => unreachable!("`apply` sends records about security only"),
        }
        self.changes.security_changed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use engine_base::Uuid;

    use super::*;
    use crate::record::{
        BrokerRegistrationChange, ClearElr, Config, Partition, PartitionChange, RegisterBroker,
        RemoveAccessControlEntry, RemoveTopic, Topic, UnregisterBroker,
    };

    const ID: TopicId = Uuid([5; 16]);

    fn with_topic() -> MetadataDelta {
        let mut delta = MetadataDelta::new(&MetadataImage::default());
        let partition = Partition {
            partition_id: 0,
            topic_id: ID,
            replicas: vec![1, 2],
            isr: vec![1],
            leader: 1,
            leader_epoch: 3,
            partition_epoch: 7,
            eligible_leader_replicas: Some(vec![2]),
            ..Partition::default()
        };
        for record in [
            Record::from(Topic {
                name: "a".into(),
                topic_id: ID,
            }),
            Record::from(Config {
                resource_type: 2,
                resource_name: "a".into(),
                name: "retention.ms".into(),
                value: Some("5".into()),
            }),
            Record::from(partition),
            Record::from(RegisterBroker {
                broker_id: 1,
                broker_epoch: 9,
                ..Default::default()
            }),
        ] {
            delta.apply(&record).unwrap();
        }
        delta
    }

    #[test]
    fn an_image_never_changes_under_its_reader() {
        let delta = with_topic();
        let before = delta.image().clone();
        let mut after = MetadataDelta::new(&before);
        let change = PartitionChange {
            topic_id: ID,
            partition_id: 0,
            leader: 2,
            ..Default::default()
        };
        after.apply(&change.into()).unwrap();
        let leader = |image: &MetadataImage| image.topics().partition(ID, 0).unwrap().leader;
        assert_eq!((leader(&before), leader(after.image())), (1, 2));
        after.apply(&RemoveTopic { topic_id: ID }.into()).unwrap();
        assert!(before.topics().by_name("a").is_some() && after.image().topics().is_empty());
        assert!(after.image().configs().topic("a").is_empty());
        assert_eq!(before.configs().topic("a").len(), 1);
    }

    #[test]
    fn an_epoch_that_none_follows_is_refused() {
        let mut delta = MetadataDelta::new(with_topic().image());
        let last = Partition {
            partition_id: 0,
            topic_id: ID,
            leader: 1,
            leader_epoch: i32::MAX,
            partition_epoch: i32::MAX,
            replicas: vec![1],
            ..Default::default()
        };
        delta.apply(&last.into()).unwrap();
        let change = |leader| PartitionChange {
            topic_id: ID,
            partition_id: 0,
            leader,
            ..Default::default()
        };
        for (leader, field) in [(1, "leader_epoch"), (-2, "partition_epoch")] {
            let refused = MetadataDelta::new(delta.image()).apply(&change(leader).into());
            let value = i32::MAX.into();
            assert_eq!(refused, Err(ApplyError::InvalidValue { field, value }));
        }
    }

    #[test]
    fn epochs_rise_with_what_they_count() {
        let mut delta = with_topic();
        let change = |leader| PartitionChange {
            topic_id: ID,
            partition_id: 0,
            leader,
            ..Default::default()
        };
        let mut epochs = |record: Record<'_>| {
            delta.apply(&record).unwrap();
            let partition = delta.image().topics().partition(ID, 0).unwrap();
            (partition.leader_epoch, partition.partition_epoch)
        };
        assert_eq!(epochs(change(-2).into()), (3, 8));
        assert_eq!(
            epochs(change(1).into()),
            (4, 9),
            "the same leader again is a new epoch"
        );
        assert_eq!(
            epochs(
                ClearElr {
                    topic_name: "a".into()
                }
                .into()
            ),
            (4, 10)
        );
        assert_eq!(
            epochs(
                ClearElr {
                    topic_name: "".into()
                }
                .into()
            ),
            (4, 10),
            "nothing to clear"
        );
    }

    #[test]
    fn what_does_not_fit_is_damage() {
        let mut delta = with_topic();
        let mut refused = |record: Record<'_>| delta.apply(&record).unwrap_err();
        let other = Uuid([6; 16]);
        let partition = PartitionChange {
            topic_id: ID,
            partition_id: 1,
            ..Default::default()
        };
        assert_eq!(
            refused(partition.into()),
            ApplyError::UnknownPartition(ID, 1)
        );
        let removed = RemoveTopic { topic_id: other };
        assert_eq!(refused(removed.into()), ApplyError::UnknownTopic(other));
        let twice = Topic {
            name: "a".into(),
            topic_id: other,
        };
        assert_eq!(
            refused(twice.into()),
            ApplyError::TopicExists("a".to_owned())
        );
        let clear = ClearElr {
            topic_name: "b".into(),
        };
        assert_eq!(
            refused(clear.into()),
            ApplyError::UnknownTopicName("b".to_owned())
        );
        let gone = UnregisterBroker {
            broker_id: 2,
            broker_epoch: 9,
        };
        assert_eq!(refused(gone.into()), ApplyError::UnknownBroker(2));
        let stale = BrokerRegistrationChange {
            broker_id: 1,
            broker_epoch: 8,
            ..Default::default()
        };
        let expected = ApplyError::StaleBrokerEpoch {
            broker_id: 1,
            registered: 9,
            found: 8,
        };
        assert_eq!(refused(stale.into()), expected);
        let odd = BrokerRegistrationChange {
            broker_id: 1,
            broker_epoch: 9,
            fenced: 5,
            ..Default::default()
        };
        assert_eq!(
            refused(odd.into()),
            ApplyError::InvalidValue {
                field: "fenced",
                value: 5
            }
        );
        let acl = RemoveAccessControlEntry { id: other };
        assert_eq!(refused(acl.into()), ApplyError::UnknownAcl(other));
        let level = record::FeatureLevel {
            name: "metadata.version".into(),
            feature_level: 34,
        };
        assert_eq!(
            refused(level.into()),
            ApplyError::UnsupportedMetadataVersion(34)
        );
        let resource = Config {
            resource_type: 3,
            ..Default::default()
        };
        let expected = ApplyError::InvalidValue {
            field: "resource_type",
            value: 3,
        };
        assert_eq!(refused(resource.into()), expected);
    }

    #[test]
    fn partitions_arrive_in_any_order() {
        let mut delta = with_topic();
        for partition_id in [4, 2, 1, 3] {
            let record = Partition {
                partition_id,
                topic_id: ID,
                ..Partition::default()
            };
            delta.apply(&record.into()).unwrap();
        }
        let topic = delta.image().topics().by_id(ID).unwrap();
        assert!(
            (0..)
                .zip(&topic.partitions)
                .all(|(index, p)| p.partition == index)
        );
        assert_eq!(topic.partitions.len(), 5);
        assert!(topic.partition(5).is_none() && topic.partition(-1).is_none());
    }
}
