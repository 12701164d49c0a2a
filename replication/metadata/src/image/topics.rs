//! Topics and their partitions.

use std::sync::Arc;

use engine_base::{TopicId, Uuid};

use super::spread_map::SpreadMap;
use crate::error::ApplyError;
use crate::record;

/// Nobody: a partition without a leader.
pub const NO_LEADER: i32 = -1;
/// In a change record: the leader stays.
pub const NO_LEADER_CHANGE: i32 = -2;

/// Directory of a replica on a broker that does not say which: a log of before 3.7.
pub const DIRECTORY_MIGRATING: Uuid = Uuid([0; 16]);
/// Directory of a replica that its broker has not placed yet.
pub const DIRECTORY_UNASSIGNED: Uuid = Uuid::METADATA_TOPIC; // both are Kafka's id number one
/// Directory of a replica that is in none of the broker's usable ones.
pub const DIRECTORY_LOST: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

/// All topics, by id and by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicsImage {
    by_id: SpreadMap<TopicId, Arc<TopicImage>>,
    by_name: SpreadMap<Arc<str>, TopicId>,
}

impl TopicsImage {
    /// The topic with an id.
    #[must_use]
    pub fn by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// The topic with a name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// The id of the topic with a name.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<TopicId> {
        self.by_name.get(name).copied()
    }

    /// A partition of the topic with an id.
    #[must_use]
    pub fn partition(&self, id: TopicId, partition: i32) -> Option<&PartitionImage> {
        self.by_id(id)?.partition(partition)
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every topic, in an order that is the same in every process but means nothing.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_id.iter().map(|(_, topic)| topic)
    }

    pub(crate) fn create(&mut self, name: &str, id: TopicId) -> Result<(), ApplyError> {
        if self.by_name.get(name).is_some() || self.by_id.get(&id).is_some() {
            return Err(ApplyError::TopicExists(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        let topic = TopicImage {
            id,
            name: Arc::clone(&name),
            partitions: Vec::new(),
        };
        self.by_name.insert(name, id);
        self.by_id.insert(id, Arc::new(topic));
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: TopicId) -> Result<Arc<TopicImage>, ApplyError> {
        let topic = self.by_id.remove(&id).ok_or(ApplyError::UnknownTopic(id))?;
        let named = self.by_name.remove(&*topic.name);
        assert_eq!(named, Some(id), "a topic is in both maps or in neither");
        Ok(topic)
    }

    pub(crate) fn topic_mut(&mut self, id: TopicId) -> Result<&mut TopicImage, ApplyError> {
        let topic = self
            .by_id
            .get_mut(&id)
            .ok_or(ApplyError::UnknownTopic(id))?;
        Ok(Arc::make_mut(topic))
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    /// The incarnation.
    pub id: TopicId,
    /// The name.
    pub name: Arc<str>,
    /// Ascending by `partition`, normally without holes.
    pub partitions: Vec<PartitionImage>,
}

impl TopicImage {
    /// The partition with an index.
    #[must_use]
    pub fn partition(&self, partition: i32) -> Option<&PartitionImage> {
        let position = self.position(partition).ok()?;
        self.partitions.get(position)
    }

    /// Where a partition stands, or where it would have to be inserted.
    fn position(&self, partition: i32) -> Result<usize, usize> {
        // Without holes the index is the position.
        let guess = usize::try_from(partition).unwrap_or(usize::MAX);
        if self
            .partitions
            .get(guess)
            .is_some_and(|p| p.partition == partition)
        {
            return Ok(guess);
        }
        self.partitions
            .binary_search_by_key(&partition, |p| p.partition)
    }

    pub(crate) fn put(&mut self, partition: PartitionImage) {
        match self.position(partition.partition) {
            Ok(position) => self.partitions[position] = partition,
            Err(position) => self.partitions.insert(position, partition),
        }
    }

    pub(crate) fn change(&mut self, change: &record::PartitionChange) -> Result<(), ApplyError> {
        let position = self
            .position(change.partition_id)
            .map_err(|_| ApplyError::UnknownPartition(self.id, change.partition_id))?;
        self.partitions[position].change(change)
    }

    /// Empties the eligible leaders of all partitions that have some.
    pub(crate) fn clear_eligible_leaders(&mut self) -> Result<(), ApplyError> {
        for partition in &mut self.partitions {
            if partition.has_eligible_leaders() {
                partition.eligible_leader_replicas.clear();
                partition.last_known_elr.clear();
                partition.partition_epoch =
                    next_epoch("partition_epoch", partition.partition_epoch)?;
            }
        }
        Ok(())
    }

    /// Whether any partition has eligible leaders outside its in-sync set.
    pub(crate) fn has_eligible_leaders(&self) -> bool {
        self.partitions
            .iter()
            .any(PartitionImage::has_eligible_leaders)
    }
}

/// Whether a leader that was elected uncleanly has finished its recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LeaderRecoveryState {
    /// The leader was in sync when elected, or has recovered.
    #[default]
    Recovered,
    /// The leader was elected uncleanly and has not reported back yet.
    Recovering,
}

impl LeaderRecoveryState {
    /// The number in records.
    #[must_use]
    pub fn value(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }

    fn from_value(value: i8) -> Result<Self, ApplyError> {
        match value {
            0 => Ok(Self::Recovered),
            1 => Ok(Self::Recovering),
            _ => Err(ApplyError::InvalidValue {
                field: "leader_recovery_state",
                value: value.into(),
            }),
        }
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionImage {
    /// The index in the topic, from zero.
    pub partition: i32,
    /// Who holds a copy; the first is preferred as leader.
    pub replicas: Vec<i32>,
    /// Each replica's log directory, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// Leaving, by a reassignment under way.
    pub removing_replicas: Vec<i32>,
    /// Coming, by a reassignment under way.
    pub adding_replicas: Vec<i32>,
    /// Who leads, or [`NO_LEADER`].
    pub leader: i32,
    /// Whether the leader is fit to serve.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Rises with each change of leadership.
    pub leader_epoch: i32,
    /// Rises with each change of anything here.
    pub partition_epoch: i32,
    /// Not in sync, yet known to hold everything committed (KIP-966).
    pub eligible_leader_replicas: Vec<i32>,
    /// Whom to try last when nobody else is left.
    pub last_known_elr: Vec<i32>,
}

impl PartitionImage {
    /// The log directory of a broker's replica, if it has one here.
    #[must_use]
    pub fn directory(&self, broker_id: i32) -> Option<Uuid> {
        let position = self
            .replicas
            .iter()
            .position(|&replica| replica == broker_id)?;
        self.directories.get(position).copied()
    }

    /// Whether somebody leads.
    #[must_use]
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    fn has_eligible_leaders(&self) -> bool {
        !self.eligible_leader_replicas.is_empty() || !self.last_known_elr.is_empty()
    }

    /// The image a whole-partition record describes.
    ///
    /// # Errors
    /// A recovery state that means nothing.
    pub fn from_record(record: &record::Partition) -> Result<Self, ApplyError> {
        Ok(Self {
            partition: record.partition_id,
            directories: directories_for(&record.directories, record.replicas.len()),
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            leader: record.leader,
            leader_recovery_state: LeaderRecoveryState::from_value(record.leader_recovery_state)?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            eligible_leader_replicas: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
        })
    }

    /// The whole-partition record of this image. Eligible leaders are said only where there are
    /// some: they are tagged fields and cost bytes.
    #[must_use]
    pub fn to_record(&self, topic_id: TopicId) -> record::Partition {
        let unless_empty = |ids: &Vec<i32>| (!ids.is_empty()).then(|| ids.clone());
        record::Partition {
            partition_id: self.partition,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.value(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: unless_empty(&self.eligible_leader_replicas),
            last_known_elr: unless_empty(&self.last_known_elr),
        }
    }

    /// Applies a change: the partition epoch rises by one, the leader epoch when the record names
    /// a leader, the same one included.
    pub(crate) fn change(&mut self, change: &record::PartitionChange) -> Result<(), ApplyError> {
        if change.leader_recovery_state != -1 {
            self.leader_recovery_state =
                LeaderRecoveryState::from_value(change.leader_recovery_state)?;
        }
        let replace = |target: &mut Vec<i32>, source: &Option<Vec<i32>>| {
            if let Some(source) = source {
                target.clone_from(source);
            }
        };
        replace(&mut self.replicas, &change.replicas);
        replace(&mut self.isr, &change.isr);
        replace(&mut self.removing_replicas, &change.removing_replicas);
        replace(&mut self.adding_replicas, &change.adding_replicas);
        replace(
            &mut self.eligible_leader_replicas,
            &change.eligible_leader_replicas,
        );
        replace(&mut self.last_known_elr, &change.last_known_elr);
        let directories = change.directories.as_ref().unwrap_or(&self.directories);
        self.directories = directories_for(directories, self.replicas.len());
        if change.leader != NO_LEADER_CHANGE {
            self.leader = change.leader;
            self.leader_epoch = next_epoch("leader_epoch", self.leader_epoch)?;
        }
        self.partition_epoch = next_epoch("partition_epoch", self.partition_epoch)?;
        Ok(())
    }
}

/// The epoch after this one. The last there is has none: no cluster counts so far, so the record
/// that set it is damaged.
fn next_epoch(field: &'static str, epoch: i32) -> Result<i32, ApplyError> {
    epoch
        .checked_add(1)
        .ok_or_else(|| ApplyError::InvalidValue {
            field,
            value: epoch.into(),
        })
}

/// One directory for each replica: those of the record, or "migrating" for all when it has none
/// or a number that does not fit (records of before 3.7).
fn directories_for(directories: &[Uuid], replicas: usize) -> Vec<Uuid> {
    if directories.len() == replicas {
        directories.to_vec()
    } else {
        vec![DIRECTORY_MIGRATING; replicas]
    }
}
