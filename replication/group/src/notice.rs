//! What an operator should read about groups. The broker writes them to its log; nothing here
//! decides on them. Texts come from clients: whoever prints one escapes and cuts it.

use std::sync::Arc;

/// Something worth a line in the broker's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A rebalance begins.
    PreparingRebalance {
        /// The group.
        group_id: Arc<str>,
        /// The generation that ends.
        generation_id: i32,
        /// Why, with the client's own reason (KIP-800).
        reason: String,
    },
    /// A generation has its members.
    Stabilized {
        /// The group.
        group_id: Arc<str>,
        /// The new generation.
        generation_id: i32,
        /// How many members it has.
        member_count: usize,
    },
    /// The last member is gone.
    Emptied {
        /// The group.
        group_id: Arc<str>,
        /// The generation that has nobody.
        generation_id: i32,
    },
    /// A member was removed.
    MemberRemoved {
        /// The group.
        group_id: Arc<str>,
        /// The member.
        member_id: Arc<str>,
        /// Why.
        reason: String,
    },
    /// Members missed the leader's assignment and got an empty one.
    EmptyAssignments {
        /// The group.
        group_id: Arc<str>,
        /// The generation.
        generation_id: i32,
        /// How many members.
        member_count: usize,
    },
    /// Nobody rejoined in time; sessions will clear the group.
    NobodyRejoined {
        /// The group.
        group_id: Arc<str>,
    },
    /// A record of the group could not be kept, and its effect was taken back.
    RecordsLost {
        /// The group.
        group_id: Arc<str>,
        /// What the records were for.
        what: &'static str,
    },
    /// The subscriptions of a consumer group do not parse: which topics it reads is unknown.
    SubscriptionUnreadable {
        /// The group.
        group_id: Arc<str>,
    },
    /// The partition holds a group of a protocol that this coordinator does not serve. Its
    /// records and offsets are left alone; classic members cannot join under its id.
    ForeignGroup {
        /// The group.
        group_id: Arc<str>,
        /// `consumer`, `share` or `streams`.
        group_type: &'static str,
    },
    /// A record of a type that no Kafka 4.4 writes; left alone, as Kafka does.
    UnknownRecordType {
        /// The record's type.
        record_type: i16,
    },
    /// Expiry wrote tombstones.
    Expired {
        /// Tombstones of offsets and groups.
        tombstone_count: usize,
    },
    /// A bound of `limits.rs` was met.
    BoundReached {
        /// The group that met it.
        group_id: Arc<str>,
        /// Which bound.
        what: &'static str,
    },
}
