//! The table of keys: every key of Kafka 4.4's broker configuration, and ours.
//!
//! Owns names, types, bounds, defaults, and what each key does here. Called once at start and by
//! `ottla config check`. The meaning of combinations is `settings`' business.

mod cluster;
mod coordinator;
mod later;
mod log;
mod network;
mod own;
mod removed;
mod security;

pub(crate) use removed::removal_hint;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Means what it means in Kafka.
    Honour,
    /// Mapped to a notion of ours.
    Map,
    /// A part of the value means what it means in Kafka; the rest is accepted and not acted upon.
    Partly,
    /// Accepted, kept and reported; no effect.
    Ignore,
}

impl Class {
    /// The word `config check` prints.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Honour => "honoured",
            Self::Map => "mapped",
            Self::Partly => "in part",
            Self::Ignore => "no effect",
        }
    }
}

/// The type of a value, with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `true` or `false`, in any case.
    Bool,
    /// A whole number within both bounds.
    Integer {
        /// Smallest allowed.
        min: i64,
        /// Largest allowed.
        max: i64,
    },
    /// A decimal number.
    Double,
    /// Any text.
    Text,
    /// A Java class name.
    Class,
    /// A secret: its value is never printed.
    Password,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// Comma-separated texts.
    List,
    /// Comma-separated, each one of these words.
    ListOf(&'static [&'static str]),
}

impl Kind {
    /// Why `value` is not of this kind; `None` when it is.
    pub(crate) fn fault(&self, value: &str) -> Option<String> {
        let value = value.trim();
        match self {
            Self::Bool if parse_bool(value).is_none() => Some("is not true or false".to_owned()),
            Self::Integer { min, max } => match value.parse::<i64>() {
                Err(_) => Some("is not a whole number".to_owned()),
                Ok(number) if number < *min => Some(format!("is below {min}, the least allowed")),
                Ok(number) if number > *max => Some(format!("is above {max}, the most allowed")),
                Ok(_) => None,
            },
            Self::Double if value.parse::<f64>().is_err() => Some("is not a number".to_owned()),
            Self::OneOf(words) if !words.contains(&value) => Some(not_one_of(words)),
            Self::OneOfAnyCase(words) => {
                let known = words.iter().any(|word| word.eq_ignore_ascii_case(value));
                (!known).then(|| not_one_of(words))
            }
            Self::ListOf(words) => split_list(value)
                .find(|item| !words.contains(item))
                .map(|item| format!("names '{item}', which {}", not_one_of(words))),
            _ => None,
        }
    }
}

fn not_one_of(words: &[&str]) -> String {
    format!("is not one of {}", words.join(", "))
}

/// `true` and `false` in any case, as Kafka reads them.
pub(crate) fn parse_bool(value: &str) -> Option<bool> {
    match value.trim() {
        v if v.eq_ignore_ascii_case("true") => Some(true),
        v if v.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The items of a comma-separated value, trimmed, empty ones left out.
pub(crate) fn split_list(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Kafka's name, or `ottla.…`.
    pub(crate) name: &'static str,
    /// Type and bounds.
    pub(crate) kind: Kind,
    /// The default as text; `None` for Kafka's `null`.
    pub(crate) default: Option<&'static str>,
    /// What becomes of it.
    pub(crate) class: Class,
    /// What it does here, in a line.
    pub(crate) effect: &'static str,
}

impl Key {
    const fn new(
        name: &'static str,
        kind: Kind,
        default: Option<&'static str>,
        class: Class,
        effect: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            class,
            effect,
        }
    }
}

impl Key {
    /// What becomes of the key with this value: its class, except where that depends on the value.
    pub(crate) fn class_of(&self, value: &str) -> Class {
        let compacts = |value| split_list(value).any(|item| item == "compact");
        if self.name == "log.cleanup.policy" && compacts(value) {
            return Class::Partly;
        }
        self.class
    }
}

const I16_MIN: i64 = i16::MIN as i64;
const I16_MAX: i64 = i16::MAX as i64;
const I32_MIN: i64 = i32::MIN as i64;
const I32_MAX: i64 = i32::MAX as i64;

const fn integer(min: i64, max: i64) -> Kind {
    assert!(min <= max);
    Kind::Integer { min, max }
}

/// Every key, in no particular order.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    let tables = [
        own::KEYS,
        cluster::KEYS,
        network::KEYS,
        log::KEYS,
        coordinator::KEYS,
        security::KEYS,
        later::KEYS,
    ];
    tables.into_iter().flatten()
}

/// The key of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// The known key that `name` was probably meant to be.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    tools_cli::similar::nearest(name, all().map(|key| key.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_of_their_kind() {
        let mut names: Vec<_> = all().map(|key| key.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for key in all() {
            let fault = key.default.and_then(|value| key.kind.fault(value));
            // node.id and others without a default in Kafka have none here either.
            assert_eq!(fault, None, "{}", key.name);
            assert!(!key.effect.is_empty(), "{}", key.name);
        }
    }

    #[test]
    fn holds_every_key_of_kafka() {
        // 379 keys stand in the broker's definition of Apache Kafka 4.4.0.
        let kafka = all().filter(|key| !key.name.starts_with("ottla."));
        assert_eq!(kafka.count(), 379);
    }

    #[test]
    fn faults_say_what_is_wrong() {
        let port = integer(0, 65_535);
        assert_eq!(port.fault(" 9092 "), None);
        assert_eq!(port.fault("-1").unwrap(), "is below 0, the least allowed");
        assert_eq!(
            port.fault("65536").unwrap(),
            "is above 65535, the most allowed"
        );
        assert_eq!(port.fault("").unwrap(), "is not a whole number");
        assert_eq!(Kind::Bool.fault("TRUE"), None);
        assert!(Kind::Bool.fault("yes").is_some());
        assert_eq!(
            Kind::OneOf(&["a", "b"]).fault("c").unwrap(),
            "is not one of a, b"
        );
        assert!(Kind::OneOf(&["a"]).fault("A").is_some());
        assert_eq!(Kind::OneOfAnyCase(&["A"]).fault("a"), None);
        assert_eq!(Kind::ListOf(&["a", "b"]).fault("a , b"), None);
        assert!(
            Kind::ListOf(&["a"])
                .fault("a,c")
                .unwrap()
                .starts_with("names 'c'")
        );
        assert!(Kind::Double.fault("x").is_some());
    }

    #[test]
    fn finds_the_nearest_name() {
        assert_eq!(nearest("num.partition"), Some("num.partitions"));
        assert_eq!(nearest("log.retention.hour"), Some("log.retention.hours"));
        assert_eq!(nearest("something.else"), None);
    }
}
