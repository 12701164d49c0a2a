//! Typed access to merged values: what was written where it is of its kind, the default elsewhere.
//!
//! Owns the check of each value by itself. A value that fails it is reported once and then
//! treated as absent, so that one start reports every fault of a file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::{self, Kind};
use super::layers::{Origin, Property};
use super::problem::Problem;

/// Names a Kafka 3 without `process.roles`, which is none we can be.
pub(super) const ZOOKEEPER: &str = "zookeeper.connect";

/// Values by name.
pub(crate) struct Values {
    written: BTreeMap<String, Property>,
    /// Not of their kind: told, and as good as absent.
    faulty: BTreeMap<String, Property>,
}

impl Values {
    /// Checks every value of a known key by its kind; unknown keys are warned about and kept.
    pub(crate) fn check(merged: BTreeMap<String, Property>, problems: &mut Vec<Problem>) -> Self {
        let mut written = BTreeMap::new();
        let mut faulty = BTreeMap::new();
        let has_roles = merged.contains_key("process.roles");
        for (name, property) in merged {
            if let Some(hint) = keys::removal_hint(&name) {
                problems.push(Problem::error(
                    property.origin.clone(),
                    &name,
                    "is a key that Kafka 4 no longer has",
                    hint,
                ));
            } else if let Some(key) = keys::find(&name) {
                if let Some(fault) = key.kind.fault(&property.value) {
                    problems.push(bad_value(&name, key.kind, &property, &fault));
                    faulty.insert(name, property);
                    continue;
                }
            } else if name != ZOOKEEPER || has_roles {
                // Without roles it is an error of its own.
                problems.push(unknown_key(&name, &property));
            }
            written.insert(name, property);
        }
        Self { written, faulty }
    }

    /// What was written for `name`.
    pub(crate) fn written(&self, name: &str) -> Option<&Property> {
        self.written.get(name)
    }

    /// Every line the operator gave, faulty ones included, by name.
    pub(crate) fn all_given(&self) -> BTreeMap<&str, &Property> {
        let all = self.written.iter().chain(&self.faulty);
        all.filter(|(_, property)| property.origin != Origin::Default)
            .map(|(name, property)| (name.as_str(), property))
            .collect()
    }

    /// Everything that was written and is of its kind, by name.
    pub(crate) fn all_written(&self) -> &BTreeMap<String, Property> {
        &self.written
    }

    /// Gives `name` a value unless one was written.
    pub(crate) fn assume(&mut self, name: &str, value: &str) {
        assert!(keys::find(name).is_some(), "{name} is not in the table");
        let property = Property {
            value: value.to_owned(),
            origin: Origin::Default,
        };
        self.written.entry(name.to_owned()).or_insert(property);
    }

    /// Where `name` was written; `Default` when it was not.
    pub(crate) fn origin(&self, name: &str) -> Origin {
        self.written(name)
            .map_or(Origin::Default, |property| property.origin.clone())
    }

    /// The value as text; `None` when neither written nor defaulted.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let key = keys::find(name).expect("names in code are in the table");
        self.written(name)
            .map(|property| property.value.as_str())
            .or(key.default)
    }

    /// The value as a number.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        let number = |text: &str| text.parse().expect("checked by its kind");
        self.text(name).map(number)
    }

    /// The value as a number of any unsigned type; negative is zero, too large is the largest.
    pub(crate) fn unsigned<T: TryFrom<i64> + From<u8> + Bounded>(&self, name: &str) -> T {
        let number = self.integer(name).expect("the key has a default");
        T::try_from(number.max(0)).unwrap_or(T::MAX)
    }

    /// The value as a number that its kind bounds to 32 bits.
    pub(crate) fn int(&self, name: &str) -> i32 {
        let number = self.integer(name).expect("the key has a default");
        i32::try_from(number).expect("bounded by its kind")
    }

    /// The value as a switch.
    pub(crate) fn bool(&self, name: &str) -> bool {
        let text = self.text(name).expect("the key has a default");
        keys::parse_bool(text).expect("checked by its kind")
    }

    /// The value, a number of milliseconds, as a duration.
    pub(crate) fn milliseconds(&self, name: &str) -> Duration {
        Duration::from_millis(self.unsigned(name))
    }
}

/// The largest value of a type, for [`Values::unsigned`].
pub(crate) trait Bounded {
    /// It.
    const MAX: Self;
}

impl Bounded for usize {
    const MAX: Self = Self::MAX;
}

impl Bounded for u64 {
    const MAX: Self = Self::MAX;
}

fn bad_value(name: &str, kind: Kind, property: &Property, fault: &str) -> Problem {
    let shown = match kind {
        Kind::Password => "its value".to_owned(),
        _ => format!("'{}'", property.value),
    };
    let default = keys::find(name).and_then(|key| key.default);
    let remedy = match default {
        Some(default) => format!("correct it, or remove it for the default {default}"),
        None => "correct it, or remove it".to_owned(),
    };
    Problem::error(
        property.origin.clone(),
        name,
        &format!("{shown} {fault}"),
        &remedy,
    )
}

fn unknown_key(name: &str, property: &Property) -> Problem {
    let remedy = match keys::nearest(name) {
        _ if name.starts_with("zookeeper.") => "it has no effect: ZooKeeper ended with Kafka 3",
        // Kafka's broker has no such key either.
        _ if name == "cluster.id" => {
            "it has no effect: the cluster's id stands in meta.properties of the data directory; \
             'ottla format --cluster-id' chooses it"
        }
        Some(near) => &format!("did you mean {near}?"),
        None => "it is kept and has no effect",
    };
    Problem::warning(
        property.origin.clone(),
        name,
        "is not a key of Kafka 4.4 or ottla",
        remedy,
    )
}
