//! Changing configuration: of topics, brokers, groups and client metrics.

use std::collections::{BTreeMap, BTreeSet};

use replication_metadata::Record;
use replication_metadata::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use replication_metadata::image::{ConfigMap, ConfigResource, ResourceType};
use replication_metadata::record::{ClearElr, Config};

use crate::Controller;
use crate::answer::{Answer, Outcome};
use crate::broker_config::validate_broker;
use crate::broker_keys::broker_key;
use crate::command::{AlterConfigs, ConfigChange, ConfigOperation};
use crate::config_key::{ConfigType, split_list};
use crate::error::{ApiError, ErrorKind};
use crate::group_keys::{validate_client_metrics, validate_group};
use crate::limits::CONFIG_VALUE_SIZE_BYTES_MAX;
use crate::names::validate_topic_name;
use crate::occurrences::each_once;
use crate::topic_config::validate_topic;
use crate::topic_keys::topic_key;

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What a change comes to: new values by key, `None` for those that go.
type NewValues = BTreeMap<String, Option<String>>;

impl Controller {
    /// Changes resources: each as a whole or not at all, independently of its neighbours.
    pub(crate) fn alter_configs(&mut self, command: &AlterConfigs) -> Result<Outcome, ApiError> {
        let mut records = Vec::new();
        let resources = command.resources.iter();
        let named = resources.map(|(resource, changes)| (resource, (resource, changes)));
        let refused = |_: &ConfigResource| {
            let message = "Each resource must appear at most once.";
            ApiError::new(ErrorKind::InvalidRequest, message)
        };
        let results = each_once(named, refused, |(resource, changes)| {
            let mut new = self.alter_resource(resource, changes, command.legacy)?;
            records.append(&mut new);
            Ok(())
        });
        records.extend(self.cleared_leaders(&records));
        self.check_record_count(&records)?;
        let answer = Answer::ConfigsAltered(results);
        Ok(self.emit_unless(command.validate_only, records, answer))
    }

