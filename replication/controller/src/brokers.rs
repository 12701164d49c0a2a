//! Brokers and controllers come, go, and fall silent; their partitions follow.

use replication_metadata::features::KRAFT_VERSION;
use replication_metadata::image::{DIRECTORY_LOST, NO_LEADER, TopicImage};
use replication_metadata::record::{
    self, BrokerRegistrationChange, UnregisterBroker as UnregisterRecord,
};
use replication_metadata::{MetadataVersion, Record};

use crate::Controller;
use crate::answer::{Answer, Outcome};
use crate::command::{RegisterBroker, RegisterController};
use crate::elections::PartitionChangeBuilder;
use crate::error::{ApiError, ErrorKind};

const FENCE: i8 = 1;
const UNFENCE: i8 = -1;

/// What happened to brokers, for [`Controller::leadership_changes`].
#[derive(Clone, Copy, Debug, Default)]
struct BrokerEvent {
    /// Leaves every in-sync set, and stays eligible.
    removed: Option<i32>,
    /// May lead although the image still shows it fenced.
    added: Option<i32>,
    /// Leaves every in-sync set, and is not eligible either.
    unclean: Option<i32>,
}

impl Controller {
    pub(crate) fn register_controller(
        &mut self,
        command: &RegisterController,
    ) -> Result<Outcome, ApiError> {
        let registration = record::RegisterController {
            controller_id: command.controller_id,
            incarnation_id: command.incarnation_id,
            zk_migration_ready: false,
            end_points: command.endpoints.iter().map(Into::into).collect(),
            features: command.features.iter().map(feature).collect(),
        };
        Ok(self.emit(vec![registration.into()], Answer::Done))
    }

    /// Registers a broker. A new incarnation is fenced until it has caught up; whatever the
    /// incarnation before it led or was in sync with is taken from it first, as loss of a clean
    /// or of an unclean kind. The same incarnation again only amends its registration.
    pub(crate) fn register_broker(
        &mut self,
        command: &RegisterBroker,
    ) -> Result<Outcome, ApiError> {
        self.check_registration(command)?;
        let existing = self.image().cluster().broker(command.broker_id);
        let mut broker = registration(command, self.next_offset());
        let mut records = Vec::new();
        match existing {
            Some(existing) if existing.incarnation_id == command.incarnation_id => {
                broker.broker_epoch = existing.epoch;
                broker.fenced = existing.fenced;
                broker.in_controlled_shutdown = existing.in_controlled_shutdown;
            }
            Some(existing) => {
                let clean = existing.epoch == command.previous_broker_epoch;
                records = self.shutdown_changes(command.broker_id, clean);
            }
            None => {}
        }
        let broker_epoch = broker.broker_epoch;
        // Last: a controller that fails before it leaves the broker unregistered, and it asks again.
        records.push(broker.into());
        let mut outcome = self.emit(records, Answer::BrokerRegistered { broker_epoch });
        outcome.atomic = false;
        Ok(outcome)
    }

