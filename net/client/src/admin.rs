//! Administration: topics, configurations, groups and their offsets.
//!
//! Owns a cluster's connections; each call is complete in itself.

use std::borrow::Cow;
use std::time::Duration;

use engine_runtime::{now, sleep};
use net_wire::ApiKey;
use net_wire::message::consumer_protocol::{ConsumerProtocolAssignment, read_blob};
use net_wire::message::create_topics::{CreatableTopic, CreatableTopicConfig};
use net_wire::message::delete_topics::DeleteTopicState;
use net_wire::message::describe_configs::DescribeConfigsResource;
use net_wire::message::describe_groups::DescribedGroup;
use net_wire::message::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    ListGroupsRequest,
};

use crate::cluster::{Cluster, Topic};
use crate::consumer::{EARLIEST, LATEST, offset_at};
use crate::error::ClientError;
use crate::offsets::fetch_committed;
use crate::retry::Retry;

/// A topic to make.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions; `None` for the broker's default.
    pub partitions: Option<i32>,
    /// Its replicas; `None` for the broker's default.
    pub replication_factor: Option<i16>,
    /// Its configuration.
    pub configs: Vec<(String, String)>,
}

/// One value of a topic's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value; `None` for a secret.
    pub value: Option<String>,
    /// Whether nobody set it: neither for the topic nor for the brokers.
    pub is_default: bool,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// The oldest record's offset.
    pub earliest: i64,
    /// The offset behind the newest record.
    pub latest: i64,
}

/// A group, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// `group.id`.
    pub group_id: String,
    /// The kind of members, `consumer` for consumers.
    pub protocol_type: String,
    /// `Stable`, `Empty`, …
    pub state: String,
    /// `classic`, `consumer`, …
    pub group_type: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// `group.id`.
    pub group_id: String,
    /// `Stable`, `Empty`, …
    pub state: String,
    /// The assignor.
    pub protocol: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave.
    pub member_id: String,
    /// `group.instance.id`, of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its partitions.
    pub partitions: Vec<(String, i32)>,
}

/// A group's offset in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What the group committed.
    pub committed: Option<i64>,
    /// The end of the partition; `None` where it does not exist any more.
    pub end: Option<i64>,
}

/// Administers a cluster.
pub struct Admin {
    cluster: Cluster,
}

