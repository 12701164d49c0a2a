//! The machine: which request goes where, which record changes what.

use std::sync::Arc;

use engine_base::HashMap;
use replication_coordinator::{
    AppendId, Context, Decoded, Failure, KeyValue, Machine, Outcome as RuntimeOutcome, Position,
    TimelineMap, Token, TransactionResult, Work,
};

use crate::answer::{Answer, JoinAnswer, LeaveMemberAnswer, SyncAnswer};
use crate::classic::{
    AssignmentUpdate, ClassicGroup, ClassicState, GroupOrigin, StaticMemberUpdate,
};
use crate::config::GroupConfig;
use crate::door;
use crate::error::GroupError;
use crate::limits::GROUPS_MAX;
use crate::notice::Notice;
use crate::offsets::Offsets;
use crate::record::{ForeignType, Read, Record, RecordError};
use crate::request::{CompleteTransactionRequest, HeartbeatRequest, JoinRequest, Request};
use crate::timer::{TimerKey, TimerTask};

pub(crate) type Ctx<'a> = Context<'a, GroupCoordinator>;
pub(crate) type Outcome = RuntimeOutcome<GroupCoordinator>;

/// All groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct GroupCoordinator {
    pub(crate) config: GroupConfig,
    pub(crate) groups: TimelineMap<Arc<str>, ClassicGroup>,
    pub(crate) offsets: Offsets,
    /// Groups of protocols that are not served; found in the log, never written.
    pub(crate) foreign: HashMap<Arc<str>, ForeignType>,
}

/// What to finish when a group's records are committed, or to take back when they are lost.
#[derive(Debug)]
pub struct Completion {
    group_id: Arc<str>,
    kind: CompletionKind,
}

#[derive(Debug)]
enum CompletionKind {
    /// Nothing waits for it; the operator hears of a loss.
    GroupWritten(&'static str),
    /// The leader's assignment.
    Assignment(AssignmentUpdate),
    /// The new id of a static member.
    StaticMember(StaticMemberUpdate),
}

impl Completion {
    fn new(group_id: &Arc<str>, kind: CompletionKind) -> Self {
        Self {
            group_id: group_id.clone(),
            kind,
        }
    }

    pub(crate) fn group_written(group_id: &Arc<str>, what: &'static str) -> Self {
        Self::new(group_id, CompletionKind::GroupWritten(what))
    }

    pub(crate) fn assignment(group_id: &Arc<str>, update: AssignmentUpdate) -> Self {
        Self::new(group_id, CompletionKind::Assignment(update))
    }

    pub(crate) fn static_member(group_id: &Arc<str>, update: StaticMemberUpdate) -> Self {
        Self::new(group_id, CompletionKind::StaticMember(update))
    }
}

impl GroupCoordinator {
    /// A coordinator without groups, to be loaded.
    #[must_use]
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            groups: TimelineMap::new(),
            offsets: Offsets::default(),
            foreign: HashMap::default(),
        }
    }

    fn join(&mut self, ctx: &mut Ctx<'_>, token: Token, request: JoinRequest) -> Outcome {
        let refuse = |member_id: &str, error| {
            Outcome::now(Answer::Join(JoinAnswer::error(member_id, error)))
        };
        if self.foreign.contains_key(request.group_id.as_str()) {
            return refuse("", GroupError::InconsistentGroupProtocol);
        }
        let mut origin = GroupOrigin::Existing;
        if self.groups.latest(request.group_id.as_str()).is_none() {
            // Who has an id has it from a group that is gone.
            if !request.member_id.is_empty() {
                return refuse(&request.member_id, GroupError::UnknownMemberId);
            }
            if self.groups.len() >= GROUPS_MAX {
                ctx.notice(Notice::BoundReached {
                    group_id: Arc::from(request.group_id),
                    what: "groups of this partition",
                });
                return refuse("", GroupError::GroupMaxSizeReached);
            }
            origin = GroupOrigin::Created;
            let id: Arc<str> = Arc::from(request.group_id.as_str());
            let group = ClassicGroup::new(id.clone(), ctx.moment.timestamp);
            self.groups.put(ctx.append, id, Some(group));
        }
        let Self { config, groups, .. } = self;
        let group = groups
            .latest_mut(request.group_id.as_str())
            .expect("it was there or was made");
        group.join(config, ctx, token, request, origin)
    }

    fn heartbeat(&self, ctx: &mut Ctx<'_>, request: &HeartbeatRequest) -> Outcome {
        let result = match self.groups.latest(request.group_id.as_str()) {
            Some(group) => group.heartbeat(ctx, request),
            None => Err(GroupError::UnknownMemberId),
        };
        let answer = Answer::Heartbeat(result);
        match result {
            Ok(()) | Err(GroupError::RebalanceInProgress) => Outcome::after_writes(answer),
            Err(_) => Outcome::now(answer),
        }
    }

    fn complete_transaction(request: CompleteTransactionRequest) -> Outcome {
        Outcome {
            work: Work::Marker {
                producer: request.producer,
                coordinator_epoch: request.coordinator_epoch,
                result: request.result,
            },
            reply: None,
            completion: None,
        }
        .replying(Answer::CompleteTransaction(Ok(())))
    }

    /// Calls a group that may be gone by now.
    fn with_group(
        &mut self,
        group_id: &str,
        call: impl FnOnce(&GroupConfig, &mut ClassicGroup) -> Outcome,
    ) -> Outcome {
        let Self { config, groups, .. } = self;
        match groups.latest_mut(group_id) {
            Some(group) => call(config, group),
            None => Outcome::none(),
        }
    }
}

