//! The state of one classic group, and what can be computed from it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine_base::Timestamp;
use replication_coordinator::Token;

use super::member::Member;
use super::state::ClassicState;
use crate::answer::{Answer, JoinAnswer, SyncAnswer};
use crate::consumer_protocol;
use crate::coordinator::Ctx;
use crate::error::GroupError;
use crate::notice::Notice;
use crate::record::{GroupMetadata, MemberMetadata};
use crate::request::Protocol;

/// A classic group. Without a protocol type and members it is a *simple* group: a name under
/// which offsets are committed.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) id: Arc<str>,
    pub(super) state: ClassicState,
    /// Tells the first rebalance of an empty group, which waits for more members, from others.
    pub(super) previous_state: ClassicState,
    /// When the state was entered; none when an old record did not say.
    pub(crate) state_timestamp: Option<Timestamp>,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol_name: Option<Arc<str>>,
    pub(crate) generation_id: i32,
    pub(crate) leader_id: Option<Arc<str>>,
    pub(crate) members: BTreeMap<Arc<str>, Member>,
    /// Instance id to member id.
    pub(super) static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids handed out by MEMBER_ID_REQUIRED that have not come back; never members.
    pub(super) pending_joins: BTreeSet<Arc<str>>,
    /// Members that have not sent SyncGroup in this generation.
    pub(super) pending_syncs: BTreeSet<Arc<str>>,
    /// Members with a parked JoinGroup.
    awaiting_join_count: usize,
    /// How many members support a protocol; no zeros.
    supported_protocols: BTreeMap<String, usize>,
    /// None when not known: no consumer group, no generation yet, or unreadable.
    pub(crate) subscribed_topics: Option<BTreeSet<String>>,
    /// A member came during the first rebalance: wait a little longer.
    pub(super) new_member_added: bool,
    /// The generation whose assignment is being written.
    pub(super) persisting_generation: Option<i32>,
}

impl ClassicGroup {
    pub(crate) fn new(id: Arc<str>, timestamp: Timestamp) -> Self {
        Self {
            id,
            state: ClassicState::Empty,
            previous_state: ClassicState::Dead,
            state_timestamp: Some(timestamp),
            protocol_type: None,
            protocol_name: None,
            generation_id: 0,
            leader_id: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            awaiting_join_count: 0,
            supported_protocols: BTreeMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            persisting_generation: None,
        }
    }

    /// The group as its record tells it: empty, or stable with everybody's assignment.
    pub(crate) fn from_record(id: Arc<str>, value: GroupMetadata) -> Self {
        let mut group = Self::new(id, 0);
        group.state_timestamp = value.state_timestamp;
        group.generation_id = value.generation_id;
        group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        group.protocol_name.clone_from(&value.protocol_name);
        group.leader_id = value.leader_id;
        if !value.members.is_empty() {
            group.state = ClassicState::Stable;
        }
        let protocol_name = value.protocol_name.unwrap_or_default();
        for member in value.members {
            group.load_member(&protocol_name, member);
        }
        group.subscribed_topics = group.compute_subscribed_topics().unwrap_or_default();
        group
    }

    fn load_member(&mut self, protocol_name: &str, member: MemberMetadata) {
        let loaded = Member {
            id: member.member_id,
            instance_id: member.instance_id,
            client_id: member.client_id,
            client_host: member.client_host,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            protocols: vec![Protocol {
                name: protocol_name.to_owned(),
                metadata: member.subscription,
            }],
            assignment: member.assignment,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        };
        // A record that names a member or an instance twice is not Kafka's; the last one counts.
        if let Some(instance_id) = &loaded.instance_id {
            let previous = self
                .static_members
                .insert(instance_id.clone(), loaded.id.clone());
            if let Some(previous) = previous.filter(|previous| *previous != loaded.id) {
                self.remove_member(&previous);
                self.static_members
                    .insert(instance_id.clone(), loaded.id.clone());
            }
        }
        self.remove_member_entry(&loaded.id);
        self.insert_member(loaded);
    }

    // Looking.

    pub(crate) const fn state(&self) -> ClassicState {
        self.state
    }