impl Admin {
    /// Over its own connections.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// The cluster.
    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// The broker's, with its own words: the name is taken, a setting is wrong.
    pub async fn create_topic(&mut self, topic: &NewTopic) -> Result<(), ClientError> {
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: Cow::Owned(name.clone()),
            value: Some(Cow::Owned(value.clone())),
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: Cow::Owned(topic.name.clone()),
                num_partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication_factor.unwrap_or(-1),
                assignments: Vec::new(),
                configs: topic.configs.iter().map(config).collect(),
            }],
            timeout_ms: 30_000,
            validate_only: false,
        };
        let frame = self.cluster.call_controller(&request).await?;
        let response = frame.read()?;
        let result = response.topics.first();
        let result = result.ok_or(ClientError::Incomplete(ApiKey::CreateTopics))?;
        let subject = || format!("topic {}", topic.name);
        ClientError::check(result.error_code, subject, result.error_message.as_deref())
    }

    /// Removes a topic.
    ///
    /// # Errors
    /// The broker's: there is no such topic, or deletion is not allowed.
    pub async fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: Some(name.to_owned().into()),
                ..Default::default()
            }],
            topic_names: vec![name.to_owned().into()],
            timeout_ms: 30_000,
        };
        let frame = self.cluster.call_controller(&request).await?;
        let response = frame.read()?;
        let result = response.responses.first();
        let result = result.ok_or(ClientError::Incomplete(ApiKey::DeleteTopics))?;
        let subject = || format!("topic {name}");
        self.cluster.forget(name);
        ClientError::check(result.error_code, subject, result.error_message.as_deref())
    }

    /// Every topic, by name.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn topics(&mut self) -> Result<Vec<Topic>, ClientError> {
        self.cluster.all_topics().await
    }

    /// One topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` when there is none.
    pub async fn topic(&mut self, name: &str) -> Result<Topic, ClientError> {
        self.cluster.forget(name);
        self.cluster.topic(name).await.cloned()
    }

    /// A topic's configuration.
    ///
    /// # Errors
    /// When the topic does not exist.
    pub async fn topic_configs(&mut self, name: &str) -> Result<Vec<ConfigEntry>, ClientError> {
        const TOPIC_RESOURCE: i8 = 2;
        const DEFAULT_SOURCE: i8 = 5;
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: TOPIC_RESOURCE,
                resource_name: name.to_owned().into(),
                configuration_keys: None,
            }],
            ..Default::default()
        };
        let frame = self.cluster.call_any(&request).await?;
        let response = frame.read()?;
        let result = response.results.first();
        let result = result.ok_or(ClientError::Incomplete(ApiKey::DescribeConfigs))?;
        let subject = || format!("topic {name}");
        ClientError::check(result.error_code, subject, result.error_message.as_deref())?;
        let entries = result.configs.iter().map(|entry| ConfigEntry {
            name: entry.name.to_string(),
            value: entry.value.as_deref().map(str::to_owned),
            is_default: entry.config_source == DEFAULT_SOURCE,
        });
        Ok(entries.collect())
    }

    /// Where a partition begins and ends.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn partition_offsets(
        &mut self,
        topic: &str,
        partition: i32,
    ) -> Result<PartitionOffset, ClientError> {
        let earliest = offset_at(&mut self.cluster, topic, partition, EARLIEST).await?;
        let latest = offset_at(&mut self.cluster, topic, partition, LATEST).await?;
        Ok(PartitionOffset { earliest, latest })
    }

    /// Every group, asked of every broker.
    ///
    /// # Errors
    /// When a broker cannot be asked.
    pub async fn groups(&mut self) -> Result<Vec<GroupListing>, ClientError> {
        let ids: Vec<i32> = self.cluster.brokers().keys().copied().collect();
        let mut groups = Vec::new();
        for id in ids {
            groups.extend(self.groups_of(id).await?);
        }
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(groups)
    }

    /// While a broker loads its groups it lists none; that passes.
    async fn groups_of(&mut self, id: i32) -> Result<Vec<GroupListing>, ClientError> {
        let mut retry = Retry::new(now());
        loop {
            let request = ListGroupsRequest::default();
            let frame = self.cluster.call_broker(id, &request).await?;
            let response = frame.read()?;
            let checked = ClientError::check(response.error_code, || format!("broker {id}"), None);
            let Err(error) = checked else {
                let groups = response.groups.iter().map(|group| GroupListing {
                    group_id: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    group_type: group.group_type.to_string(),
                    coordinator: id,
                });
                return Ok(groups.collect());
            };
            match retry.next_wait(now()).filter(|_| error.is_retriable()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// A group and its members. One that does not exist is `Dead`.
    ///
    /// # Errors
    /// When its coordinator cannot be asked.
    pub async fn describe_group(&mut self, group: &str) -> Result<GroupDescription, ClientError> {
        let mut retry = Retry::within(now(), Duration::from_secs(30));
        loop {
            let coordinator = self.cluster.coordinator(group).await?;
            let error = match self.describe_group_at(coordinator, group).await {
                Ok(description) => return Ok(description),
                Err(error) => error,
            };
            match retry.next_wait(now()).filter(|_| error.is_retriable()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn describe_group_at(
        &mut self,
        coordinator: i32,
        group: &str,
    ) -> Result<GroupDescription, ClientError> {
        let request = DescribeGroupsRequest {
            groups: vec![group.to_owned().into()],
            ..Default::default()
        };
        let frame = self.cluster.call_broker(coordinator, &request).await?;
        let response = frame.read()?;
        let found = response.groups.first();
        let found = found.ok_or(ClientError::Incomplete(ApiKey::DescribeGroups))?;
        let subject = || format!("group {group}");
        ClientError::check(found.error_code, subject, found.error_message.as_deref())?;
        description(coordinator, found)
    }

    /// Offsets of a group: of every partition it committed or reads.
    ///
    /// # Errors
    /// When its coordinator or a leader cannot be asked.
    pub async fn group_offsets(
        &mut self,
        description: &GroupDescription,
    ) -> Result<Vec<GroupOffset>, ClientError> {
        let group = &description.group_id;
        let committed =
            fetch_committed(&mut self.cluster, description.coordinator, group, None).await?;
        let read = description
            .members
            .iter()
            .flat_map(|member| member.partitions.iter().cloned());
        let places: std::collections::BTreeSet<(String, i32)> =
            committed.keys().cloned().chain(read).collect();
        let mut offsets = Vec::new();
        for (topic, partition) in places {
            let end = match offset_at(&mut self.cluster, &topic, partition, LATEST).await {
                Ok(end) => Some(end),
                Err(error) if is_gone(&error) => None,
                Err(error) => return Err(error),
            };
            let committed = committed.get(&(topic.clone(), partition)).copied();
            offsets.push(GroupOffset {
                topic,
                partition,
                committed,
                end,
            });
        }
        Ok(offsets)
    }
}

/// The topic was deleted, or has fewer partitions than when the group committed.
fn is_gone(error: &ClientError) -> bool {
    let unknown = net_wire::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    matches!(error, ClientError::NoPartition { .. }) || error.code() == Some(unknown)
}

fn description(
    coordinator: i32,
    found: &DescribedGroup<'_>,
) -> Result<GroupDescription, ClientError> {
    let mut members = Vec::new();
    for member in &found.members {
        let mut partitions = Vec::new();
        // What other kinds of groups assign is not for us to read.
        if found.protocol_type == "consumer" && !member.member_assignment.is_empty() {
            let assignment: ConsumerProtocolAssignment<'_> = read_blob(&member.member_assignment)?;
            for topic in &assignment.assigned_partitions {
                let of_topic = topic.partitions.iter();
                partitions.extend(of_topic.map(|&partition| (topic.topic.to_string(), partition)));
            }
        }
        members.push(GroupMember {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.as_deref().map(str::to_owned),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            partitions,
        });
    }
    Ok(GroupDescription {
        group_id: found.group_id.to_string(),
        state: found.group_state.to_string(),
        protocol: found.protocol_data.to_string(),
        coordinator,
        members,
    })
}
