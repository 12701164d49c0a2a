//! The cluster as its brokers describe it, and the connections to them.
//!
//! Owns at most one connection for each broker and one to a bootstrap address, and the metadata
//! of the topics asked for. What is stale is asked for again by whoever got the error.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use engine_base::TopicId;
use engine_runtime::{now, resolve, sleep};
use net_wire::message::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use net_wire::message::{FindCoordinatorRequest, MetadataRequest};
use net_wire::{ApiKey, ErrorCode, Request};

use crate::address::HostPort;
use crate::connection::{Connection, ConnectionOptions, Frame};
use crate::error::ClientError;
use crate::progress::Progress;
use crate::retry::Retry;

/// How to reach a cluster.
#[derive(Clone)]
pub struct ClusterOptions {
    /// `bootstrap.servers`.
    pub bootstrap: Vec<HostPort>,
    /// Each connection's.
    pub connection: ConnectionOptions,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// `node.id`.
    pub id: i32,
    /// What it advertises.
    pub address: HostPort,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero where the broker does not tell.
    pub id: TopicId,
    /// Whether it is the broker's own.
    pub is_internal: bool,
    /// Its partitions by index.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its index.
    pub index: i32,
    /// The leader's id, -1 for none.
    pub leader_id: i32,
    /// The leader's epoch, -1 if unknown.
    pub leader_epoch: i32,
    /// The brokers with a replica.
    pub replicas: Vec<i32>,
    /// The replicas in sync.
    pub isr: Vec<i32>,
}

/// Brokers, topics and connections.
pub struct Cluster {
    options: ClusterOptions,
    bootstrap: Option<Connection>,
    connections: BTreeMap<i32, Connection>,
    brokers: BTreeMap<i32, Broker>,
    topics: BTreeMap<String, Topic>,
    cluster_id: Option<String>,
    controller_id: i32,
    progress: Progress,
}

impl Cluster {
    /// Connects to the first bootstrap address that answers and learns the brokers.
    ///
    /// # Errors
    /// [`ClientError::NoBroker`], or of several [`ClientError::NoneOf`], when none answers.
    pub async fn connect(options: ClusterOptions) -> Result<Self, ClientError> {
        assert!(!options.bootstrap.is_empty());
        let mut cluster = Self {
            options,
            bootstrap: None,
            connections: BTreeMap::new(),
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            cluster_id: None,
            controller_id: -1,
            progress: Progress::default(),
        };
        cluster.refresh(Some(&[])).await?;
        Ok(cluster)
    }

    /// How what is repeated gets on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The brokers by id.
    #[must_use]
    pub fn brokers(&self) -> &BTreeMap<i32, Broker> {
        &self.brokers
    }

    /// The cluster's id, if the broker tells.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The topic, asked of the cluster unless it is known.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` and whatever else the broker says of it.
    pub async fn topic(&mut self, name: &str) -> Result<&Topic, ClientError> {
        if !self.topics.contains_key(name) {
            self.refresh(Some(&[name])).await?;
        }
        self.topics
            .get(name)
            .ok_or(ClientError::Incomplete(ApiKey::Metadata))
    }