    fn alter_resource(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
        legacy: bool,
    ) -> Result<Vec<Record<'static>>, ApiError> {
        check_changes(changes)?;
        if resource.kind == ResourceType::Broker && !resource.name.is_empty() {
            self.check_broker_name(&resource.name)?;
        }
        let current = self
            .image()
            .configs()
            .of(resource)
            .cloned()
            .unwrap_or_default();
        let mut new = NewValues::new();
        for change in changes {
            let value = new_value(resource, change, current.get(&change.name))?;
            // A broker reloads what a value names (a key store) even if the name is the same.
            let same = current.get(&change.name) == value.as_ref();
            if !same || resource.kind == ResourceType::Broker {
                new.insert(change.name.clone(), value);
            }
        }
        let kept: BTreeSet<&String> = changes.iter().map(|change| &change.name).collect();
        let implied = current.keys().filter(|name| legacy && !kept.contains(name));
        let deletions: Vec<String> = implied.cloned().collect();
        new.extend(deletions.into_iter().map(|name| (name, None)));
        self.check_new_values(resource, &new)?;
        self.validate(resource, &current, &new)?;
        Ok(new
            .into_iter()
            .map(|(name, value)| {
                Record::from(Config {
                    resource_type: resource.kind.id(),
                    resource_name: resource.name.clone().into(),
                    name: name.into(),
                    value: value.map(Into::into),
                })
            })
            .collect())
    }

    /// One speaks to a broker about itself only.
    fn check_broker_name(&self, name: &str) -> Result<(), ApiError> {
        let refuse = |message| Err(ApiError::new(ErrorKind::InvalidRequest, message));
        let node_id = self.settings().node_id;
        match name.parse::<i32>() {
            Ok(id) if id == node_id => Ok(()),
            Ok(_) => refuse(format!(
                "Unexpected broker id, expected {node_id}, but received {name}"
            )),
            Err(_) => refuse(format!("Node id must be an integer, but it is: {name}")),
        }
    }

    fn check_new_values(&self, resource: &ConfigResource, new: &NewValues) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorKind::InvalidConfig, message));
        // With eligible leaders in use the bound must be one for all brokers: whether a replica
        // stays eligible depends on it.
        if resource.kind == ResourceType::Broker && self.uses_eligible_leaders() {
            match new.get(MIN_INSYNC_REPLICAS) {
                Some(_) if !resource.name.is_empty() => {
                    return invalid(format!(
                        "Broker-level {MIN_INSYNC_REPLICAS} cannot be altered while ELR is enabled."
                    ));
                }
                Some(None) => {
                    return invalid(format!(
                        "Cluster-level {MIN_INSYNC_REPLICAS} cannot be removed while ELR is \
                         enabled."
                    ));
                }
                _ => {}
            }
        }
        if new
            .values()
            .flatten()
            .any(|value| value.len() > CONFIG_VALUE_SIZE_BYTES_MAX)
        {
            return invalid(format!(
                "The configuration value cannot be added because it exceeds the maximum value \
                 size of {CONFIG_VALUE_SIZE_BYTES_MAX} bytes."
            ));
        }
        Ok(())
    }

    /// Judges the configuration as it would be.
    fn validate(
        &self,
        resource: &ConfigResource,
        current: &ConfigMap,
        new: &NewValues,
    ) -> Result<(), ApiError> {
        let mut all = current.clone();
        for (name, value) in new {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
        let request = |message| Err(ApiError::new(ErrorKind::InvalidRequest, message));
        match resource.kind {
            ResourceType::Topic if resource.name.is_empty() => {
                request("Default topic resources are not allowed.")
            }
            ResourceType::Topic => {
                validate_topic_name(&resource.name)?;
                validate_topic(&all, &self.broker_configs())?;
                if self.image().topics().by_name(&resource.name).is_some() {
                    return Ok(());
                }
                let message = format!("The topic '{}' does not exist.", resource.name);
                Err(ApiError::new(ErrorKind::UnknownTopicOrPartition, message))
            }
            ResourceType::Broker => validate_broker(&all, !resource.name.is_empty()),
            ResourceType::Group if resource.name.is_empty() => {
                request("Default group resources are not allowed.")
            }
            ResourceType::Group => validate_group(&all),
            ResourceType::ClientMetrics => validate_client_metrics(&resource.name, &all),
            ResourceType::BrokerLogger => request("Unknown resource type BROKER_LOGGER"),
        }
    }

    /// Whoever is eligible was so under the old bound: a new one makes everybody begin anew.
    fn cleared_leaders(&self, records: &[Record<'static>]) -> Vec<Record<'static>> {
        if !self.uses_eligible_leaders() {
            return Vec::new();
        }
        let cleared = records.iter().filter_map(|record| match record {
            Record::Config(config) if config.name == MIN_INSYNC_REPLICAS => {
                let of_topic = config.resource_type == ResourceType::Topic.id();
                let topic_name = if of_topic {
                    config.resource_name.clone()
                } else {
                    "".into()
                };
                Some(Record::from(ClearElr { topic_name }))
            }
            _ => None,
        });
        cleared.collect()
    }

    /// Whether leaders may come from the set of eligible replicas.
    pub(crate) fn uses_eligible_leaders(&self) -> bool {
        self.image()
            .features()
            .level(ELIGIBLE_LEADER_REPLICAS_VERSION)
            > 0
    }
}

fn check_changes(changes: &[ConfigChange]) -> Result<(), ApiError> {
    let refuse = |message| Err(ApiError::new(ErrorKind::InvalidRequest, message));
    let mut names = BTreeSet::new();
    if !changes.iter().all(|change| names.insert(&change.name)) {
        return refuse("Error due to duplicate config keys".to_owned());
    }
    let nulls: Vec<&str> = changes
        .iter()
        .filter(|change| change.operation != ConfigOperation::Delete && change.value.is_none())
        .map(|change| change.name.as_str())
        .collect();
    if nulls.is_empty() {
        return Ok(());
    }
    refuse(format!(
        "Null value not supported for : {}",
        nulls.join(", ")
    ))
}

/// The value a change leads to.
fn new_value(
    resource: &ConfigResource,
    change: &ConfigChange,
    current: Option<&String>,
) -> Result<Option<String>, ApiError> {
    let given = change.value.as_deref().unwrap_or_default();
    let verb = match change.operation {
        ConfigOperation::Set => return Ok(Some(given.to_owned())),
        ConfigOperation::Delete => return Ok(None),
        ConfigOperation::Append => "APPEND",
        ConfigOperation::Subtract => "SUBTRACT",
    };
    let (kind, default) = match resource.kind {
        ResourceType::Topic => topic_key(&change.name).map(|key| (key.kind, key.default)),
        ResourceType::Broker => broker_key(&change.name).map(|key| (key.kind, key.default)),
        _ => None,
    }
    .unzip();
    if kind != Some(ConfigType::List) {
        let name = &change.name;
        let message = format!("Can't {verb} to key {name} because its type is not LIST.");
        // Kafka's broker refuses its own, and its controller everybody else's, by another code.
        let of_broker = resource.kind == ResourceType::Broker;
        let error = if of_broker {
            ErrorKind::InvalidRequest
        } else {
            ErrorKind::InvalidConfig
        };
        return Err(ApiError::new(error, message));
    }
    let present = current
        .map(String::as_str)
        .or_else(|| default.flatten())
        .unwrap_or_default();
    let mut elements = split_list(present);
    elements.retain(|element| !element.is_empty());
    let given: Vec<&str> = given.split(',').collect();
    if change.operation == ConfigOperation::Subtract {
        let taken: BTreeSet<&str> = given.into_iter().collect();
        elements.retain(|element| !taken.contains(element.as_str()));
    } else {
        let mut present: BTreeSet<String> = elements.iter().cloned().collect();
        for element in given {
            if present.insert(element.to_owned()) {
                elements.push(element.to_owned());
            }
        }
    }
    Ok(Some(elements.join(",")))
}
