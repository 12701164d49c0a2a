//! What `ConfigRecord`s set: overrides of topics, of brokers, of groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::spread_map::SpreadMap;
use crate::error::ApplyError;
use crate::record;

/// What a configuration value belongs to. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceType {
    /// A topic, by name.
    Topic = 2,
    /// A broker by its id; the empty name is the default of all brokers.
    Broker = 4,
    /// The loggers of a broker.
    BrokerLogger = 8,
    /// A subscription to client metrics (KIP-714).
    ClientMetrics = 16,
    /// A group, by id.
    Group = 32,
}

impl ResourceType {
    /// The number in records and requests.
    #[must_use]
    pub fn id(self) -> i8 {
        self as i8
    }

    /// The type with a number.
    #[must_use]
    pub fn from_id(id: i8) -> Option<Self> {
        [
            Self::Topic,
            Self::Broker,
            Self::BrokerLogger,
            Self::ClientMetrics,
            Self::Group,
        ]
        .into_iter()
        .find(|kind| kind.id() == id)
    }
}

/// One owner of configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its type.
    pub kind: ResourceType,
    /// Its name.
    pub name: String,
}

impl ConfigResource {
    /// The resource of a type and a name.
    #[must_use]
    pub fn new(kind: ResourceType, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
        }
    }

    /// A topic.
    #[must_use]
    pub fn topic(name: &str) -> Self {
        Self::new(ResourceType::Topic, name)
    }

    /// One broker.
    #[must_use]
    pub fn broker(id: i32) -> Self {
        Self::new(ResourceType::Broker, &id.to_string())
    }

    /// The default of all brokers.
    #[must_use]
    pub fn cluster() -> Self {
        Self::new(ResourceType::Broker, "")
    }
}

/// The values set on one resource, by key.
pub type ConfigMap = BTreeMap<String, String>;

/// All values that were set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigsImage {
    by_resource: SpreadMap<ConfigResource, Arc<ConfigMap>>,
}

impl ConfigsImage {
    /// The values set on a resource, if any are.
    #[must_use]
    pub fn of(&self, resource: &ConfigResource) -> Option<&Arc<ConfigMap>> {
        self.by_resource.get(resource)
    }

    /// The values set on a topic; a shared empty map costs nothing.
    #[must_use]
    pub fn topic(&self, name: &str) -> Arc<ConfigMap> {
        self.of(&ConfigResource::topic(name))
            .cloned()
            .unwrap_or_default()
    }

    /// One value.
    #[must_use]
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.of(resource)?.get(key).map(String::as_str)
    }

    /// Every resource with values.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<ConfigMap>)> {
        self.by_resource.iter()
    }

    pub(crate) fn apply(
        &mut self,
        record: &record::Config<'_>,
    ) -> Result<ConfigResource, ApplyError> {
        let kind = ResourceType::from_id(record.resource_type).ok_or_else(|| {
            ApplyError::InvalidValue {
                field: "resource_type",
                value: record.resource_type.into(),
            }
        })?;
        let resource = ConfigResource::new(kind, &record.resource_name);
        let mut values = self.by_resource.remove(&resource).unwrap_or_default();
        let map = Arc::make_mut(&mut values);
        match &record.value {
            Some(value) => map.insert(record.name.to_string(), value.to_string()),
            None => map.remove(&*record.name),
        };
        if !values.is_empty() {
            self.by_resource.insert(resource.clone(), values);
        }
        Ok(resource)
    }

    pub(crate) fn remove(&mut self, resource: &ConfigResource) -> bool {
        self.by_resource.remove(resource).is_some()
    }
}
