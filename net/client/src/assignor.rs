//! The range assignor of classic groups: for each topic, consecutive partitions to members in
//! order of their ids, the first members taking one more where it does not divide.

use std::collections::BTreeMap;

/// A member's partitions by topic.
pub type Assignment = BTreeMap<String, Vec<i32>>;

/// Assigns the partitions of `topics` (name to count) to the members subscribed to them. Every
/// member has an entry in the answer.
#[must_use]
pub fn assign_range(
    members: &BTreeMap<String, Vec<String>>,
    topics: &BTreeMap<String, i32>,
) -> BTreeMap<String, Assignment> {
    let mut assignments: BTreeMap<String, Assignment> = members
        .keys()
        .map(|member| (member.clone(), Assignment::new()))
        .collect();
    for (topic, &count) in topics {
        let subscribed: Vec<&String> = members
            .iter()
            .filter(|(_, subscription)| subscription.contains(topic))
            .map(|(member, _)| member)
            .collect();
        let Ok(member_count) = i32::try_from(subscribed.len()) else {
            continue;
        };
        if member_count == 0 {
            continue;
        }
        let (each, more) = (count / member_count, count % member_count);
        let mut next = 0;
        for (index, member) in (0..).zip(subscribed) {
            let taken = each + i32::from(index < more);
            if taken > 0 {
                let assignment = assignments
                    .get_mut(member)
                    .expect("made from the same members");
                assignment.insert(topic.clone(), (next..next + taken).collect());
            }
            next += taken;
        }
        assert!(next == count);
    }
    assignments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(subscriptions: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let owned = |topics: &[&str]| topics.iter().map(|&topic| topic.to_owned()).collect();
        subscriptions
            .iter()
            .map(|(name, topics)| ((*name).to_owned(), owned(topics)))
            .collect()
    }

    #[test]
    fn the_first_members_take_one_more() {
        let topics = BTreeMap::from([("t".to_owned(), 7)]);
        let found = assign_range(
            &members(&[("b", &["t"]), ("a", &["t"]), ("c", &["t"])]),
            &topics,
        );
        assert_eq!(found["a"]["t"], [0, 1, 2]);
        assert_eq!(found["b"]["t"], [3, 4]);
        assert_eq!(found["c"]["t"], [5, 6]);
    }

    #[test]
    fn members_without_a_share_are_there_and_empty() {
        let topics = BTreeMap::from([("t".to_owned(), 1), ("u".to_owned(), 2)]);
        let found = assign_range(&members(&[("a", &["t"]), ("b", &["t", "u"])]), &topics);
        assert_eq!(found["a"]["t"], [0]);
        assert!(!found["b"].contains_key("t"));
        assert_eq!(found["b"]["u"], [0, 1]);
        let found = assign_range(&members(&[("a", &["none"])]), &topics);
        assert!(found["a"].is_empty());
    }
}
