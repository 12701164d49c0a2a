//! The state of a partition: who holds it, who leads it.

use engine_base::Uuid;
use engine_codec::Codec;

/// A whole partition, at creation and in snapshots. Version 1 adds directories (KIP-858), version 2
/// eligible leader replicas (KIP-966).
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-2", flexible = "0+")]
pub struct Partition {
    /// Index in the topic, from zero.
    #[codec(default = -1)]
    pub partition_id: i32,
    /// The topic.
    pub topic_id: Uuid,
    /// Who holds a copy; the first is preferred as leader.
    pub replicas: Vec<i32>,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// Leaving, by a reassignment under way.
    pub removing_replicas: Vec<i32>,
    /// Coming, by a reassignment under way.
    pub adding_replicas: Vec<i32>,
    /// Who leads, or -1.
    #[codec(default = -1)]
    pub leader: i32,
    /// 1 while a leader elected uncleanly recovers, else 0.
    #[codec(tag = 0)]
    pub leader_recovery_state: i8,
    /// Rises with each change of leadership.
    #[codec(default = -1)]
    pub leader_epoch: i32,
    /// Rises with each change of anything here.
    #[codec(default = -1)]
    pub partition_epoch: i32,
    /// Each replica's log directory, in the order of `replicas`.
    #[codec(versions = "1+")]
    pub directories: Vec<Uuid>,
    /// Not in sync, yet known to hold everything committed.
    #[codec(versions = "2+", nullable = "2+", default = null, tag = 1)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// Whom to try last when nobody else is left.
    #[codec(versions = "2+", nullable = "2+", default = null, tag = 2)]
    pub last_known_elr: Option<Vec<i32>>,
}

/// What changed in a partition; null or a marker where nothing did.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-2", flexible = "0+")]
pub struct PartitionChange {
    /// Index in the topic, from zero.
    #[codec(default = -1)]
    pub partition_id: i32,
    /// The topic.
    pub topic_id: Uuid,
    /// The new in-sync set.
    #[codec(nullable = "0+", default = null, tag = 0)]
    pub isr: Option<Vec<i32>>,
    /// The new leader, -1 for nobody, -2 for no change.
    #[codec(default = -2, tag = 1)]
    pub leader: i32,
    /// The new replicas.
    #[codec(nullable = "0+", default = null, tag = 2)]
    pub replicas: Option<Vec<i32>>,
    /// The new set of leaving replicas.
    #[codec(nullable = "0+", default = null, tag = 3)]
    pub removing_replicas: Option<Vec<i32>>,
    /// The new set of coming replicas.
    #[codec(nullable = "0+", default = null, tag = 4)]
    pub adding_replicas: Option<Vec<i32>>,
    /// -1 for no change, 0 recovered, 1 recovering.
    #[codec(default = -1, tag = 5)]
    pub leader_recovery_state: i8,
    /// Each replica's log directory, all of them.
    #[codec(versions = "1+", nullable = "1+", default = null, tag = 8)]
    pub directories: Option<Vec<Uuid>>,
    /// The new eligible leaders.
    #[codec(versions = "2+", nullable = "2+", default = null, tag = 6)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The new last resort.
    #[codec(versions = "2+", nullable = "2+", default = null, tag = 7)]
    pub last_known_elr: Option<Vec<i32>>,
}
