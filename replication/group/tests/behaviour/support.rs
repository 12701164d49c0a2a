//! A coordinator over a log that commits when the test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine_base::{Instant, TopicId};
use engine_record::{BatchView, Compression, Decompressor};
use replication_coordinator::{
    Append, AppendError, CoordinatorShard, Effects, Lifecycle, Moment, Producer, RuntimeConfig,
    Token, TransactionResult,
};
use replication_group::{
    Answer, Assignment, CompleteTransactionRequest, DescribedGroup, GroupConfig, GroupCoordinator,
    GroupError, HeartbeatRequest, JoinAnswer, JoinRequest, LeaveMemberAnswer, LeaveRequest,
    LeavingMember, Notice, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic,
    OffsetFetchRequest, OffsetFetchTopic, Protocol, Request, SyncAnswer, SyncRequest,
    TxnOffsetCommitRequest,
};

pub(crate) const GROUP: &str = "g";
pub(crate) const TOPIC: &str = "t";
const WALL_CLOCK_START_MS: i64 = 1_700_000_000_000;

pub(crate) struct Bench {
    pub(crate) shard: CoordinatorShard<GroupCoordinator>,
    pub(crate) config: GroupConfig,
    pub(crate) now_ms: u64,
    /// Commit each append at once.
    pub(crate) commits: bool,
    /// What the log holds, committed or not.
    pub(crate) log: Vec<Append>,
    /// The part of it that is not committed.
    pub(crate) in_flight: VecDeque<Append>,
    loaded_end: i64,
    pub(crate) notices: Vec<Notice>,
    answers: BTreeMap<Token, Answer>,
    asked: BTreeSet<Token>,
    deadline: Option<Instant>,
    /// Random draws so far; successors go on from there.
    pub(crate) draws: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_config(GroupConfig::default())
    }

    pub(crate) fn with_config(config: GroupConfig) -> Self {
        Self::load(config, Vec::new(), 0, 0)
    }

    /// A coordinator that has replayed this log up to its end, and commits what was not.
    pub(crate) fn load(
        config: GroupConfig,
        log: Vec<Append>,
        high_watermark: i64,
        now_ms: u64,
    ) -> Self {
        let mut bench = Self::load_uncommitted(config, log, high_watermark, now_ms);
        bench.commits = true;
        bench.commit_all();
        bench
    }

    pub(crate) fn load_uncommitted(
        config: GroupConfig,
        log: Vec<Append>,
        high_watermark: i64,
        now_ms: u64,
    ) -> Self {
        let machine = GroupCoordinator::new(config.clone());
        let mut shard = CoordinatorShard::new(machine, RuntimeConfig::default());
        let mut notices = Vec::new();
        let mut end = 0;
        for append in &log {
            end = append.base_offset + i64::try_from(append.body.record_count()).unwrap();
            load_append(&mut shard, append, high_watermark, &mut notices);
        }
        let in_flight = log
            .iter()
            .filter(|append| append.base_offset >= high_watermark);
        let mut bench = Self {
            shard,
            config,
            now_ms,
            commits: false,
            in_flight: in_flight.cloned().collect(),
            log,
            loaded_end: end,
            notices,
            answers: BTreeMap::new(),
            asked: BTreeSet::new(),
            deadline: None,
            draws: 0,
        };
        let effects = bench.shard.finish_load(bench.moment(), end, high_watermark);
        bench.perform(effects);
        bench
    }

    /// Another broker takes over: everything in the log is replayed.
    pub(crate) fn fail_over(&self) -> Self {
        let end = self.log.last().map_or(0, |append| {
            append.base_offset + i64::try_from(append.body.record_count()).unwrap()
        });
        let mut successor = Self::load(self.config.clone(), self.log.clone(), end, self.now_ms);
        successor.draws = self.draws;
        successor
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            now: Instant(self.now_ms * 1_000_000),
            timestamp: WALL_CLOCK_START_MS + i64::try_from(self.now_ms).unwrap(),
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Token {
        let token = Token(u64::try_from(self.asked.len()).unwrap());
        self.asked.insert(token);
        let effects = self.shard.handle(self.moment(), token, request);
        self.perform(effects);
        token
    }

    pub(crate) fn perform(&mut self, effects: Effects<GroupCoordinator>) {
        self.deadline = effects.deadline;
        self.notices.extend(effects.notices);
        for (token, answer) in effects.answers {
            assert!(
                self.asked.contains(&token),
                "an answer to nobody: {answer:?}"
            );
            let previous = self.answers.insert(token, answer);
            assert!(previous.is_none(), "{token:?} was answered twice");
        }
        for append in effects.appends {
            self.shard
                .on_appended(append.id, append.base_offset)
                .unwrap();
            self.log.push(append.clone());
            self.in_flight.push_back(append);
        }
        if self.commits {
            self.commit_all();
        }
    }

    pub(crate) fn commit_one(&mut self) {
        if let Some(append) = self.in_flight.pop_front() {
            let end = append.base_offset + i64::try_from(append.body.record_count()).unwrap();
            let effects = self.shard.on_high_watermark(self.moment(), end);
            self.perform(effects);
        }
    }

    pub(crate) fn commit_all(&mut self) {
        while !self.in_flight.is_empty() {
            self.commit_one();
        }
    }

    /// The log loses the oldest append of this coordinator that is in flight, and with it all
    /// later ones. What was in the log when it was loaded stays there.
    pub(crate) fn fail_oldest(&mut self, error: AppendError) {
        let loaded_end = self.loaded_end;
        let mut in_flight = self.in_flight.iter();
        let Some(first) = in_flight.find(|append| append.base_offset >= loaded_end) else {
            return;
        };
        let (first, end) = (first.id, first.base_offset);
        self.log.retain(|append| append.base_offset < end);
        self.in_flight.retain(|append| append.base_offset < end);
        let effects = self.shard.on_append_failed(self.moment(), first, error);
        self.perform(effects);
    }

    /// Lets time pass, and timers fire when they are due.
    pub(crate) fn advance(&mut self, ms: u64) {
        let target = self.now_ms + ms;
        while let Some(deadline) = self.deadline.filter(|due| due.0 <= target * 1_000_000) {
            self.now_ms = self.now_ms.max(deadline.0.div_ceil(1_000_000));
            let effects = self.shard.on_timer(self.moment());
            self.perform(effects);
        }
        self.now_ms = target;
    }

    pub(crate) fn unload(&mut self) {
        self.in_flight.clear();
        let effects = self.shard.unload(self.moment());
        self.perform(effects);
        assert_eq!(self.shard.lifecycle(), Lifecycle::Closed);
    }

    pub(crate) fn answered(&self, token: Token) -> Option<&Answer> {
        self.answers.get(&token)
    }

    pub(crate) fn unanswered(&self) -> Vec<Token> {
        let tokens = self.asked.iter();
        tokens
            .filter(|token| !self.answers.contains_key(token))
            .copied()
            .collect()
    }

    pub(crate) fn random(&mut self) -> [u8; 16] {
        self.draws += 1;
        let mut bits = [0; 16];
        bits[8..].copy_from_slice(&self.draws.to_be_bytes());
        bits
    }

    // Requests and their answers.

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

    // Groups in a state.

    /// A stable group of one dynamic member: its id and generation.
    pub(crate) fn stable(&mut self) -> (Arc<str>, i32) {
        let (leader, generation) = self.completing();
        let token = self.sync(&leader, generation, &[(&*leader, "all")]);
        self.commit_all();
        assert_eq!(self.assignment(token), "all");
        (leader, generation)
    }

    /// A group of one dynamic member that has joined and not synced.
    pub(crate) fn completing(&mut self) -> (Arc<str>, i32) {
        let (leader, token) = self.join_new();
        self.advance(3_000);
        let answer = self.join_answer(token);
        assert_eq!((answer.error, &answer.leader), (None, &leader));
        (leader, answer.generation_id)
    }

    /// A stable group of several dynamic members, the leader first.
    pub(crate) fn stable_of(&mut self, count: usize) -> (Vec<Arc<str>>, i32) {
        let joined: Vec<(Arc<str>, Token)> = (0..count).map(|_| self.join_new()).collect();
        self.advance(3_000 * 3);
        let leader = self.join_answer(joined[0].1).leader;
        let generation = self.join_answer(joined[0].1).generation_id;
        let mut ids: Vec<Arc<str>> = joined.into_iter().map(|(id, _)| id).collect();
        ids.sort_by_key(|id| *id != leader);
        let given: Vec<(&str, &str)> = ids.iter().map(|id| (&**id, &**id)).collect();
        for id in ids.iter().rev() {
            self.sync(id, generation, &given);
        }
        self.commit_all();
        assert_eq!(self.state(), "Stable");
        (ids, generation)
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

/// Through the bytes of the log, some compressed.
fn load_append(
    shard: &mut CoordinatorShard<GroupCoordinator>,
    append: &Append,
    high_watermark: i64,
    notices: &mut Vec<Notice>,
) {
    let compression = match append.base_offset % 8 {
        7 => Compression::Lz4,
        _ => Compression::None,
    };
    let bytes = append.to_batch(compression);
    let batch = BatchView::read(&bytes).unwrap();
    batch.check_crc().unwrap();
    let mut decompressor = Decompressor::default();
    shard
        .load_batch(&batch, &mut decompressor, high_watermark, notices)
        .unwrap();
}
