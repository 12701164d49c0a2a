//! What changes in a partition when its in-sync set changes or its leader goes: one record, or
//! none (KIP-966).
//!
//! With eligible leader replicas in use the in-sync set may become empty. Who leaves it cleanly
//! stays eligible: it holds everything that was ever acknowledged, so it may lead again later
//! without loss. Who may have lost its newest records stays not even that. The last leader is
//! remembered, to be tried when nobody else is left.
//!
//! Reassignments under way are left as they are: nothing here completes one.

use engine_base::TopicId;
use replication_metadata::image::{
    LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE, PartitionImage,
};
use replication_metadata::record::PartitionChange;

/// Whom an election may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Election {
    /// The first replica if it can lead, else as `Online`.
    Preferred,
    /// The current leader if it can go on, else anyone in sync or eligible.
    Online,
    /// As `Online`, and if there is nobody, anyone alive.
    Unclean,
}

/// Builds the change of one partition.
pub(crate) struct PartitionChangeBuilder<'a> {
    pub(crate) partition: &'a PartitionImage,
    pub(crate) topic_id: TopicId,
    /// Whether a broker is alive and has the replica's directory online.
    pub(crate) is_acceptable: &'a dyn Fn(i32) -> bool,
    /// `min.insync.replicas`, cut to the number of replicas.
    pub(crate) min_isr: usize,
    /// Whether eligible leader replicas are in use.
    pub(crate) eligible_leaders: bool,
    pub(crate) election: Election,
    pub(crate) target_isr: Vec<i32>,
    /// A broker that may have lost acknowledged records.
    pub(crate) unclean_shutdown: Option<i32>,
    pub(crate) target_recovery: LeaderRecoveryState,
}

impl PartitionChangeBuilder<'_> {
    /// The record, unless nothing changes.
    pub(crate) fn build(mut self) -> Option<PartitionChange> {
        let partition = self.partition;
        let mut record = PartitionChange {
            partition_id: partition.partition,
            topic_id: self.topic_id,
            ..PartitionChange::default()
        };
        let mut elr = self.target_eligible_leaders();
        let was_unclean = self.elect(&mut record, &mut elr);
        if was_unclean || !self.eligible_leaders {
            elr.clear();
        }
        if elr != partition.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(elr);
        }
        let may_be_empty = self.eligible_leaders || !self.target_isr.is_empty();
        if record.isr.is_none() && may_be_empty && self.target_isr != partition.isr {
            record.isr = Some(self.target_isr.clone());
        }
        self.remember_last_leader(&mut record);
        if self.target_recovery != partition.leader_recovery_state {
            record.leader_recovery_state = self.target_recovery.value();
        }
        let nothing = PartitionChange {
            partition_id: record.partition_id,
            topic_id: record.topic_id,
            ..PartitionChange::default()
        };
        (record != nothing).then_some(record)
    }

    /// Who is eligible without being in sync: nobody while enough are in sync, else those who
    /// were in sync or eligible, less those who may have lost records.
    fn target_eligible_leaders(&self) -> Vec<i32> {
        let partition = self.partition;
        if !self.eligible_leaders {
            return partition.eligible_leader_replicas.clone();
        }
        if self.target_isr.len() >= self.min_isr {
            return Vec::new();
        }
        let mut eligible = partition.eligible_leader_replicas.clone();
        eligible.extend(&partition.isr);
        eligible.sort_unstable();
        eligible.dedup();
        eligible.retain(|id| !self.target_isr.contains(id) && self.unclean_shutdown != Some(*id));
        eligible
    }

    /// Elects, and writes down what follows. Says whether records may be lost.
    fn elect(&mut self, record: &mut PartitionChange, elr: &mut Vec<i32>) -> bool {
        let (leader, unclean) = self.chosen(elr);
        if leader == self.partition.leader {
            return false;
        }
        record.leader = leader;
        if let Some(position) = elr.iter().position(|&id| id == leader) {
            // It holds everything acknowledged, so it is in sync: with itself.
            self.target_isr = vec![leader];
            elr.remove(position);
        } else if unclean {
            record.isr = Some(vec![leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                self.target_recovery = LeaderRecoveryState::Recovering;
            }
        }
        unclean
    }

    fn chosen(&self, elr: &[i32]) -> (i32, bool) {
        let partition = self.partition;
        let can_lead = |id: i32| {
            let holds_all =
                self.target_isr.contains(&id) || (self.target_isr.is_empty() && elr.contains(&id));
            holds_all && (self.is_acceptable)(id)
        };
        let preferred = partition.replicas.first().copied().unwrap_or(NO_LEADER);
        if self.election == Election::Preferred && can_lead(preferred) {
            return (preferred, false);
        }
        if can_lead(partition.leader) {
            return (partition.leader, false);
        }
        if let Some(&id) = partition.replicas.iter().find(|&&id| can_lead(id)) {
            return (id, false);
        }
        if let [last] = partition.last_known_elr[..]
            && self.eligible_leaders
            && elr.is_empty()
            && self.target_isr.is_empty()
            && (self.is_acceptable)(last)
        {
            return (last, true);
        }
        if self.election == Election::Unclean {
            let alive = partition
                .replicas
                .iter()
                .find(|&&id| (self.is_acceptable)(id));
            return alive.map_or((NO_LEADER, false), |&id| (id, true));
        }
        (NO_LEADER, false)
    }

    /// The last leader is written down when there is none any more, and forgotten when there is
    /// one again.
    fn remember_last_leader(&self, record: &mut PartitionChange) {
        if !self.eligible_leaders {
            return;
        }
        let known = !self.partition.last_known_elr.is_empty();
        if record.leader == NO_LEADER && !known {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && known {
            record.last_known_elr = Some(Vec::new());
        } else {
            debug_assert!(record.leader >= NO_LEADER_CHANGE);
        }
    }
}
