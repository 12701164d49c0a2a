//! What an operator should read about groups. The broker writes them to its log; nothing here
//! decides on them. Texts come from clients: a notice prints them escaped and cut.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// As much of a client's text as a line has room for.
const TEXT_CHARS_MAX: usize = 200;

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

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreparingRebalance {
                group_id,
                generation_id,
                reason,
            } => write!(
                f,
                "group {} rebalances after generation {generation_id}: {}",
                Text(group_id),
                Text(reason)
            ),
            Self::Stabilized {
                group_id,
                generation_id,
                member_count,
            } => write!(
                f,
                "group {} has generation {generation_id} with {member_count} member{}",
                Text(group_id),
                if *member_count == 1 { "" } else { "s" }
            ),
            Self::Emptied {
                group_id,
                generation_id,
            } => write!(
                f,
                "group {} has no members in generation {generation_id}",
                Text(group_id)
            ),
            Self::MemberRemoved {
                group_id,
                member_id,
                reason,
            } => write!(
                f,
                "group {} removes member {}: {}",
                Text(group_id),
                Text(member_id),
                Text(reason)
            ),
            Self::EmptyAssignments {
                group_id,
                generation_id,
                member_count,
            } => write!(
                f,
                "group {} gives {member_count} members an empty assignment in generation \
                 {generation_id}: their leader sent none",
                Text(group_id)
            ),
            Self::NobodyRejoined { group_id } => write!(
                f,
                "group {}: nobody rejoined in time; sessions will clear it",
                Text(group_id)
            ),
            other => other.fmt_rare(f),
        }
    }
}

impl Notice {
    /// The lines that a healthy broker seldom writes.
    fn fmt_rare(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordsLost { group_id, what } => write!(
                f,
                "group {}: {what} could not be kept, and its effect is taken back",
                Text(group_id)
            ),
            Self::SubscriptionUnreadable { group_id } => write!(
                f,
                "group {}: its subscriptions cannot be read; which topics it reads is unknown",
                Text(group_id)
            ),
            Self::ForeignGroup {
                group_id,
                group_type,
            } => write!(
                f,
                "group {} is of the protocol {group_type}, which is not served: it is left alone",
                Text(group_id)
            ),
            Self::UnknownRecordType { record_type } => {
                write!(
                    f,
                    "a record of the unknown type {record_type} is left alone"
                )
            }
            Self::Expired { tombstone_count } => {
                write!(f, "{tombstone_count} offsets and groups have expired")
            }
            Self::BoundReached { group_id, what } => {
                write!(f, "group {} met the bound on {what}", Text(group_id))
            }
            // Told before.
            Self::PreparingRebalance { .. }
            | Self::Stabilized { .. }
            | Self::Emptied { .. }
            | Self::MemberRemoved { .. }
            | Self::EmptyAssignments { .. }
            | Self::NobodyRejoined { .. } => Ok(()),
        }
    }
}

/// A text that a client chose.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(TEXT_CHARS_MAX) {
            write!(f, "{}", character.escape_debug())?;
        }
        match self.0.chars().nth(TEXT_CHARS_MAX) {
            Some(_) => f.write_char('…'),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line_whatever_clients_write() {
        let told = Notice::MemberRemoved {
            group_id: "g\n2026 ERROR".into(),
            member_id: "m".repeat(TEXT_CHARS_MAX + 1).into(),
            reason: "it left".to_owned(),
        };
        let member = "m".repeat(TEXT_CHARS_MAX);
        let expected = format!("group g\\n2026 ERROR removes member {member}…: it left");
        assert_eq!(told.to_string(), expected);
    }

    #[test]
    fn every_notice_says_something() {
        let group_id: Arc<str> = "g".into();
        let all = [
            Notice::NobodyRejoined {
                group_id: group_id.clone(),
            },
            Notice::SubscriptionUnreadable {
                group_id: group_id.clone(),
            },
            Notice::RecordsLost {
                group_id: group_id.clone(),
                what: "a commit",
            },
            Notice::ForeignGroup {
                group_id: group_id.clone(),
                group_type: "share",
            },
            Notice::UnknownRecordType { record_type: 9 },
            Notice::Expired { tombstone_count: 2 },
            Notice::BoundReached {
                group_id,
                what: "members",
            },
        ];
        for notice in all {
            let told = notice.to_string();
            assert!(told.len() > 10 && !told.contains('{'), "{told}");
        }
    }
}
