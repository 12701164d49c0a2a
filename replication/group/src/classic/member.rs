//! One member of a classic group, and the requests it has parked.

use std::collections::BTreeSet;
use std::sync::Arc;

use replication_coordinator::Token;

use crate::answer::DescribedMember;
use crate::request::Protocol;

/// A member. Its id never changes; a static member that returns becomes a new one.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In the order of preference, each name once, at least one.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Arc<[u8]>,
    /// The parked JoinGroup. Counted by the group: change it through the group.
    pub(super) awaiting_join: Option<Token>,
    /// The parked SyncGroup.
    pub(super) awaiting_sync: Option<Token>,
    /// Joined without an id to heartbeat with: only its timeout tells that it is gone.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) const fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub(crate) const fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// What the member says under a protocol.
    pub(crate) fn metadata(&self, protocol_name: &str) -> Option<&Arc<[u8]>> {
        self.protocols
            .iter()
            .find(|protocol| protocol.name == protocol_name)
            .map(|protocol| &protocol.metadata)
    }

    /// Whether a session that has run out is excused: a parked request is a sign of life. Not of
    /// a new member, whose parked join is the very thing that times out.
    pub(crate) const fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// The member's first choice among the candidates.
    pub(crate) fn vote<'a>(&'a self, candidates: &BTreeSet<&str>) -> Option<&'a str> {
        self.protocols
            .iter()
            .map(|protocol| protocol.name.as_str())
            .find(|name| candidates.contains(name))
    }

    /// As DescribeGroups shows it; the metadata only under the protocol of a stable group.
    pub(crate) fn describe(&self, protocol_name: Option<&str>) -> DescribedMember {
        DescribedMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: protocol_name
                .and_then(|name| self.metadata(name))
                .cloned()
                .unwrap_or_default(),
            assignment: self.assignment.clone(),
        }
    }
}

/// A JoinGroup's protocols with each name once: the first mention counts. Kafka counts a name
/// twice then, and no member can be heard under it.
pub(crate) fn distinct(protocols: Vec<Protocol>) -> Vec<Protocol> {
    let mut distinct: Vec<Protocol> = Vec::with_capacity(protocols.len());
    for protocol in protocols {
        if distinct.iter().all(|known| known.name != protocol.name) {
            distinct.push(protocol);
        }
    }
    distinct
}
