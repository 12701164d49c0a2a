//! Membership in a classic consumer group: join, assign, sync, heartbeat, commit, leave.
//!
//! Owns the member's identity and generation. The caller polls records between calls and asks
//! [`GroupMembership::heartbeat`] often enough; when that says the group rebalances, it commits
//! and joins again (the eager protocol of KIP-62 with the range assignor).

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use engine_base::Instant;
use engine_runtime::{now, sleep, timeout};
use net_wire::message::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition, read_blob, write_blob,
};
use net_wire::message::join_group::{JoinGroupRequestProtocol, JoinGroupResponseMember};
use net_wire::message::leave_group::MemberIdentity;
use net_wire::message::sync_group::SyncGroupRequestAssignment;
use net_wire::message::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};
use net_wire::{ErrorCode, Request};

use crate::assignor::{Assignment, assign_range};
use crate::cluster::Cluster;
use crate::connection::Frame;
use crate::error::ClientError;
use crate::limits::CLOSE_STEP_TIMEOUT;
use crate::offsets::{BY_NAME_VERSION_MAX, Offsets, fetch_committed, offsets_by_topic};
use crate::retry::Retry;

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// `group.id`.
    pub group_id: String,
    /// `group.instance.id`, of a static member.
    pub instance_id: Option<String>,
    /// The topics.
    pub topics: Vec<String>,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `max.poll.interval.ms`: how long a rebalance may wait for this member.
    pub rebalance_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
}

impl GroupOptions {
    /// Kafka's defaults for a dynamic member.
    #[must_use]
    pub fn new(group_id: &str, topics: &[String]) -> Self {
        Self {
            group_id: group_id.to_owned(),
            instance_id: None,
            topics: topics.to_vec(),
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
        }
    }
}

/// What a heartbeat told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// All is as it was.
    Stable,
    /// The group rebalances: commit, then join again.
    Rebalance,
    /// The group went on without this member: join again, nothing can be committed.
    Lost,
}

/// A member of a group.
pub struct GroupMembership {
    options: GroupOptions,
    coordinator: Option<i32>,
    member_id: String,
    generation: i32,
    heartbeat_due: Instant,
}

impl GroupMembership {
    /// Not a member yet.
    #[must_use]
    pub fn new(options: GroupOptions) -> Self {
        Self {
            options,
            coordinator: None,
            member_id: String::new(),
            generation: -1,
            heartbeat_due: Instant::default(),
        }
    }

