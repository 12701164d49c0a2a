//! A configuration key: its type, its bounds, and how its text is read.
//!
//! Texts of refusals are what tools print to people, so they say what Kafka's say.

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Kafka's names
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl ConfigType {
    /// The number in DescribeConfigs.
    #[must_use]
    pub fn id(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// The name in refusals.
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }

    /// Whether values must not be shown.
    #[must_use]
    pub fn is_sensitive(self) -> bool {
        self == Self::Password
    }
}

/// The bounds of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// None.
    Any,
    /// A number from here on.
    AtLeast(i64),
    /// A number from here to there, both included.
    Between(i64, i64),
    /// A fraction from here to there, both included.
    Fraction(f64, f64),
    /// One of these words, or a list of them.
    In(&'static [&'static str]),
    /// A gzip level: 1 to 9, or -1 for the default.
    GzipLevel,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
}

/// A value as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// BOOLEAN.
    Boolean(bool),
    /// SHORT, INT, LONG.
    Number(i64),
    /// DOUBLE.
    Fraction(f64),
    /// STRING, CLASS, PASSWORD.
    Text(String),
    /// LIST.
    List(Vec<String>),
}

/// Reads `text` as the value of the key `name`.
///
/// # Errors
/// The sentence that says why it is none.
pub(crate) fn parse(
    name: &str,
    kind: ConfigType,
    bounds: Bounds,
    text: &str,
) -> Result<Value, String> {
    let value = read(kind, text).map_err(|reason| invalid(name, text, &reason))?;
    check(name, bounds, &value)?;
    Ok(value)
}

/// The elements of a list; blanks around them are dropped.
#[must_use]
pub(crate) fn split_list(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',')
        .map(|element| element.trim().to_owned())
        .collect()
}

fn invalid(name: &str, value: &str, reason: &str) -> String {
    format!("Invalid value {value} for configuration {name}: {reason}")
}

fn read(kind: ConfigType, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    let not_a_number = || format!("Not a number of type {}", kind.name());
    let number = |result: Option<i64>| result.map(Value::Number).ok_or_else(not_a_number);
    match kind {
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        ConfigType::Boolean => Err("Expected value to be either true or false".to_owned()),
        ConfigType::Short => number(trimmed.parse::<i16>().ok().map(i64::from)),
        ConfigType::Int => number(trimmed.parse::<i32>().ok().map(i64::from)),
        ConfigType::Long => number(trimmed.parse().ok()),
        ConfigType::Double => trimmed
            .parse()
            .map(Value::Fraction)
            .map_err(|_| not_a_number()),
        ConfigType::List => Ok(Value::List(split_list(trimmed))),
        ConfigType::String | ConfigType::Class | ConfigType::Password => {
            Ok(Value::Text(trimmed.to_owned()))
        }
    }
}

fn check(name: &str, bounds: Bounds, value: &Value) -> Result<(), String> {
    let too_low = |value: &str, least: &str| {
        Err(invalid(
            name,
            value,
            &format!("Value must be at least {least}"),
        ))
    };
    let too_high = |value: &str, most: &str| {
        Err(invalid(
            name,
            value,
            &format!("Value must be no more than {most}"),
        ))
    };
    match (bounds, value) {
        (Bounds::AtLeast(least) | Bounds::Between(least, _), Value::Number(n)) if *n < least => {
            too_low(&n.to_string(), &least.to_string())
        }
        (Bounds::Between(_, most), Value::Number(n)) if *n > most => {
            too_high(&n.to_string(), &most.to_string())
        }
        (Bounds::Fraction(least, _), Value::Fraction(x)) if *x < least || x.is_nan() => {
            too_low(&format!("{x:?}"), &least.to_string())
        }
        (Bounds::Fraction(_, most), Value::Fraction(x)) if *x > most => {
            too_high(&format!("{x:?}"), &most.to_string())
        }
        (Bounds::GzipLevel, Value::Number(n)) if *n != -1 && !(1..=9).contains(n) => Err(invalid(
            name,
            &n.to_string(),
            "Value must be between 1 and 9 or equal to -1",
        )),
        (Bounds::In(words), Value::Text(text)) => one_of(name, words, text),
        (Bounds::In(words), Value::List(list)) => list
            .iter()
            .try_for_each(|element| one_of(name, words, element)),
        (Bounds::ThrottledReplicas, Value::List(list)) => throttled_replicas(name, list),
        _ => Ok(()),
    }
}

fn one_of(name: &str, words: &[&str], word: &str) -> Result<(), String> {
    if words.contains(&word) {
        return Ok(());
    }
    Err(invalid(
        name,
        word,
        &format!("String must be one of: {}", words.join(", ")),
    ))
}

fn throttled_replicas(name: &str, list: &[String]) -> Result<(), String> {
    let is_pair = |element: &String| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        element
            .split_once(':')
            .is_some_and(|(p, b)| digits(p.trim()) && digits(b.trim()))
    };
    if list == ["*"] || list.iter().all(is_pair) {
        return Ok(());
    }
    let reason = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(invalid(name, &format!("[{}]", list.join(", ")), &reason))
}
