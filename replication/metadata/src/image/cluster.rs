//! Brokers and controllers.

use std::collections::BTreeMap;

use engine_base::Uuid;

use crate::error::ApplyError;
use crate::record;

/// A listener of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

impl From<&record::NodeEndpoint<'_>> for Endpoint {
    fn from(record: &record::NodeEndpoint<'_>) -> Self {
        Self {
            name: record.name.to_string(),
            host: record.host.to_string(),
            port: record.port,
            security_protocol: record.security_protocol,
        }
    }
}

impl From<&Endpoint> for record::NodeEndpoint<'static> {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            name: endpoint.name.clone().into(),
            host: endpoint.host.clone().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        }
    }
}

/// The lowest and the highest level of a feature that a node supports.
pub type FeatureRange = (i16, i16);

fn features_of(records: &[record::NodeFeature<'_>]) -> BTreeMap<String, FeatureRange> {
    let range = |it: &record::NodeFeature<'_>| (it.min_supported_version, it.max_supported_version);
    let named = records.iter().map(|it| (it.name.to_string(), range(it)));
    named.collect()
}

fn feature_records(features: &BTreeMap<String, FeatureRange>) -> Vec<record::NodeFeature<'static>> {
    let records = features
        .iter()
        .map(|(name, &(min, max))| record::NodeFeature {
            name: name.clone().into(),
            min_supported_version: min,
            max_supported_version: max,
        });
    records.collect()
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    /// `node.id`.
    pub id: i32,
    /// The log offset of its registration.
    pub epoch: i64,
    /// Which start of its process.
    pub incarnation_id: Uuid,
    /// Where it is reached, in the order it said.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: BTreeMap<String, FeatureRange>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Out of service: leads nothing, is in no in-sync set, clients do not see it.
    pub fenced: bool,
    /// Handing over its leaderships.
    pub in_controlled_shutdown: bool,
    /// Ids of its usable log directories.
    pub directories: Vec<Uuid>,
    /// Directories that take no new partitions, once it has said.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

impl BrokerImage {
    /// Whether it may lead: in service and not about to leave.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The listener with a name.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name == listener)
    }

    /// Whether a new partition has a directory to go to.
    #[must_use]
    pub fn has_uncordoned_directory(&self) -> bool {
        let Some(cordoned) = &self.cordoned_directories else {
            return true;
        };
        // A broker of before 3.7 names no directories and cordons none.
        self.directories.is_empty()
            || self
                .directories
                .iter()
                .any(|directory| !cordoned.contains(directory))
    }

    fn from_record(record: &record::RegisterBroker<'_>) -> Self {
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(Endpoint::from).collect(),
            features: features_of(&record.features),
            rack: record.rack.as_ref().map(|rack| rack.to_string()),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: record.log_dirs.clone(),
            cordoned_directories: record.cordoned_log_dirs.clone(),
        }
    }

    /// The registration record of this image.
    #[must_use]
    pub fn to_record(&self) -> record::RegisterBroker<'static> {
        record::RegisterBroker {
            broker_id: self.id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(Into::into).collect(),
            features: feature_records(&self.features),
            rack: self.rack.clone().map(Into::into),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned_directories.clone(),
        }
    }
}

/// One controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerImage {
    /// `node.id`.
    pub id: i32,
    /// Which start of its process.
    pub incarnation_id: Uuid,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: BTreeMap<String, FeatureRange>,
}

impl ControllerImage {
    fn from_record(record: &record::RegisterController<'_>) -> Self {
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(Endpoint::from).collect(),
            features: features_of(&record.features),
        }
    }

    /// The registration record of this image.
    #[must_use]
    pub fn to_record(&self) -> record::RegisterController<'static> {
        record::RegisterController {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: false,
            end_points: self.endpoints.iter().map(Into::into).collect(),
            features: feature_records(&self.features),
        }
    }
}

/// The nodes of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    brokers: BTreeMap<i32, BrokerImage>,
    controllers: BTreeMap<i32, ControllerImage>,
}

impl ClusterImage {
    /// The broker with an id, fenced ones included.
    #[must_use]
    pub fn broker(&self, id: i32) -> Option<&BrokerImage> {
        self.brokers.get(&id)
    }

    /// Every broker, ascending by id.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerImage> {
        self.brokers.values()
    }

    /// The controller with an id.
    #[must_use]
    pub fn controller(&self, id: i32) -> Option<&ControllerImage> {
        self.controllers.get(&id)
    }

    /// Every controller, ascending by id.
    pub fn controllers(&self) -> impl Iterator<Item = &ControllerImage> {
        self.controllers.values()
    }

    /// Whether a broker is in service and not about to leave.
    #[must_use]
    pub fn is_active(&self, id: i32) -> bool {
        self.broker(id).is_some_and(BrokerImage::is_active)
    }

    pub(crate) fn register_broker(&mut self, record: &record::RegisterBroker<'_>) {
        self.brokers
            .insert(record.broker_id, BrokerImage::from_record(record));
    }

    pub(crate) fn unregister_broker(&mut self, id: i32, epoch: i64) -> Result<(), ApplyError> {
        self.broker_mut(id, epoch)?;
        self.brokers.remove(&id);
        Ok(())
    }

    pub(crate) fn set_fenced(
        &mut self,
        id: i32,
        epoch: i64,
        fenced: bool,
    ) -> Result<(), ApplyError> {
        self.broker_mut(id, epoch)?.fenced = fenced;
        Ok(())
    }

    pub(crate) fn change_broker(
        &mut self,
        change: &record::BrokerRegistrationChange,
    ) -> Result<(), ApplyError> {
        let broker = self.broker_mut(change.broker_id, change.broker_epoch)?;
        let invalid = |field, value: i8| {
            Err(ApplyError::InvalidValue {
                field,
                value: value.into(),
            })
        };
        match change.fenced {
            -1 => broker.fenced = false,
            0 => {}
            1 => broker.fenced = true,
            other => return invalid("fenced", other),
        }
        match change.in_controlled_shutdown {
            0 => {}
            1 => broker.in_controlled_shutdown = true,
            other => return invalid("in_controlled_shutdown", other),
        }
        if !change.log_dirs.is_empty() {
            broker.directories.clone_from(&change.log_dirs);
        }
        if change.cordoned_log_dirs.is_some() {
            broker
                .cordoned_directories
                .clone_from(&change.cordoned_log_dirs);
        }
        Ok(())
    }

    pub(crate) fn register_controller(&mut self, record: &record::RegisterController<'_>) {
        self.controllers
            .insert(record.controller_id, ControllerImage::from_record(record));
    }

    pub(crate) fn unregister_controller(&mut self, id: i32) -> Result<(), ApplyError> {
        match self.controllers.remove(&id) {
            Some(_) => Ok(()),
            None => Err(ApplyError::UnknownController(id)),
        }
    }

    fn broker_mut(&mut self, id: i32, epoch: i64) -> Result<&mut BrokerImage, ApplyError> {
        let broker = self
            .brokers
            .get_mut(&id)
            .ok_or(ApplyError::UnknownBroker(id))?;
        if broker.epoch != epoch {
            return Err(ApplyError::StaleBrokerEpoch {
                broker_id: id,
                registered: broker.epoch,
                found: epoch,
            });
        }
        Ok(broker)
    }
}
