//! Partition to shard: a pure function of the topic's id, the same on every core.

use engine_base::{ShardId, TopicPartition};

/// Where partitions live while a process runs with a given number of shards.
///
/// The partitions of one topic go round the shards, starting at a place that follows from the
/// topic's id: a topic with as many partitions as shards is spread evenly, and topics with one
/// partition do not all meet on shard 0. Nothing is stored: recovery finishes before logs are
/// handed to shards, so a restart with another number of shards simply places anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    shard_count: u16,
}

impl Placement {
    /// Placement over `shard_count` shards.
    ///
    /// # Panics
    /// When there is no shard.
    #[must_use]
    pub fn new(shard_count: u16) -> Self {
        assert!(shard_count > 0);
        Self { shard_count }
    }

    /// How many shards there are.
    #[must_use]
    pub fn shard_count(&self) -> u16 {
        self.shard_count
    }

    /// The shard that owns a partition. `__cluster_metadata` is on shard 0, with the controller.
    #[must_use]
    pub fn owner(&self, partition: TopicPartition) -> ShardId {
        if partition.topic_id == engine_base::Uuid::METADATA_TOPIC {
            return ShardId(0);
        }
        let id = partition.topic_id.0;
        // The last bytes of a random id are all random; its version and variant bits are not.
        let start = u32::from_be_bytes([id[12], id[13], id[14], id[15]]);
        let place = (u64::from(start) + partition.partition.unsigned_abs() as u64)
            % u64::from(self.shard_count);
        ShardId(u16::try_from(place).expect("a remainder of a u16 fits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_base::Uuid;

    #[test]
    fn partitions_of_a_topic_go_round_the_shards() {
        let placement = Placement::new(3);
        let owners: Vec<_> = (0..6)
            .map(|partition| {
                let topic_id = Uuid::from_random([9; 16]);
                placement
                    .owner(TopicPartition {
                        topic_id,
                        partition,
                    })
                    .0
            })
            .collect();
        assert_eq!(owners[..3], owners[3..]);
        assert_ne!(owners[0], owners[1]);
        assert_ne!(owners[1], owners[2]);
    }

    #[test]
    fn metadata_is_on_shard_zero() {
        let metadata = TopicPartition {
            topic_id: Uuid::METADATA_TOPIC,
            partition: 0,
        };
        assert_eq!(Placement::new(7).owner(metadata), ShardId(0));
    }
}