    pub(crate) fn is_in(&self, state: ClassicState) -> bool {
        self.state == state
    }

    pub(crate) fn is_simple(&self) -> bool {
        self.protocol_type.is_none()
            && self.is_in(ClassicState::Empty)
            && self.pending_joins.is_empty()
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader_id.as_deref() == Some(member_id)
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(consumer_protocol::PROTOCOL_TYPE)
    }

    /// Whether a member reads the topic. Unknown subscriptions of a consumer group count as all
    /// topics: what may be in use is not deleted.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(super) const fn awaiting_join_count(&self) -> usize {
        self.awaiting_join_count
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join_count && self.pending_joins.is_empty()
    }

    /// The longest that any member wants to be waited for.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        let timeouts = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms);
        timeouts.max().unwrap_or(0).max(0)
    }

    /// That the member is who it says: known, and for a static one not replaced.
    pub(crate) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if **current != *member_id => {
                    return Err(GroupError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    /// Whether a member with these protocols can be in the group. Its type must be the group's,
    /// and one protocol must be supported by all members.
    pub(super) fn supports_protocols(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_in(ClassicState::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| {
                let count = self.supported_protocols.get(&protocol.name);
                count.copied().unwrap_or(0) == self.members.len()
            })
    }

    /// The protocol with the most votes among those that all members support. Of equals the one
    /// that was voted for first, in the order of member ids.
    pub(super) fn select_protocol(&self) -> Arc<str> {
        let candidates: BTreeSet<&str> = self
            .supported_protocols
            .iter()
            .filter(|(_, count)| **count == self.members.len())
            .map(|(name, _)| name.as_str())
            .collect();
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for choice in self
            .members
            .values()
            .filter_map(|member| member.vote(&candidates))
        {
            match votes.iter_mut().find(|(name, _)| *name == choice) {
                Some((_, count)) => *count += 1,
                None => votes.push((choice, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max();
        let winner = votes.iter().find(|(_, count)| Some(*count) == most);
        let (name, _) = winner.expect("members join only with a protocol that all support");
        Arc::from(*name)
    }

    /// The topics that consumers subscribe to under the chosen protocol; `Err` when a member's
    /// metadata does not parse.
    fn compute_subscribed_topics(&self) -> Result<Option<BTreeSet<String>>, ()> {
        if !self.uses_consumer_protocol() {
            return Ok(None);
        }
        if self.members.is_empty() {
            return Ok(Some(BTreeSet::new()));
        }
        let Some(protocol_name) = &self.protocol_name else {
            return Ok(None);
        };
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(protocol_name).ok_or(())?;
            topics.extend(consumer_protocol::subscribed_topics(metadata).map_err(|_| ())?);
        }
        Ok(Some(topics))
    }

    // Changing. Each of these keeps the counts true.

    pub(super) fn transition_to(&mut self, state: ClassicState, timestamp: Timestamp) {
        assert!(
            self.state.may_become(state),
            "group {:?}: {:?} after {:?}",
            self.id,
            state,
            self.state
        );
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp = Some(timestamp);
    }

    /// Adds a member that is not one yet.
    pub(super) fn add_member(&mut self, protocol_type: &str, member: Member) {
        assert!(!self.members.contains_key(&member.id));
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::from(protocol_type));
        }
        assert_eq!(self.protocol_type.as_deref(), Some(protocol_type));
        if let Some(instance_id) = &member.instance_id {
            let replaced = self
                .static_members
                .insert(instance_id.clone(), member.id.clone());
            assert!(
                replaced.is_none(),
                "a static member is replaced, not added twice"
            );
        }
        self.insert_member(member);
    }

    pub(super) fn insert_member(&mut self, member: Member) {
        if self.leader_id.is_none() {
            self.leader_id = Some(member.id.clone());
        }
        for protocol in &member.protocols {
            *self
                .supported_protocols
                .entry(protocol.name.clone())
                .or_default() += 1;
        }
        self.awaiting_join_count += usize::from(member.is_awaiting_join());
        self.pending_joins.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out of the counts, and nothing else: not out of leadership or the static
    /// members.
    pub(super) fn remove_member_entry(&mut self, member_id: &str) -> Option<Member> {
        let member = self.members.remove(member_id)?;
        for protocol in &member.protocols {
            let count = self
                .supported_protocols
                .get_mut(&protocol.name)
                .expect("counted when the member came");
            *count -= 1;
            if *count == 0 {
                self.supported_protocols.remove(&protocol.name);
            }
        }
        self.awaiting_join_count -= usize::from(member.is_awaiting_join());
        Some(member)
    }

    /// Removes a member, or an id that was handed out. The caller answers what it had parked.
    pub(super) fn remove_member(&mut self, member_id: &str) -> Option<Member> {
        let removed = self.remove_member_entry(member_id);
        if let Some(instance_id) = removed
            .as_ref()
            .and_then(|member| member.instance_id.as_ref())
        {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader_id = self.members.keys().next().cloned();
        }
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
        removed
    }

    /// Takes over what the member says now.
    pub(super) fn update_member(
        &mut self,
        member_id: &str,
        protocols: Vec<Protocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
    ) {
        let mut member = self
            .remove_member_entry(member_id)
            .expect("only members are updated");
        member.protocols = protocols;
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        self.insert_member(member);
    }

    /// Parks a JoinGroup. One that was parked before has lost its connection, in all likelihood:
    /// it is told to come again.
    pub(super) fn park_join(&mut self, ctx: &mut Ctx<'_>, member_id: &str, token: Token) {
        let member = self.members.get_mut(member_id).expect("members park");
        match member.awaiting_join.replace(token) {
            None => self.awaiting_join_count += 1,
            Some(superseded) => {
                let answer = JoinAnswer::error(member_id, GroupError::RebalanceInProgress);
                ctx.answer(superseded, Answer::Join(answer));
            }
        }
    }

    /// Takes back a parked JoinGroup, to answer it.
    pub(super) fn take_join(&mut self, member_id: &str) -> Option<Token> {
        let token = self.members.get_mut(member_id)?.awaiting_join.take();
        self.awaiting_join_count -= usize::from(token.is_some());
        token
    }

    /// Parks a SyncGroup; one that was parked before is answered as in `park_join`.
    pub(super) fn park_sync(&mut self, ctx: &mut Ctx<'_>, member_id: &str, token: Token) {
        let member = self.members.get_mut(member_id).expect("members park");
        if let Some(superseded) = member.awaiting_sync.replace(token) {
            let answer = SyncAnswer::error(GroupError::RebalanceInProgress);
            ctx.answer(superseded, Answer::Sync(answer));
        }
    }

    /// Begins the next generation with the members there are.
    pub(super) fn init_next_generation(&mut self, ctx: &mut Ctx<'_>) {
        // Kafka counts on and would wrap; a generation below zero means "none" in every request.
        self.generation_id = self.generation_id.checked_add(1).unwrap_or(1);
        let (name, state) = if self.members.is_empty() {
            (None, ClassicState::Empty)
        } else {
            (
                Some(self.select_protocol()),
                ClassicState::CompletingRebalance,
            )
        };
        self.protocol_name = name;
        self.subscribed_topics = self.compute_subscribed_topics().unwrap_or_else(|()| {
            ctx.notice(Notice::SubscriptionUnreadable {
                group_id: self.id.clone(),
            });
            None
        });
        self.transition_to(state, ctx.moment.timestamp);
        self.pending_syncs.clear();
    }

    /// Answers everything parked. For a group that goes away.
    pub(crate) fn fail_parked(&mut self, ctx: &mut Ctx<'_>, error: GroupError) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(token) = self.take_join(&id) {
                ctx.answer(token, Answer::Join(JoinAnswer::error(id.clone(), error)));
            }
            let member = self.members.get_mut(&id).expect("the key is a member's");
            if let Some(token) = member.awaiting_sync.take() {
                ctx.answer(token, Answer::Sync(SyncAnswer::error(error)));
            }
        }
    }

    /// The partition is led elsewhere.
    pub(crate) fn die(&mut self, ctx: &mut Ctx<'_>) {
        self.transition_to(ClassicState::Dead, ctx.moment.timestamp);
        self.fail_parked(ctx, GroupError::NotCoordinator);
    }
}
