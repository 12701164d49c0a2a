//! What a controller appends when it becomes active.
//!
//! # The metadata log of one node, from its first start
//!
//! Checked against the log of Apache Kafka 4.4.0 as a combined node:
//!
//! 1. **First start.** The log is empty; the bootstrap snapshot (`0-0.checkpoint`) holds the voters
//!    and the feature levels. The leader of epoch 1 appends one control batch: leader change,
//!    kraft.version, voters (`replication_metadata::batch::leader_change_batch`). Then the
//!    controller activates: begin of a transaction, the snapshot's records, the cluster's
//!    `min.insync.replicas` (with eligible leader replicas it must be said once for all), end.
//! 2. **Every start.** A leader change in the next epoch, in a control batch of its own; the
//!    `quorum-state` file is written, durably, before it. If a transaction was left open, it is
//!    aborted first. Then `RegisterController`, `RegisterBroker` with a new incarnation, and, when
//!    the broker is ready, `UnfenceBroker`. The broker's epoch is the offset of its registration.
//! 3. **Clean stop.** `FenceBroker` of the own broker: its partitions lose their leader and keep it
//!    as eligible, so that whoever starts next, this program or Kafka, elects it without loss and
//!    need not wait for an old session to expire. `.kafka_cleanshutdown` then says the broker's
//!    epoch (`replication_metadata::clean_shutdown_text`): without it Kafka takes the stop for a
//!    crash. After an adoption the same file says which epoch to name as the previous one.
//! 4. **After a crash.** A registration with `previous_broker_epoch` -1 takes the broker out of
//!    every in-sync set as one that may have lost records; it is elected again as the last known
//!    leader, in the state "recovering", and reports when it has recovered (`AlterPartition`). A
//!    log whose journal proves every acknowledged record is clean after a crash too: its start
//!    names the epoch of the last registration, and the partitions go on as after a clean stop.
//!
//! In every case each partition led gets a higher leader epoch with each start, so that offsets of
//! two lives of a leader are never mistaken for one another.

use replication_metadata::Record;
use replication_metadata::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use replication_metadata::record::{AbortTransaction, BeginTransaction, Config, EndTransaction};

use crate::Controller;
use crate::answer::{Answer, Outcome};

const BROKER_RESOURCE: i8 = 4;

impl Controller {
    /// The records of becoming active: those of a new cluster when the log has none yet, and the
    /// end of a transaction that a predecessor left open. `transaction_start_offset` is where it
    /// began (`MetadataLoader::transaction_start_offset`); `bootstrap` the records of the
    /// bootstrap snapshot, or [`replication_metadata::format::bootstrap_records`].
    ///
    /// The image this controller was made with holds nothing of an open transaction.
    pub fn activate(
        &mut self,
        transaction_start_offset: Option<i64>,
        bootstrap: &[Record<'static>],
    ) -> Outcome {
        let mut records = Vec::new();
        if transaction_start_offset.is_some() {
            let reason = Some("Controller failover".into());
            records.push(AbortTransaction { reason }.into());
        }
        if self.image().features().metadata_version().is_none() {
            let name = Some("Bootstrap records".into());
            records.push(BeginTransaction { name }.into());
            records.extend_from_slice(bootstrap);
            records.extend(self.cluster_min_insync_replicas(bootstrap));
            records.push(EndTransaction {}.into());
        }
        self.emit(records, Answer::Done)
    }

    fn cluster_min_insync_replicas(
        &self,
        bootstrap: &[Record<'static>],
    ) -> Option<Record<'static>> {
        let eligible_leaders = bootstrap.iter().any(|record| match record {
            Record::FeatureLevel(feature) => {
                feature.name == ELIGIBLE_LEADER_REPLICAS_VERSION && feature.feature_level > 0
            }
            _ => false,
        });
        let value = self
            .broker_configs()
            .number("min.insync.replicas")
            .max(1)
            .to_string();
        eligible_leaders.then(|| {
            Record::from(Config {
                resource_type: BROKER_RESOURCE,
                resource_name: "".into(),
                name: "min.insync.replicas".into(),
                value: Some(value.into()),
            })
        })
    }
}