    /// Every topic of the cluster, by name.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn all_topics(&mut self) -> Result<Vec<Topic>, ClientError> {
        self.topics.clear();
        self.refresh(None).await?;
        Ok(self.topics.values().cloned().collect())
    }

    /// Forgets what is known of a topic, after an answer that shows it to be stale.
    pub fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// The partition's leader: its id, and the topic's id.
    ///
    /// # Errors
    /// When topic, partition or leader do not exist.
    pub async fn leader(
        &mut self,
        topic: &str,
        partition: i32,
    ) -> Result<(i32, TopicId), ClientError> {
        let known = self.topic(topic).await?;
        let found = known
            .partitions
            .iter()
            .find(|candidate| candidate.index == partition);
        let Some(found) = found else {
            let (topic, count) = (topic.to_owned(), known.partitions.len());
            return Err(ClientError::NoPartition {
                topic,
                partition,
                count,
            });
        };
        if found.leader_id < 0 {
            self.forget(topic);
            return Err(ClientError::Broker {
                code: ErrorCode::LEADER_NOT_AVAILABLE,
                subject: format!("{topic}-{partition}"),
                message: None,
            });
        }
        Ok((found.leader_id, known.id))
    }

    /// The broker that coordinates `group`.
    ///
    /// # Errors
    /// When there is none within the retry time.
    pub async fn coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        let mut retry = Retry::new(now());
        loop {
            let error = match self.find_coordinator(group).await {
                Ok(node) => return Ok(node),
                Err(error) if error.is_retriable() => error,
                Err(error) => return Err(error),
            };
            self.progress.note(&error);
            match retry.next_wait(now()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn find_coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        let request = FindCoordinatorRequest {
            coordinator_keys: vec![group.into()],
            ..Default::default()
        };
        let frame = self.call_any(&request).await?;
        let response = frame.read()?;
        let found = response.coordinators.first();
        let found = found.ok_or(ClientError::Unsupported(ApiKey::FindCoordinator))?;
        let subject = || format!("group {group}");
        ClientError::check(found.error_code, subject, found.error_message.as_deref())?;
        let broker = Broker {
            id: found.node_id,
            address: host_port(&found.host, found.port),
            rack: None,
        };
        let id = broker.id;
        self.brokers.entry(id).or_insert(broker);
        Ok(id)
    }

    /// Asks any broker.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_any<R: Request>(&mut self, request: &R) -> Result<Frame<R>, ClientError> {
        self.any().await?.call(request).await
    }

    /// Asks the controller, or any broker where there is none to be seen.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_controller<R: Request>(
        &mut self,
        request: &R,
    ) -> Result<Frame<R>, ClientError> {
        match self.controller_id {
            id if self.brokers.contains_key(&id) => self.broker(id).await?.call(request).await,
            _ => self.call_any(request).await,
        }
    }

    /// Asks one broker.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_broker<R: Request>(
        &mut self,
        id: i32,
        request: &R,
    ) -> Result<Frame<R>, ClientError> {
        self.broker(id).await?.call(request).await
    }

    /// [`Self::call_broker`] with [`Connection::call_below`].
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_broker_below<R: Request>(
        &mut self,
        id: i32,
        request: &R,
        version_max: i16,
        held: Duration,
    ) -> Result<Frame<R>, ClientError> {
        self.broker(id)
            .await?
            .call_below(request, version_max, held)
            .await
    }

    /// The connection to a broker, made if there is none.
    pub(crate) async fn broker(&mut self, id: i32) -> Result<&mut Connection, ClientError> {
        if self.connections.get(&id).is_some_and(Connection::is_broken) {
            self.connections.remove(&id);
        }
        if !self.connections.contains_key(&id) {
            let broker = self.brokers.get(&id);
            let address = broker
                .ok_or(ClientError::Incomplete(ApiKey::Metadata))?
                .address
                .clone();
            let connection = self.open(&address).await?;
            self.connections.insert(id, connection);
        }
        Ok(self.connections.get_mut(&id).expect("inserted above"))
    }

    async fn any(&mut self) -> Result<&mut Connection, ClientError> {
        let whole = self
            .connections
            .iter()
            .find(|(_, connection)| !connection.is_broken());
        if let Some(id) = whole.map(|(id, _)| *id) {
            return self.broker(id).await;
        }
        if self.bootstrap.as_ref().is_none_or(Connection::is_broken) {
            self.bootstrap = Some(self.open_bootstrap().await?);
        }
        Ok(self.bootstrap.as_mut().expect("opened above"))
    }

    async fn open_bootstrap(&self) -> Result<Connection, ClientError> {
        let mut errors = Vec::new();
        for address in &self.options.bootstrap {
            match self.open(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => errors.push(error),
            }
        }
        let last = errors
            .pop()
            .expect("the list is not empty: checked by connect");
        if errors.is_empty() {
            return Err(last);
        }
        errors.push(last);
        Err(ClientError::NoneOf(errors))
    }

    async fn open(&self, address: &HostPort) -> Result<Connection, ClientError> {
        let unresolved = || ClientError::Unresolved(address.clone());
        let resolved = resolve(&address.host, address.port).await;
        let mut resolved = resolved.map_err(|_| unresolved())?;
        // Where a name has both, a broker that binds IPv4 alone is the more common case.
        resolved.sort_by_key(|address| !address.is_ipv4());
        let mut last = unresolved();
        for peer in resolved {
            match Connection::open(peer, self.options.connection.clone()).await {
                Ok(connection) => return Ok(connection),
                Err(ClientError::Disconnected(source)) => {
                    last = ClientError::NoBroker {
                        address: address.clone(),
                        source,
                    };
                }
                // What answers so strangely at the first word is something else than a broker.
                Err(ClientError::Malformed(error)) => {
                    last = ClientError::NoBroker {
                        address: address.clone(),
                        source: io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
                    };
                }
                Err(other) => return Err(other),
            }
        }
        Err(last)
    }

    /// Asks for brokers and topics: the named, none, or all. The first named topic that the
    /// broker refuses is the error; what can pass is waited for.
    async fn refresh(&mut self, names: Option<&[&str]>) -> Result<(), ClientError> {
        let mut retry = Retry::within(now(), METADATA_TIMEOUT);
        loop {
            let error = match self.refresh_once(names).await {
                Ok(()) => return Ok(()),
                Err(error) if self.waits_for(&error) => error,
                Err(error) => return Err(error),
            };
            self.progress.note(&error);
            match retry.next_wait(now()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Whether waiting helps. That a topic is unknown is an answer here, although producers of
    /// Kafka wait for it: they make topics as they go. Who connects for the first time is told at
    /// once that nobody is there; later the broker may just be starting again.
    fn waits_for(&self, error: &ClientError) -> bool {
        match error.code() {
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => false,
            Some(code) => code.is_retriable(),
            None => !self.brokers.is_empty() && error.is_retriable(),
        }
    }

    async fn refresh_once(&mut self, names: Option<&[&str]>) -> Result<(), ClientError> {
        let topic = |name: &&str| MetadataRequestTopic {
            name: Some((*name).to_owned().into()),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: names.map(|names| names.iter().map(topic).collect()),
            // Making topics is an act of its own: `Admin::create_topics`.
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let frame = self.call_any(&request).await?;
        let response = frame.read()?;
        ClientError::check(response.error_code, || "metadata".to_owned(), None)?;
        self.cluster_id = response.cluster_id.map(|id| id.into_owned());
        self.controller_id = response.controller_id;
        self.brokers = response.brokers.iter().map(broker).collect();
        for topic in &response.topics {
            let name = topic.name.as_deref().unwrap_or_default();
            ClientError::check(topic.error_code, || format!("topic {name}"), None)?;
            self.topics
                .insert(name.to_owned(), self::topic(name, topic));
        }
        Ok(())
    }
}

/// How long metadata is waited for: a topic just made has no leader for a moment.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

fn host_port(host: &str, port: i32) -> HostPort {
    HostPort {
        host: host.to_owned(),
        port: u16::try_from(port).unwrap_or(0),
    }
}

fn broker(told: &net_wire::message::metadata::MetadataResponseBroker<'_>) -> (i32, Broker) {
    let broker = Broker {
        id: told.node_id,
        address: host_port(&told.host, told.port),
        rack: told.rack.as_deref().map(str::to_owned),
    };
    (broker.id, broker)
}

fn topic(name: &str, told: &MetadataResponseTopic<'_>) -> Topic {
    let mut partitions: Vec<Partition> = told
        .partitions
        .iter()
        .map(|partition| Partition {
            index: partition.partition_index,
            leader_id: partition.leader_id,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes.clone(),
            isr: partition.isr_nodes.clone(),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    Topic {
        name: name.to_owned(),
        id: told.topic_id,
        is_internal: told.is_internal,
        partitions,
    }
}
