//! JoinGroup.

use std::fmt::Write as _;
use std::sync::Arc;

use replication_coordinator::Token;

use super::group::ClassicGroup;
use super::member::{Member, distinct};
use super::milliseconds;
use super::state::ClassicState;
use crate::answer::{Answer, JoinAnswer};
use crate::config::GroupConfig;
use crate::coordinator::{Completion, Ctx, Outcome};
use crate::error::GroupError;
use crate::limits::{
    MEMBER_ID_PREFIX_BYTES_MAX, PENDING_MEMBERS_MAX, PROTOCOLS_MAX, REASON_BYTES_MAX,
};
use crate::notice::Notice;
use crate::request::JoinRequest;
use crate::timer::{TimerKey, TimerTask};

/// Whether a JoinGroup found its group or made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupOrigin {
    Existing,
    Created,
}

impl ClassicGroup {
    /// Handles a JoinGroup whose group exists by now.
    pub(crate) fn join(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        token: Token,
        mut request: JoinRequest,
        origin: GroupOrigin,
    ) -> Outcome {
        if request.protocols.len() > PROTOCOLS_MAX {
            ctx.notice(Notice::BoundReached {
                group_id: self.id.clone(),
                what: "protocols of one member",
            });
            request.protocols.clear(); // which no group supports
        }
        request.protocols = distinct(request.protocols);
        let mut outcome = if !self.accepts_joining(config, &request.member_id) {
            let member_id = request.member_id;
            self.drop_member(ctx, &member_id, "the group is full");
            self.remove_member(&member_id); // or the id that was handed out
            refuse("", GroupError::GroupMaxSizeReached)
        } else if request.member_id.is_empty() {
            self.join_new(config, ctx, token, request)
        } else {
            self.join_known(config, ctx, token, request)
        };
        if origin == GroupOrigin::Created {
            // A group begins with a record, so that it is known where it is coordinated next. Its
            // first rebalance waits: no other record can have been written.
            assert!(!outcome.writes());
            outcome.work = Outcome::applied(vec![self.empty_record()]).work;
            outcome.completion = Some(Completion::group_written(&self.id, "the new group"));
        }
        outcome
    }

