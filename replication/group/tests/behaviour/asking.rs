//! Requests with what tests do not care about filled in, and their answers.

use std::sync::Arc;

use engine_base::TopicId;
use replication_coordinator::{Producer, Token, TransactionResult};
use replication_group::{
    Answer, Assignment, CompleteTransactionRequest, DescribedGroup, GroupError, HeartbeatRequest,
    JoinAnswer, JoinRequest, LeaveMemberAnswer, LeaveRequest, LeavingMember, OffsetCommitPartition,
    OffsetCommitRequest, OffsetCommitTopic, OffsetFetchRequest, OffsetFetchTopic, Protocol,
    Request, SyncAnswer, SyncRequest, TxnOffsetCommitRequest,
};

use crate::support::{Bench, GROUP, TOPIC};

impl Bench {
    pub(crate) fn join_request(&mut self, member_id: &str) -> JoinRequest {
        JoinRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id.to_owned(),
            group_instance_id: None,
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: "consumer".to_owned(),
            protocols: vec![protocol("range", &subscription(&[TOPIC]))],
            reason: None,
            requires_known_member_id: true,
            supports_skipping_assignment: true,
            random: self.random(),
        }
    }

    pub(crate) fn join(&mut self, request: JoinRequest) -> Token {
        self.ask(Request::Join(request))
    }

    /// A dynamic member gets its id and parks.
    pub(crate) fn join_new(&mut self) -> (Arc<str>, Token) {
        let request = self.join_request("");
        let first = self.join(request);
        let answer = self.join_answer(first);
        assert_eq!(answer.error, Some(GroupError::MemberIdRequired));
        let request = self.join_request(&answer.member_id);
        let token = self.join(request);
        (answer.member_id, token)
    }

    pub(crate) fn join_static(&mut self, instance_id: &str, member_id: &str) -> Token {
        let mut request = self.join_request(member_id);
        request.group_instance_id = Some(instance_id.to_owned());
        self.join(request)
    }

    pub(crate) fn join_answer(&self, token: Token) -> JoinAnswer {
        match self.answered(token) {
            Some(Answer::Join(answer)) => answer.clone(),
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn join_error(&self, token: Token) -> Option<GroupError> {
        self.join_answer(token).error
    }

    pub(crate) fn sync(
        &mut self,
        member_id: &str,
        generation_id: i32,
        given: &[(&str, &str)],
    ) -> Token {
        self.sync_as(member_id, None, generation_id, given)
    }

    pub(crate) fn sync_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation_id: i32,
        given: &[(&str, &str)],
    ) -> Token {
        let assignments = given.iter().map(|(member_id, assignment)| Assignment {
            member_id: (*member_id).to_owned(),
            assignment: Arc::from(assignment.as_bytes()),
        });
        self.ask(Request::Sync(SyncRequest {
            group_id: GROUP.to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            group_instance_id: instance_id.map(str::to_owned),
            protocol_type: Some("consumer".to_owned()),
            protocol_name: None,
            assignments: assignments.collect(),
        }))
    }

    pub(crate) fn sync_answer(&self, token: Token) -> SyncAnswer {
        match self.answered(token) {
            Some(Answer::Sync(answer)) => answer.clone(),
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn assignment(&self, token: Token) -> String {
        let answer = self.sync_answer(token);
        assert_eq!(answer.error, None);
        String::from_utf8(answer.assignment.to_vec()).unwrap()
    }

    pub(crate) fn heartbeat(
        &mut self,
        member_id: &str,
        generation_id: i32,
    ) -> Result<(), GroupError> {
        self.heartbeat_as(member_id, None, generation_id)
    }

    pub(crate) fn heartbeat_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation_id: i32,
    ) -> Result<(), GroupError> {
        let token = self.ask(Request::Heartbeat(HeartbeatRequest {
            group_id: GROUP.to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            group_instance_id: instance_id.map(str::to_owned),
        }));
        match self.answered(token) {
            Some(Answer::Heartbeat(result)) => *result,
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn leave_token(&mut self, members: &[(&str, Option<&str>)]) -> Token {
        let members = members
            .iter()
            .map(|(member_id, instance_id)| LeavingMember {
                member_id: (*member_id).to_owned(),
                group_instance_id: instance_id.map(str::to_owned),
                reason: None,
            });
        self.ask(Request::Leave(LeaveRequest {
            group_id: GROUP.to_owned(),
            members: members.collect(),
        }))
    }

    pub(crate) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<Option<GroupError>> {
        let token = self.leave_token(members);
        match self.answered(token) {
            Some(Answer::Leave(Ok(members))) => members
                .iter()
                .map(|member: &LeaveMemberAnswer| member.error)
                .collect(),
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn commit_request(
        member_id: &str,
        generation_id: i32,
        offset: i64,
    ) -> OffsetCommitRequest {
        OffsetCommitRequest {
            group_id: GROUP.to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            group_instance_id: None,
            retention_time_ms: None,
            supports_group_id_not_found: true,
            topics: vec![topic(TOPIC, 0, offset)],
        }
    }

    pub(crate) fn commit_offset_token(
        &mut self,
        member_id: &str,
        generation_id: i32,
        offset: i64,
    ) -> Token {
        let request = Self::commit_request(member_id, generation_id, offset);
        self.ask(Request::OffsetCommit(request))
    }

    pub(crate) fn commit_offset(
        &mut self,
        member_id: &str,
        generation_id: i32,
        offset: i64,
    ) -> Option<GroupError> {
        let token = self.commit_offset_token(member_id, generation_id, offset);
        self.commit_error(token)
    }

    pub(crate) fn commit_error(&self, token: Token) -> Option<GroupError> {
        match self.answered(token) {
            Some(Answer::OffsetCommit(topics)) => topics[0].partitions[0].1,
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn commit_in_transaction(
        &mut self,
        producer_id: i64,
        member_id: &str,
        generation_id: i32,
        offset: i64,
    ) -> Option<GroupError> {
        let token = self.ask(Request::TxnOffsetCommit(TxnOffsetCommitRequest {
            group_id: GROUP.to_owned(),
            producer: Producer {
                id: producer_id,
                epoch: 0,
            },
            generation_id,
            member_id: member_id.to_owned(),
            group_instance_id: None,
            supports_group_id_not_found: true,
            topics: vec![topic(TOPIC, 0, offset)],
        }));
        self.commit_error(token)
    }

    pub(crate) fn end_transaction(&mut self, producer_id: i64, result: TransactionResult) {
        let token = self.ask(Request::CompleteTransaction(CompleteTransactionRequest {
            producer: Producer {
                id: producer_id,
                epoch: 0,
            },
            coordinator_epoch: 1,
            result,
        }));
        assert_eq!(
            self.answered(token),
            Some(&Answer::CompleteTransaction(Ok(())))
        );
    }

    pub(crate) fn fetch_token(&mut self, require_stable: bool) -> Token {
        self.ask(Request::OffsetFetch(OffsetFetchRequest {
            group_id: GROUP.to_owned(),
            topics: Some(vec![OffsetFetchTopic {
                topic_id: TopicId::ZERO,
                name: TOPIC.to_owned(),
                partitions: vec![0],
            }]),
            require_stable,
        }))
    }

    /// Offset and error of partition 0, as fetched without waiting for anything.
    pub(crate) fn fetch(&mut self) -> i64 {
        let token = self.fetch_token(false);
        self.fetched(token).0
    }

    pub(crate) fn fetched(&self, token: Token) -> (i64, Option<GroupError>) {
        match self.answered(token) {
            Some(Answer::OffsetFetch(Ok(topics))) => {
                let partition = &topics[0].partitions[0];
                (partition.committed_offset, partition.error)
            }
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn describe(&mut self) -> DescribedGroup {
        self.describe_group(GROUP)
    }

    pub(crate) fn describe_group(&mut self, group_id: &str) -> DescribedGroup {
        let token = self.ask(Request::DescribeGroups(vec![group_id.to_owned()]));
        match self.answered(token) {
            Some(Answer::DescribeGroups(groups)) => groups[0].clone(),
            other => panic!("{token:?} has {other:?}"),
        }
    }

    pub(crate) fn state(&mut self) -> &'static str {
        self.describe().state
    }
}

pub(crate) fn protocol(name: &str, metadata: &[u8]) -> Protocol {
    Protocol {
        name: name.to_owned(),
        metadata: Arc::from(metadata),
    }
}

/// A ConsumerProtocolSubscription, version 0.
pub(crate) fn subscription(topics: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes
}

pub(crate) fn topic(name: &str, partition: i32, committed_offset: i64) -> OffsetCommitTopic {
    OffsetCommitTopic {
        topic_id: TopicId::ZERO,
        name: name.to_owned(),
        partitions: vec![OffsetCommitPartition {
            partition,
            committed_offset,
            committed_leader_epoch: None,
            metadata: None,
        }],
    }
}
