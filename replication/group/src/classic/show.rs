//! A group as its leader, an administrator and the log see it.

use std::sync::Arc;

use super::group::ClassicGroup;
use super::member::Member;
use super::state::ClassicState;
use crate::answer::{DescribedGroup, JoinAnswer, JoinAnswerMember, ListedGroup};
use crate::record::{GroupMetadata, MemberMetadata, Record};

impl ClassicGroup {
    /// The members for the leader, with what they say under the chosen protocol.
    pub(super) fn join_answer_members(&self) -> Vec<JoinAnswerMember> {
        let protocol_name = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members.values().map(|member| JoinAnswerMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol_name).cloned().unwrap_or_default(),
        });
        members.collect()
    }

    /// "You are in the current generation", with the members for the leader.
    pub(super) fn join_answer(&self, member_id: &Arc<str>, with_members: bool) -> JoinAnswer {
        JoinAnswer {
            error: None,
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader_id.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.clone(),
            members: if with_members {
                self.join_answer_members()
            } else {
                Vec::new()
            },
        }
    }

    /// What the log keeps of the group, with these assignments.
    pub(super) fn metadata_record(&self, assignment: impl Fn(&Member) -> Arc<[u8]>) -> Record {
        let protocol_name = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members.values().map(|member| MemberMetadata {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol_name).cloned().unwrap_or_default(),
            assignment: assignment(member),
        });
        Record::GroupMetadata {
            group_id: self.id.clone(),
            value: Some(GroupMetadata {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                generation_id: self.generation_id,
                protocol_name: self.protocol_name.clone(),
                leader_id: self.leader_id.clone(),
                state_timestamp: self.state_timestamp,
                members: members.collect(),
            }),
        }
    }

    /// The record of a group that was just created: it exists, nothing else is known.
    pub(crate) fn empty_record(&self) -> Record {
        Record::GroupMetadata {
            group_id: self.id.clone(),
            value: Some(GroupMetadata {
                protocol_type: Arc::from(""),
                generation_id: 0,
                protocol_name: None,
                leader_id: None,
                state_timestamp: self.state_timestamp,
                members: Vec::new(),
            }),
        }
    }

    pub(crate) fn describe(&self, group_id: String) -> DescribedGroup {
        let protocol_name = self
            .protocol_name
            .as_deref()
            .filter(|_| self.is_in(ClassicState::Stable));
        let members = self.members.values();
        DescribedGroup {
            group_id,
            error: None,
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: Arc::from(protocol_name.unwrap_or_default()),
            members: members
                .map(|member| member.describe(protocol_name))
                .collect(),
        }
    }

    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state.name(),
            group_type: "classic",
        }
    }
}