impl Machine for GroupCoordinator {
    type Request = Request;
    type Answer = Answer;
    type Record = Record;
    type Completion = Completion;
    type TimerKey = TimerKey;
    type TimerTask = TimerTask;
    type Notice = Notice;
    type DecodeError = RecordError;

    fn screen(&self, request: &Request) -> Option<Answer> {
        door::screen(&self.config, request)
    }

    fn handle(&mut self, ctx: &mut Ctx<'_>, token: Token, request: Request) -> Outcome {
        match request {
            Request::Join(request) => self.join(ctx, token, request),
            Request::Sync(request) => match self.groups.latest_mut(request.group_id.as_str()) {
                Some(group) => group.sync(ctx, token, request),
                None => Outcome::now(Answer::Sync(SyncAnswer::error(GroupError::UnknownMemberId))),
            },
            Request::Heartbeat(request) => self.heartbeat(ctx, &request),
            Request::Leave(request) => {
                let Self { config, groups, .. } = self;
                match groups.latest_mut(request.group_id.as_str()) {
                    Some(group) => group.leave(config, ctx, request),
                    None => {
                        let members = request.members.into_iter().map(|member| LeaveMemberAnswer {
                            member_id: member.member_id,
                            group_instance_id: member.group_instance_id,
                            error: Some(GroupError::UnknownMemberId),
                        });
                        Outcome::now(Answer::Leave(Ok(members.collect())))
                    }
                }
            }
            Request::OffsetCommit(request) => self.commit_offsets(ctx, request),
            Request::TxnOffsetCommit(request) => self.commit_transactional_offsets(ctx, request),
            Request::OffsetFetch(request) => self.fetch_offsets(request),
            Request::OffsetDelete(request) => self.delete_offsets(request),
            Request::DescribeGroups(group_ids) => self.describe(group_ids),
            Request::ListGroups(request) => self.list(&request),
            Request::DeleteGroups(group_ids) => self.delete_groups(group_ids),
            Request::CompleteTransaction(request) => Self::complete_transaction(request),
            Request::TopicsDeleted(topics) => {
                Outcome::records(self.delete_offsets_of_topics(&topics))
                    .in_any_batches()
                    .replying(Answer::TopicsDeleted(Ok(())))
            }
        }
    }

    fn on_timer(&mut self, ctx: &mut Ctx<'_>, key: TimerKey, task: TimerTask) -> Outcome {
        match (key, task) {
            (TimerKey::Expiry, _) => self.expire(ctx),
            (TimerKey::Session(group_id, member_id), _) => self
                .with_group(&group_id, |config, group| {
                    group.on_session_expired(config, ctx, &member_id)
                }),
            (
                TimerKey::Join(group_id),
                TimerTask::InitialDelay {
                    delay_ms,
                    remaining_ms,
                },
            ) => self.with_group(&group_id, |config, group| {
                group.on_initial_delay(config, ctx, delay_ms, remaining_ms)
            }),
            (TimerKey::Join(group_id), _) => {
                self.with_group(&group_id, |_, group| group.complete_join(ctx))
            }
            (TimerKey::Sync(group_id), TimerTask::ExpireSync { generation_id }) => self
                .with_group(&group_id, |config, group| {
                    group.on_sync_timeout(config, ctx, generation_id)
                }),
            (TimerKey::Sync(_), _) => unreachable!("a sync timer expires syncs"),
        }
    }

    fn on_completion(
        &mut self,
        ctx: &mut Ctx<'_>,
        completion: Completion,
        result: Result<(), Failure>,
    ) -> Outcome {
        let Completion { group_id, kind } = completion;
        match kind {
            CompletionKind::GroupWritten(what) => {
                if result.is_err() {
                    ctx.notice(Notice::RecordsLost { group_id, what });
                }
                Outcome::none()
            }
            CompletionKind::Assignment(update) => self.with_group(&group_id, |config, group| {
                group.on_assignment_written(config, ctx, update, result)
            }),
            CompletionKind::StaticMember(update) => self.with_group(&group_id, |_, group| {
                group.on_static_member_written(ctx, update, result);
                Outcome::none()
            }),
        }
    }