    fn check_registration(&self, command: &RegisterBroker) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorKind::InvalidRegistration, message));
        if command.cluster_id != self.settings().cluster_id {
            return Err(ApiError::new(
                ErrorKind::InconsistentClusterId,
                format!(
                    "Expected cluster ID {}, but got cluster ID {}",
                    self.settings().cluster_id,
                    command.cluster_id
                ),
            ));
        }
        let dirs = &command.log_dirs;
        if dirs.is_empty() {
            return invalid("No directories specified in request".to_owned());
        }
        // Kafka keeps the first hundred ids for itself.
        if dirs
            .iter()
            .any(|dir| dir.0[..15] == DIRECTORY_LOST.0[..15] && dir.0[15] < 100)
        {
            return invalid("Reserved directory ID in request".to_owned());
        }
        for (position, dir) in dirs.iter().enumerate() {
            if dirs[..position].contains(dir) {
                return invalid("Duplicate directory ID in request".to_owned());
            }
            let others = self
                .image()
                .cluster()
                .brokers()
                .filter(|b| b.id != command.broker_id);
            for other in others {
                if other.directories.contains(dir) {
                    let id = other.id;
                    return invalid(format!(
                        "Broker {id} is already registered with directory {dir}"
                    ));
                }
            }
        }
        self.check_features(command)
    }

    /// A broker must support every finalized level: what it does not name it supports at 0 only.
    fn check_features(&self, command: &RegisterBroker) -> Result<(), ApiError> {
        let metadata_version = MetadataVersion::FEATURE_NAME;
        if command
            .features
            .iter()
            .all(|(name, ..)| name != metadata_version)
        {
            return Err(ApiError::new(
                ErrorKind::InvalidRegistration,
                format!("Request features do not contain '{metadata_version}'"),
            ));
        }
        let finalized = self.image().features();
        let version = self.metadata_version().level();
        let levels = finalized.levels().chain([(metadata_version, version)]);
        for (name, level) in levels.filter(|(name, _)| *name != KRAFT_VERSION) {
            let range = command
                .features
                .iter()
                .find(|(feature, ..)| feature == name);
            let (min, max) = range.map_or((0, 0), |(_, min, max)| (*min, *max));
            if !(min..=max).contains(&level) {
                return Err(ApiError::new(
                    ErrorKind::UnsupportedVersion,
                    format!(
                        "Unable to register because the broker does not support finalized version \
                         {level} of {name}. The broker wants a version between {min} and {max}, \
                         inclusive."
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Puts a broker into service: partitions without a leader get one, if it may be this one.
    pub(crate) fn unfence_broker(
        &mut self,
        broker_id: i32,
        broker_epoch: i64,
    ) -> Result<Outcome, ApiError> {
        self.check_broker_epoch(broker_id, broker_epoch)?;
        if self
            .image()
            .cluster()
            .broker(broker_id)
            .is_some_and(|broker| !broker.fenced)
        {
            return Ok(self.emit(Vec::new(), Answer::Done));
        }
        let change = BrokerRegistrationChange {
            broker_id,
            broker_epoch,
            fenced: UNFENCE,
            ..BrokerRegistrationChange::default()
        };
        let mut records = vec![Record::from(change)];
        let event = BrokerEvent {
            added: Some(broker_id),
            ..BrokerEvent::default()
        };
        records.extend(self.leadership_changes(event, |partition| !partition.has_leader()));
        let mut outcome = self.emit(records, Answer::Done);
        outcome.atomic = false;
        Ok(outcome)
    }

    /// Takes a broker out of service: it leaves every in-sync set and every leadership.
    pub(crate) fn fence_broker(&mut self, broker_id: i32) -> Result<Outcome, ApiError> {
        let broker = self.registered(broker_id)?;
        let (broker_epoch, fenced) = (broker.epoch, broker.fenced);
        if fenced {
            return Ok(self.emit(Vec::new(), Answer::Done));
        }
        let mut records = self.removal_changes(broker_id);
        let change = BrokerRegistrationChange {
            broker_id,
            broker_epoch,
            fenced: FENCE,
            ..BrokerRegistrationChange::default()
        };
        records.push(change.into());
        let mut outcome = self.emit(records, Answer::Done);
        outcome.atomic = false;
        Ok(outcome)
    }

    /// A broker wants to leave: its leaderships go to others in sync.
    pub(crate) fn controlled_shutdown(
        &mut self,
        broker_id: i32,
        broker_epoch: i64,
    ) -> Result<Outcome, ApiError> {
        self.check_broker_epoch(broker_id, broker_epoch)?;
        let mut records = Vec::new();
        if !self.registered(broker_id)?.in_controlled_shutdown {
            let change = BrokerRegistrationChange {
                broker_id,
                broker_epoch,
                in_controlled_shutdown: 1,
                ..BrokerRegistrationChange::default()
            };
            records.push(change.into());
        }
        records.extend(self.removal_changes(broker_id));
        let mut outcome = self.emit(records, Answer::Done);
        outcome.atomic = false;
        Ok(outcome)
    }

    /// Forgets a broker.
    pub(crate) fn unregister_broker(&mut self, broker_id: i32) -> Result<Outcome, ApiError> {
        let Some(broker) = self.image().cluster().broker(broker_id) else {
            return Err(ApiError::new(
                ErrorKind::BrokerIdNotRegistered,
                format!("Broker ID {broker_id} is not currently registered"),
            ));
        };
        let broker_epoch = broker.epoch;
        let mut records = self.removal_changes(broker_id);
        records.push(
            UnregisterRecord {
                broker_id,
                broker_epoch,
            }
            .into(),
        );
        let mut outcome = self.emit(records, Answer::Done);
        outcome.atomic = false;
        Ok(outcome)
    }

    fn registered(
        &self,
        broker_id: i32,
    ) -> Result<&replication_metadata::image::BrokerImage, ApiError> {
        self.image().cluster().broker(broker_id).ok_or_else(|| {
            ApiError::new(
                ErrorKind::StaleBrokerEpoch,
                format!("No broker registration found for broker id {broker_id}"),
            )
        })
    }

    /// Refuses what an earlier incarnation of a broker asks for.
    pub(crate) fn check_broker_epoch(&self, id: i32, epoch: i64) -> Result<(), ApiError> {
        let registered = self.registered(id)?.epoch;
        if registered == epoch {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::StaleBrokerEpoch,
            format!("Expected broker epoch {registered}, but got broker epoch {epoch}"),
        ))
    }

    fn removal_changes(&self, broker_id: i32) -> Vec<Record<'static>> {
        let event = BrokerEvent {
            removed: Some(broker_id),
            ..BrokerEvent::default()
        };
        self.leadership_changes(event, |partition| partition.isr.contains(&broker_id))
    }

    /// What the end of an incarnation does to its partitions.
    fn shutdown_changes(&self, broker_id: i32, clean: bool) -> Vec<Record<'static>> {
        if clean || !self.uses_eligible_leaders() {
            return self.removal_changes(broker_id);
        }
        let event = BrokerEvent {
            unclean: Some(broker_id),
            ..BrokerEvent::default()
        };
        self.leadership_changes(event, |partition| {
            partition.isr.contains(&broker_id)
                || partition.eligible_leader_replicas.contains(&broker_id)
        })
    }

    fn leadership_changes(
        &self,
        event: BrokerEvent,
        concerns: impl Fn(&replication_metadata::image::PartitionImage) -> bool,
    ) -> Vec<Record<'static>> {
        let mut records = Vec::new();
        for topic in self.image().topics().iter() {
            if topic.partitions.iter().any(&concerns) {
                self.topic_leadership_changes(topic, event, &concerns, &mut records);
            }
        }
        records
    }

    fn topic_leadership_changes(
        &self,
        topic: &TopicImage,
        event: BrokerEvent,
        concerns: &impl Fn(&replication_metadata::image::PartitionImage) -> bool,
        records: &mut Vec<Record<'static>>,
    ) {
        let (min_isr, election) = self.election_settings(topic);
        for partition in topic
            .partitions
            .iter()
            .filter(|partition| concerns(partition))
        {
            let is_acceptable = |id: i32| {
                event.removed != Some(id)
                    && event.unclean != Some(id)
                    && (event.added == Some(id) || self.image().cluster().is_active(id))
                    && self.has_online_directory(partition, id)
            };
            let gone = [event.removed, event.unclean];
            let target_isr = partition
                .isr
                .iter()
                .copied()
                .filter(|id| !gone.contains(&Some(*id)))
                .collect();
            let builder = PartitionChangeBuilder {
                partition,
                topic_id: topic.id,
                is_acceptable: &is_acceptable,
                min_isr,
                eligible_leaders: self.uses_eligible_leaders(),
                election,
                target_isr,
                unclean_shutdown: event.unclean,
                target_recovery: partition.leader_recovery_state,
            };
            records.extend(builder.build().map(Record::from));
        }
    }
}

/// The record of a registration as a new incarnation.
fn registration(command: &RegisterBroker, epoch: i64) -> record::RegisterBroker<'static> {
    assert!(epoch > i64::from(NO_LEADER));
    record::RegisterBroker {
        broker_id: command.broker_id,
        is_migrating_zk_broker: false,
        incarnation_id: command.incarnation_id,
        broker_epoch: epoch,
        end_points: command.endpoints.iter().map(Into::into).collect(),
        features: command.features.iter().map(feature).collect(),
        rack: command.rack.clone().map(Into::into),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: command.log_dirs.clone(),
        cordoned_log_dirs: None,
    }
}

fn feature((name, min, max): &(String, i16, i16)) -> record::NodeFeature<'static> {
    record::NodeFeature {
        name: name.clone().into(),
        min_supported_version: *min,
        max_supported_version: *max,
    }
}
