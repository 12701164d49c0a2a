//! Where a value comes from: command line over environment over file over defaults.
//!
//! Owns the merge of the sources into one value for each name, and what it remembers of each: its
//! origin, so that an error can point at it.

use std::collections::BTreeMap;
use std::fmt;

use super::problem::Problem;
use super::properties;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// In the configuration file, on this line.
    File {
        /// The file as the operator named it.
        path: String,
        /// From one.
        line: u32,
    },
    /// In this environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// By `--set`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::CommandLine => f.write_str("--set"),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    /// As written, trimmed.
    pub(crate) value: String,
    /// Where.
    pub(crate) origin: Origin,
}

/// Everything the operator gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The configuration file: its name and its bytes.
    pub(crate) file: Option<(String, Vec<u8>)>,
    /// The environment, all of it.
    pub(crate) environment: Vec<(String, String)>,
    /// The arguments of `--set`.
    pub(crate) sets: Vec<String>,
}

/// Values by name, the strongest source's; problems are added to `problems`.
pub(crate) fn merge(sources: &Sources, problems: &mut Vec<Problem>) -> BTreeMap<String, Property> {
    let mut merged = BTreeMap::new();
    if let Some((path, bytes)) = &sources.file {
        merge_file(path, bytes, &mut merged, problems);
    }
    for (variable, value) in &sources.environment {
        if let Some(name) = name_of_variable(variable) {
            let origin = Origin::Environment {
                variable: variable.clone(),
            };
            merged.insert(
                name,
                Property {
                    value: value.trim().to_owned(),
                    origin,
                },
            );
        }
    }
    for set in &sources.sets {
        match set.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                let property = Property {
                    value: value.trim().to_owned(),
                    origin: Origin::CommandLine,
                };
                merged.insert(name.trim().to_owned(), property);
            }
            _ => problems.push(Problem::error(
                Origin::CommandLine,
                set,
                "is not of the form key=value",
                "write for example --set num.partitions=3",
            )),
        }
    }
    merged
}

fn merge_file(
    path: &str,
    bytes: &[u8],
    merged: &mut BTreeMap<String, Property>,
    problems: &mut Vec<Problem>,
) {
    for entry in properties::parse(bytes) {
        let line = match &entry {
            Ok(entry) => entry.line,
            Err(error) => error.line,
        };
        let origin = Origin::File {
            path: path.to_owned(),
            line,
        };
        let entry = match entry {
            Ok(entry) if entry.key.is_empty() => {
                let text = format!("'{}' has no key before it", entry.value.trim());
                let remedy = "write key=value, or remove the line";
                problems.push(Problem::warning(origin, "", &text, remedy));
                continue;
            }
            Ok(entry) => entry,
            Err(error) => {
                let remedy = "write '\\\\' for a backslash, or four digits after '\\u'";
                problems.push(Problem::error(
                    origin,
                    "the line",
                    &error.to_string(),
                    remedy,
                ));
                continue;
            }
        };
        let value = entry.value.trim().to_owned();
        let property = Property {
            value,
            origin: origin.clone(),
        };
        let Some(earlier) = merged.insert(entry.key.clone(), property) else {
            continue;
        };
        problems.push(Problem::warning(
            origin,
            &entry.key,
            &format!(
                "is written twice; the value at {} is replaced",
                earlier.origin
            ),
            "remove one of the two lines",
        ));
    }
}

/// What variables of scripts and images that carry no property begin with.
const NOT_PROPERTIES: &[&str] = &[
    "KAFKA_VERSION",
    "KAFKA_HOME",
    "KAFKA_OPTS",
    "KAFKA_DEBUG",
    "KAFKA_CLUSTER_ID",
    "KAFKA_HEAP_OPT",
    "KAFKA_LOG4J",
    "KAFKA_JMX",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_TOOLS_LOG4J",
    "OTTLA_LOG",
    // Kubernetes sets these beside a service of that name.
    "KAFKA_SERVICE_",
    "KAFKA_PORT",
    "OTTLA_SERVICE_",
    "OTTLA_PORT",
];

/// `KAFKA_LOG_DIRS` is `log.dirs`, `OTTLA_SHARDS` is `ottla.shards`: `___` is a dash, `__` an
/// underscore, `_` a dot, as in the container images of Kafka.
fn name_of_variable(variable: &str) -> Option<String> {
    if NOT_PROPERTIES
        .iter()
        .any(|prefix| variable.starts_with(prefix))
    {
        return None;
    }
    let prefix_and_rest = variable
        .split_once('_')
        .filter(|(_, rest)| !rest.is_empty());
    let (prefix, rest) = prefix_and_rest?;
    let name = rest
        .to_lowercase()
        .replace("___", "-")
        .replace("__", "\u{0}")
        .replace('_', ".")
        .replace('\u{0}', "_");
    match prefix {
        "KAFKA" => Some(name),
        "OTTLA" => Some(format!("ottla.{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, environment: &[(&str, &str)], sets: &[&str]) -> Sources {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        Sources {
            file: Some(("f".to_owned(), file.as_bytes().to_vec())),
            environment: environment.iter().map(owned).collect(),
            sets: sets.iter().map(|&set| set.to_owned()).collect(),
        }
    }

    #[test]
    fn command_line_beats_environment_beats_file() {
        let all = sources(
            "a=file\nb=file\nc=file\n",
            &[("KAFKA_B", "env"), ("KAFKA_C", "env")],
            &["c=set"],
        );
        let mut problems = Vec::new();
        let merged = merge(&all, &mut problems);
        assert!(problems.is_empty());
        assert_eq!(merged["a"].value, "file");
        assert_eq!(merged["a"].origin.to_string(), "f:1");
        assert_eq!(merged["b"].origin.to_string(), "environment KAFKA_B");
        assert_eq!(
            merged["c"],
            Property {
                value: "set".into(),
                origin: Origin::CommandLine
            }
        );
    }

    #[test]
    fn variables_map_as_in_the_container_images() {
        let name = |variable| name_of_variable(variable);
        assert_eq!(name("KAFKA_LOG_DIRS").as_deref(), Some("log.dirs"));
        assert_eq!(name("KAFKA_A__B___C_D").as_deref(), Some("a_b-c.d"));
        assert_eq!(name("OTTLA_SHARDS").as_deref(), Some("ottla.shards"));
        assert_eq!(
            name("OTTLA_MEMORY_BYTES").as_deref(),
            Some("ottla.memory.bytes")
        );
        // Not in the table: a typo, which is warned of.
        assert_eq!(name("OTTLA_SHARD").as_deref(), Some("ottla.shard"));
        for not_ours in [
            "OTTLA_LOG",
            "OTTLA_PORT_9092_TCP_ADDR",
            "KAFKA_SERVICE_HOST",
            "KAFKA_HEAP_OPTS",
            "KAFKA_",
            "PATH",
            "KAFKA_OPTS",
        ] {
            assert_eq!(name(not_ours), None, "{not_ours}");
        }
    }

    #[test]
    fn a_set_without_equals_is_an_error_and_a_repeated_key_a_warning() {
        let mut problems = Vec::new();
        let merged = merge(
            &sources("a=1\na=2", &[], &["nonsense", "=1"]),
            &mut problems,
        );
        assert_eq!(merged["a"].value, "2");
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        assert_eq!((errors, problems.len()), (2, 3));
        assert!(problems[0].to_string().contains("f:2"), "{}", problems[0]);
    }
}