    fn replay(&mut self, position: Position, record: Record) {
        match record {
            Record::OffsetCommit { key, value } => {
                // Offsets may be all there is of a group: of a simple one, or of one whose own
                // record was compacted away or stands further on in the log.
                if let Some(value) = &value
                    && self.groups.latest(&key.group_id).is_none()
                    && !self.foreign.contains_key(&key.group_id)
                {
                    let group = ClassicGroup::new(key.group_id.clone(), value.commit_timestamp);
                    self.groups
                        .put(position.append, key.group_id.clone(), Some(group));
                }
                self.offsets.replay(position, &key, value);
            }
            Record::GroupMetadata { group_id, value } => {
                let group = value.map(|value| {
                    self.foreign.remove(&group_id);
                    ClassicGroup::from_record(group_id.clone(), value)
                });
                self.groups.put(position.append, group_id, group);
            }
            Record::ForeignGroup {
                group_id,
                is_tombstone: true,
                ..
            } => {
                self.foreign.remove(&group_id);
            }
            Record::ForeignGroup {
                group_id,
                group_type,
                ..
            } => {
                let existing = self.groups.latest(&group_id);
                if existing.is_some_and(ClassicGroup::is_simple) {
                    self.groups.put(position.append, group_id.clone(), None);
                }
                self.foreign.insert(group_id, group_type);
            }
        }
    }

    fn replay_marker(&mut self, position: Position, producer_id: i64, result: TransactionResult) {
        self.offsets.replay_marker(position, producer_id, result);
    }

    fn commit(&mut self, up_to: AppendId) {
        self.groups.commit(up_to);
        self.offsets.commit(up_to);
    }

    fn revert(&mut self, ctx: &mut Ctx<'_>, from: AppendId, failure: Failure) {
        // A group that never was: its first members may be waiting in it.
        for mut group in self.groups.revert(from) {
            group.fail_parked(ctx, GroupError::of_failure(failure));
        }
        self.offsets.revert(from);
    }

    fn on_loaded(&mut self, ctx: &mut Ctx<'_>) -> Outcome {
        Self::schedule_expiry(&self.config, ctx);
        let mut foreign: Vec<(Arc<str>, ForeignType)> = self
            .foreign
            .iter()
            .map(|(id, kind)| (id.clone(), *kind))
            .collect();
        foreign.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (group_id, group_type) in foreign {
            ctx.notice(Notice::ForeignGroup {
                group_id,
                group_type: group_type.name(),
            });
        }
        let Self { config, groups, .. } = self;
        let mut loaded: Vec<&mut ClassicGroup> =
            groups.iter_latest_mut().map(|(_, group)| group).collect();
        loaded.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for group in loaded {
            group.on_loaded(config, ctx);
        }
        Outcome::none()
    }

    fn on_unloaded(&mut self, ctx: &mut Ctx<'_>) {
        let groups = self.groups.iter_latest_mut().map(|(_, group)| group);
        let mut groups: Vec<&mut ClassicGroup> = groups.collect();
        groups.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for group in groups {
            group.die(ctx);
        }
    }

    fn refuse(request: Request, failure: Failure) -> Answer {
        door::refuse(request, failure)
    }

    fn fail(answer: Answer, failure: Failure) -> Answer {
        door::fail(answer, failure)
    }

    fn encode(record: &Record) -> KeyValue {
        record.encode()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Decoded<Self>, RecordError> {
        Ok(match Record::decode(key, value)? {
            Read::Record(record) => Decoded::Record(record),
            Read::Foreign => Decoded::Ignored(None),
            Read::Unknown { record_type } => {
                Decoded::Ignored(Some(Notice::UnknownRecordType { record_type }))
            }
        })
    }
}

impl ClassicGroup {
    /// Sessions begin; a group that is larger than is allowed by now rebalances, which gives its
    /// members a chance to commit before the last to come are out.
    fn on_loaded(&mut self, config: &GroupConfig, ctx: &mut Ctx<'_>) {
        for member_id in self.members.keys() {
            self.reschedule_session(ctx, member_id);
        }
        if self.members.len() > config.max_size {
            assert!(self.is_in(ClassicState::Stable));
            let reason = format!("{} members are more than allowed", self.members.len());
            let outcome = self.prepare_rebalance(config, ctx, reason);
            assert!(!outcome.writes(), "nobody has joined yet");
        }
    }
}