    /// Whether there is room. While members rejoin, those that have come count, not those that
    /// are known: when `group.max.size` was lowered, the last to rejoin are out.
    fn accepts_joining(&self, config: &GroupConfig, member_id: &str) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            ClassicState::Empty | ClassicState::Dead => true,
            ClassicState::PreparingRebalance => {
                member.is_some_and(Member::is_awaiting_join)
                    || self.awaiting_join_count() < config.max_size
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                member.is_some() || self.members.len() < config.max_size
            }
        }
    }

    fn join_new(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        token: Token,
        request: JoinRequest,
    ) -> Outcome {
        if self.is_in(ClassicState::Dead) {
            return refuse("", GroupError::CoordinatorNotAvailable);
        }
        if !self.supports_protocols(&request.protocol_type, &request.protocols) {
            return refuse("", GroupError::InconsistentGroupProtocol);
        }
        let member_id = new_member_id(&request);
        if let Some(instance_id) = &request.group_instance_id {
            return match self.static_members.get(instance_id.as_str()) {
                Some(current) => {
                    let current = current.clone();
                    self.replace_static(config, ctx, token, request, current, member_id)
                }
                None => self.add_and_rebalance(config, ctx, token, request, member_id),
            };
        }
        if !request.requires_known_member_id {
            return self.add_and_rebalance(config, ctx, token, request, member_id);
        }
        if self.pending_joins.len() >= PENDING_MEMBERS_MAX {
            ctx.notice(Notice::BoundReached {
                group_id: self.id.clone(),
                what: "member ids handed out",
            });
            return refuse("", GroupError::GroupMaxSizeReached);
        }
        // KIP-394: a client that never sees this answer leaves no member behind, only an id.
        self.pending_joins.insert(member_id.clone());
        let key = TimerKey::Session(self.id.clone(), member_id.clone());
        let timeout = milliseconds(request.session_timeout_ms);
        ctx.schedule(key, timeout, TimerTask::ExpireSession);
        refuse(member_id, GroupError::MemberIdRequired)
    }

    fn join_known(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        token: Token,
        request: JoinRequest,
    ) -> Outcome {
        let member_id: Arc<str> = Arc::from(request.member_id.as_str());
        if self.is_in(ClassicState::Dead) {
            return refuse(member_id, GroupError::CoordinatorNotAvailable);
        }
        if !self.supports_protocols(&request.protocol_type, &request.protocols) {
            return refuse(member_id, GroupError::InconsistentGroupProtocol);
        }
        if self.pending_joins.contains(&member_id) {
            // Ids are handed out to dynamic members only: Kafka takes this for its own mistake.
            if request.group_instance_id.is_some() {
                return refuse(member_id, GroupError::UnknownServerError);
            }
            return self.add_and_rebalance(config, ctx, token, request, member_id);
        }
        if let Err(error) = self.validate_member(&member_id, request.group_instance_id.as_deref()) {
            return refuse(member_id, error);
        }
        let member = &self.members[&member_id];
        let is_changed = member.protocols != request.protocols;
        let is_leader = self.is_leader(&member_id);
        let why = match self.state {
            ClassicState::PreparingRebalance => "joins",
            ClassicState::CompletingRebalance if is_changed => "joins with other metadata",
            // The leader may know of a reason that its metadata does not show, such as a topic
            // that has more partitions now.
            ClassicState::Stable if is_leader => "leads and joins again",
            ClassicState::Stable if is_changed => "joins with other metadata",
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                // It has lost the answer to its JoinGroup, or asks once more: nothing is new.
                let with_members = is_leader && self.is_in(ClassicState::CompletingRebalance);
                return Outcome::now(Answer::Join(self.join_answer(&member_id, with_members)));
            }
            // No member is known to an empty group; it was refused above.
            ClassicState::Empty | ClassicState::Dead => {
                return refuse(member_id, GroupError::UnknownMemberId);
            }
        };
        let reason = format!("member {member_id} {why}{}", client_reason(&request));
        self.update_member(
            &member_id,
            request.protocols,
            request.rebalance_timeout_ms,
            request.session_timeout_ms,
        );
        self.park_join(ctx, &member_id, token);
        self.maybe_prepare_rebalance_or_complete_join(config, ctx, reason)
    }

    fn add_and_rebalance(
        &mut self,
        config: &GroupConfig,
        ctx: &mut Ctx<'_>,
        token: Token,
        request: JoinRequest,
        member_id: Arc<str>,
    ) -> Outcome {
        let reason = format!("member {member_id} is new{}", client_reason(&request));
        if self.is_in(ClassicState::PreparingRebalance)
            && self.previous_state == ClassicState::Empty
        {
            self.new_member_added = true;
        }
        let member = Member {
            id: member_id.clone(),
            instance_id: request.group_instance_id.as_deref().map(Arc::from),
            client_id: Arc::from(request.client_id),
            client_host: Arc::from(request.client_host),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Arc::from([]),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
        };
        self.add_member(&request.protocol_type, member);
        self.park_join(ctx, &member_id, token);
        // It cannot heartbeat before it knows its id, and a lost connection does not show while
        // the request is parked. A client that gives up and joins anew would leave one member
        // behind at each attempt; this ends them.
        let key = TimerKey::Session(self.id.clone(), member_id);
        ctx.schedule(
            key,
            config.new_member_join_timeout,
            TimerTask::ExpireSession,
        );
        self.maybe_prepare_rebalance_or_complete_join(config, ctx, reason)
    }
}

pub(super) fn refuse(member_id: impl Into<Arc<str>>, error: GroupError) -> Outcome {
    Outcome::now(Answer::Join(JoinAnswer::error(member_id, error)))
}

/// `<instance or client id>-<random UUID>`, as Kafka makes them.
fn new_member_id(request: &JoinRequest) -> Arc<str> {
    let prefix = request
        .group_instance_id
        .as_deref()
        .unwrap_or(&request.client_id);
    let mut id = cut(prefix, MEMBER_ID_PREFIX_BYTES_MAX).to_owned();
    let mut bits = request.random;
    bits[6] = (bits[6] & 0x0f) | 0x40; // version 4
    bits[8] = (bits[8] & 0x3f) | 0x80; // variant 1
    for (index, byte) in bits.into_iter().enumerate() {
        if matches!(index, 0 | 4 | 6 | 8 | 10) {
            id.push('-');
        }
        write!(id, "{byte:02x}").expect("a string takes all writes");
    }
    Arc::from(id)
}

/// At most this many bytes of a text, and whole characters.
pub(super) fn cut(text: &str, size_bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(size_bytes_max)]
}

pub(super) fn client_reason(request: &JoinRequest) -> String {
    match request.reason.as_deref() {
        None | Some("") => String::new(),
        Some(reason) => format!("; its reason: {}", cut(reason, REASON_BYTES_MAX)),
    }
}
