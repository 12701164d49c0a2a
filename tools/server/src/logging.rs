//! Log lines: to standard error, as much as `OTTLA_LOG` asks for.

use std::fmt::Display;
use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

const DEFAULT: &str = "info";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// How the parts of the program are named in a filter: by the first word of their crates' names.
const AREAS: [&str; 5] = ["engine", "net", "replication", "tools", "ottla"];

/// Starts logging. A filter that asks for nothing we have is told and replaced by `info`: a typo
/// must not silence the errors.
pub(crate) fn start() {
    let wanted = std::env::var("OTTLA_LOG").unwrap_or_default();
    let wanted: String = wanted.split_whitespace().collect();
    let fault = fault(&wanted);
    let filter = match &fault {
        None if !wanted.is_empty() => EnvFilter::try_new(&wanted).ok(),
        _ => None,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(DEFAULT)))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    if let Some(fault) = fault {
        tracing::warn!(
            "OTTLA_LOG='{wanted}': {fault}; going on with {DEFAULT}. Write a level ({}), or levels \
             by part, as in info,net_broker=debug",
            LEVELS.join(", ")
        );
    }
}

/// Tells why the process ends, whatever the filter leaves out.
pub(crate) fn fatal(why: impl Display) {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{why}");
    } else {
        eprintln!("{why}");
    }
}

/// Why `filter` is none of ours; `None` when it is one. The filter's own grammar takes any word
/// for the name of a part, and would show nothing but that part.
fn fault(filter: &str) -> Option<String> {
    let mut directives = filter.split(',').map(str::trim).filter(|it| !it.is_empty());
    directives.find_map(|directive| match directive.split_once('=') {
        None if is_level(directive) => None,
        None => Some(format!("'{directive}' is no level")),
        Some((part, _)) if !is_part(part.trim()) => {
            Some(format!("'{}' is no part of ottla", part.trim()))
        }
        Some((_, level)) if !is_level(level.trim()) => {
            Some(format!("'{}' is no level", level.trim()))
        }
        Some(_) => None,
    })
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

/// A crate, or a module of one: `net_broker`, `net_broker::door`, or all of `net`.
fn is_part(target: &str) -> bool {
    let area = target.split(['_', ':']).next().unwrap_or_default();
    AREAS.contains(&area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_our_parts_make_a_filter() {
        for filter in [
            "",
            "off",
            "debug",
            "INFO",
            "info,net_broker=debug",
            "net_conn::registry=trace,warn",
            "ottla=debug",
        ] {
            assert_eq!(fault(filter), None, "{filter}");
            assert!(EnvFilter::try_new(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn a_typo_is_no_filter() {
        for filter in [
            "nonsense",
            "inof",
            "info,debgu",
            "net_broker",
            "net_broker=debgu",
            "hyper=debug",
            "=debug",
            "3",
        ] {
            assert!(fault(filter).is_some(), "{filter}");
        }
        assert_eq!(fault("inof").unwrap(), "'inof' is no level");
    }
}
