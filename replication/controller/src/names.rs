//! Lawful topic names, and names that would collide in metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{ApiError, ErrorKind};
use crate::limits::TOPIC_NAME_SIZE_BYTES_MAX;

/// The topic of the quorum's own log, which nobody creates.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";
/// The topic of committed offsets and groups.
pub const CONSUMER_OFFSETS_TOPIC: &str = "__consumer_offsets";
/// The topic of transactions.
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
/// The topic of share groups.
pub const SHARE_GROUP_STATE_TOPIC: &str = "__share_group_state";

/// Whether a topic belongs to the broker itself.
#[must_use]
pub fn is_internal_topic(name: &str) -> bool {
    [
        CONSUMER_OFFSETS_TOPIC,
        TRANSACTION_STATE_TOPIC,
        SHARE_GROUP_STATE_TOPIC,
    ]
    .contains(&name)
}

/// Judges a topic's name.
///
/// # Errors
/// INVALID_TOPIC_EXCEPTION with Kafka's sentence.
pub fn validate_topic_name(name: &str) -> Result<(), ApiError> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > TOPIC_NAME_SIZE_BYTES_MAX {
        format!(
            "the length of '{name}' is longer than the max allowed length \
             {TOPIC_NAME_SIZE_BYTES_MAX}"
        )
    } else if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    {
        format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        )
    } else {
        return Ok(());
    };
    let message = format!("Topic name is invalid: {reason}");
    Err(ApiError::new(ErrorKind::InvalidTopicException, message))
}

/// The names of all topics in which a dot or an underscore stands, by the name with underscores
/// only: metrics cannot tell `a.b` from `a_b`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collisions {
    by_unified: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Collisions {
    pub(crate) fn add(&mut self, name: &Arc<str>) {
        if let Some(unified) = unified(name) {
            self.by_unified
                .entry(unified)
                .or_default()
                .insert(Arc::clone(name));
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let Some(unified) = unified(name) else { return };
        if let Some(names) = self.by_unified.get_mut(&unified) {
            names.remove(name);
            if names.is_empty() {
                self.by_unified.remove(&unified);
            }
        }
    }

    /// A topic that `name` would be mistaken for; itself, if it exists.
    pub(crate) fn colliding(&self, name: &str) -> Option<&Arc<str>> {
        self.by_unified.get(&unified(name)?)?.first()
    }
}

fn unified(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_kafkas() {
        let long = "x".repeat(250);
        for (name, reason) in [
            ("", "the empty string is not allowed".to_owned()),
            (".", "'.' is not allowed".to_owned()),
            ("..", "'..' is not allowed".to_owned()),
            (
                "a/b",
                "'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' \
                 and '-'"
                    .to_owned(),
            ),
            (
                &long,
                format!("the length of '{long}' is longer than the max allowed length 249"),
            ),
        ] {
            let error = validate_topic_name(name).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidTopicException);
            assert_eq!(
                error.message.unwrap(),
                format!("Topic name is invalid: {reason}")
            );
        }
        for name in ["a", "A-9._", "...", &"x".repeat(249)] {
            assert_eq!(validate_topic_name(name), Ok(()));
        }
    }

    #[test]
    fn a_dot_collides_with_an_underscore() {
        let mut names = Collisions::default();
        names.add(&"a.b".into());
        names.add(&"plain".into());
        assert_eq!(names.colliding("a_b").map(|name| &**name), Some("a.b"));
        assert_eq!(names.colliding("plain"), None);
        names.remove("a.b");
        assert_eq!(names.colliding("a_b"), None);
    }
}