    /// Joins, waits for the other members, and gives this member's partitions. Dropped before it
    /// is done, the member is to [`Self::leave`].
    ///
    /// # Errors
    /// When the coordinator refuses for good, or the retry time is over.
    pub async fn join(&mut self, cluster: &mut Cluster) -> Result<Vec<(String, i32)>, ClientError> {
        let mut retry = Retry::new(now());
        let progress = cluster.progress();
        let _begun = progress.begin(now(), retry.deadline());
        loop {
            let error = match self.join_once(cluster).await {
                Ok(partitions) => {
                    self.heartbeat_due = now() + self.options.heartbeat_interval;
                    return Ok(partitions);
                }
                Err(error) => error,
            };
            if !matches!(error.code(), Some(ErrorCode::MEMBER_ID_REQUIRED)) {
                progress.note(&error);
            }
            // Asking again at once with what the error taught is part of the protocol.
            let again = match self.note(&error) {
                Noted::AskAgain => Some(Duration::ZERO),
                Noted::Wait => retry.next_wait(now()),
                Noted::Final => None,
            };
            match again {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Tells the coordinator that this member lives, if it is time to.
    ///
    /// # Errors
    /// When the coordinator refuses for good.
    pub async fn heartbeat(&mut self, cluster: &mut Cluster) -> Result<GroupEvent, ClientError> {
        if now() < self.heartbeat_due {
            return Ok(GroupEvent::Stable);
        }
        self.heartbeat_due = now() + self.options.heartbeat_interval;
        let request = HeartbeatRequest {
            group_id: self.options.group_id.clone().into(),
            generation_id: self.generation,
            member_id: self.member_id.clone().into(),
            group_instance_id: self.options.instance_id.clone().map(Into::into),
        };
        let answered = match self.call(cluster, &request).await {
            Ok(frame) => self.check(frame.read()?.error_code),
            Err(error) => Err(error),
        };
        let Err(error) = answered else {
            return Ok(GroupEvent::Stable);
        };
        match error.code() {
            Some(ErrorCode::REBALANCE_IN_PROGRESS) => Ok(GroupEvent::Rebalance),
            Some(ErrorCode::ILLEGAL_GENERATION | ErrorCode::UNKNOWN_MEMBER_ID) => {
                self.note(&error);
                Ok(GroupEvent::Lost)
            }
            _ if error.is_retriable() => {
                self.note(&error);
                // The session outlives a few of these.
                self.heartbeat_due = now() + Duration::from_millis(200);
                Ok(GroupEvent::Stable)
            }
            _ => Err(error),
        }
    }

    /// The group's committed offsets of these partitions; what has none is left out.
    ///
    /// # Errors
    /// When the coordinator cannot be asked within the retry time.
    pub async fn committed(
        &mut self,
        cluster: &mut Cluster,
        partitions: &[(String, i32)],
    ) -> Result<Offsets, ClientError> {
        let mut retry = Retry::new(now());
        loop {
            let error = match self.committed_once(cluster, partitions).await {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            };
            self.note(&error);
            match retry.next_wait(now()).filter(|_| error.is_retriable()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Commits offsets: of each partition the next one to read. That a topic is unknown is final,
    /// although the code is retriable: it was read from, so it was deleted, not about to be made.
    ///
    /// # Errors
    /// When the coordinator refuses, or the retry time is over.
    pub async fn commit(
        &mut self,
        cluster: &mut Cluster,
        offsets: &Offsets,
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut retry = Retry::new(now());
        loop {
            let error = match self.commit_once(cluster, offsets).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let unknown_topic = error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            if unknown_topic || !error.is_retriable() {
                return Err(error);
            }
            self.note(&error);
            match retry.next_wait(now()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Commits what was read and leaves, whatever becomes of the commit; each takes at most
    /// [`CLOSE_STEP_TIMEOUT`]. Gives what went wrong: others read some records again, or wait for
    /// the session to end.
    pub async fn close(&mut self, cluster: &mut Cluster, offsets: &Offsets) -> Vec<ClientError> {
        let overdue = |what: &str| {
            let text = format!("the coordinator did not answer the {what} in time");
            Err(ClientError::Disconnected(io::Error::new(
                io::ErrorKind::TimedOut,
                text,
            )))
        };
        let committed = timeout(CLOSE_STEP_TIMEOUT, self.commit(cluster, offsets)).await;
        let left = timeout(CLOSE_STEP_TIMEOUT, self.leave(cluster)).await;
        let committed = committed.unwrap_or_else(|_| overdue("commit"));
        let left = left.unwrap_or_else(|_| overdue("leaving"));
        committed.err().into_iter().chain(left.err()).collect()
    }

    /// Leaves, so that the others need not wait for the session to end. A static member stays.
    ///
    /// # Errors
    /// When the coordinator cannot be asked; the session then ends by itself.
    pub async fn leave(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        // Who was given an id is waited for, also while it joins.
        if self.member_id.is_empty() || self.options.instance_id.is_some() {
            return Ok(());
        }
        let request = LeaveGroupRequest {
            group_id: self.options.group_id.clone().into(),
            members: vec![MemberIdentity {
                member_id: std::mem::take(&mut self.member_id).into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        self.generation = -1;
        let frame = self.call(cluster, &request).await?;
        self.check(frame.read()?.error_code)
    }

    async fn join_once(
        &mut self,
        cluster: &mut Cluster,
    ) -> Result<Vec<(String, i32)>, ClientError> {
        let subscription = ConsumerProtocolSubscription {
            topics: self
                .options
                .topics
                .iter()
                .map(|topic| topic.as_str().into())
                .collect(),
            ..Default::default()
        };
        let mut metadata = Vec::new();
        write_blob(&mut metadata, &subscription, 0)?;
        let request = JoinGroupRequest {
            group_id: self.options.group_id.clone().into(),
            session_timeout_ms: milliseconds(self.options.session_timeout),
            rebalance_timeout_ms: milliseconds(self.options.rebalance_timeout),
            member_id: self.member_id.clone().into(),
            group_instance_id: self.options.instance_id.clone().map(Into::into),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: PROTOCOL.into(),
                metadata: metadata.into(),
            }],
            reason: None,
        };
        let coordinator = self.coordinator(cluster).await?;
        let held = self.options.rebalance_timeout;
        let frame = cluster
            .call_broker_below(coordinator, &request, i16::MAX, held)
            .await?;
        let response = frame.read()?;
        if response.error_code == ErrorCode::MEMBER_ID_REQUIRED || response.error_code.is_none() {
            self.member_id = response.member_id.to_string();
        }
        self.check(response.error_code)?;
        self.generation = response.generation_id;
        let leads = response.leader == response.member_id && !response.skip_assignment;
        let assignments = if leads {
            assign(cluster, &response.members).await?
        } else {
            BTreeMap::new()
        };
        self.sync(cluster, assignments).await
    }

    async fn sync(
        &mut self,
        cluster: &mut Cluster,
        assignments: BTreeMap<String, Assignment>,
    ) -> Result<Vec<(String, i32)>, ClientError> {
        let mut blobs = Vec::new();
        for (member, assignment) in &assignments {
            let mut blob = Vec::new();
            write_blob(&mut blob, &to_wire(assignment), 0)?;
            blobs.push(SyncGroupRequestAssignment {
                member_id: member.as_str().into(),
                assignment: blob.into(),
            });
        }
        let request = SyncGroupRequest {
            group_id: self.options.group_id.clone().into(),
            generation_id: self.generation,
            member_id: self.member_id.clone().into(),
            group_instance_id: self.options.instance_id.clone().map(Into::into),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: Some(PROTOCOL.into()),
            assignments: blobs,
        };
        let coordinator = self.coordinator(cluster).await?;
        let held = self.options.rebalance_timeout;
        let frame = cluster
            .call_broker_below(coordinator, &request, i16::MAX, held)
            .await?;
        let response = frame.read()?;
        self.check(response.error_code)?;
        if response.assignment.is_empty() {
            return Ok(Vec::new());
        }
        let assignment: ConsumerProtocolAssignment<'_> = read_blob(&response.assignment)?;
        let partitions = assignment.assigned_partitions.iter().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|&partition| (topic.topic.to_string(), partition))
        });
        Ok(partitions.collect())
    }

    async fn committed_once(
        &mut self,
        cluster: &mut Cluster,
        partitions: &[(String, i32)],
    ) -> Result<Offsets, ClientError> {
        let coordinator = self.coordinator(cluster).await?;
        fetch_committed(
            cluster,
            coordinator,
            &self.options.group_id,
            Some(partitions),
        )
        .await
    }

    async fn commit_once(
        &mut self,
        cluster: &mut Cluster,
        offsets: &Offsets,
    ) -> Result<(), ClientError> {
        let request = OffsetCommitRequest {
            group_id: self.options.group_id.clone().into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.clone().into(),
            group_instance_id: self.options.instance_id.clone().map(Into::into),
            topics: offsets_by_topic(offsets),
            ..Default::default()
        };
        let coordinator = self.coordinator(cluster).await?;
        let frame = cluster
            .call_broker_below(coordinator, &request, BY_NAME_VERSION_MAX, Duration::ZERO)
            .await?;
        for topic in &frame.read()?.topics {
            for partition in &topic.partitions {
                let subject = || format!("{}-{}", topic.name, partition.partition_index);
                ClientError::check(partition.error_code, subject, None)?;
            }
        }
        Ok(())
    }

    async fn call<R: Request>(
        &mut self,
        cluster: &mut Cluster,
        request: &R,
    ) -> Result<Frame<R>, ClientError> {
        let coordinator = self.coordinator(cluster).await?;
        cluster.call_broker(coordinator, request).await
    }

    async fn coordinator(&mut self, cluster: &mut Cluster) -> Result<i32, ClientError> {
        if let Some(coordinator) = self.coordinator {
            return Ok(coordinator);
        }
        let found = cluster.coordinator(&self.options.group_id).await?;
        self.coordinator = Some(found);
        Ok(found)
    }

    fn check(&self, code: ErrorCode) -> Result<(), ClientError> {
        ClientError::check(code, || format!("group {}", self.options.group_id), None)
    }

    /// Forgets what an error shows to be wrong, and says how to go on.
    fn note(&mut self, error: &ClientError) -> Noted {
        match error.code() {
            Some(ErrorCode::MEMBER_ID_REQUIRED | ErrorCode::REBALANCE_IN_PROGRESS) => {
                Noted::AskAgain
            }
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => {
                self.member_id.clear();
                self.generation = -1;
                Noted::AskAgain
            }
            Some(ErrorCode::ILLEGAL_GENERATION) => {
                self.generation = -1;
                Noted::AskAgain
            }
            _ if error.is_retriable() => {
                self.coordinator = None;
                Noted::Wait
            }
            _ => Noted::Final,
        }
    }
}

enum Noted {
    AskAgain,
    Wait,
    Final,
}

const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "range";

/// Assigns as the leader: partitions of the topics that exist to who subscribed to them.
async fn assign(
    cluster: &mut Cluster,
    joined: &[JoinGroupResponseMember<'_>],
) -> Result<BTreeMap<String, Assignment>, ClientError> {
    let mut members = BTreeMap::new();
    let mut topics = BTreeMap::new();
    for member in joined {
        let subscription: ConsumerProtocolSubscription<'_> = read_blob(&member.metadata)?;
        let names: Vec<String> = subscription
            .topics
            .iter()
            .map(|topic| topic.to_string())
            .collect();
        for name in &names {
            if topics.contains_key(name) {
                continue;
            }
            let count = match cluster.topic(name).await {
                Ok(topic) => i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
                // A topic that does not exist has nothing to assign.
                Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => 0,
                Err(error) => return Err(error),
            };
            topics.insert(name.clone(), count);
        }
        members.insert(member.member_id.to_string(), names);
    }
    Ok(assign_range(&members, &topics))
}

fn to_wire(assignment: &Assignment) -> ConsumerProtocolAssignment<'_> {
    ConsumerProtocolAssignment {
        assigned_partitions: assignment
            .iter()
            .map(|(topic, partitions)| TopicPartition {
                topic: topic.as_str().into(),
                partitions: partitions.clone(),
            })
            .collect(),
        user_data: None,
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
