//! Log lines: to standard error, as much as `OTTLA_LOG` asks for.
//!
//! Owns how they look: a server's carry time, level and the part of the program, except for those
//! that say why it ends, which are about no part; a command's are plain text.

use std::fmt::{self, Display};
use std::io::{IsTerminal as _, stderr};

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::registry::LookupSpan;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// How the parts of the program are named in a filter: by the first word of their crates' names.
const AREAS: [&str; 5] = ["engine", "net", "replication", "tools", "ottla"];

/// Starts logging for a server.
pub(crate) fn start() {
    let (filter, fault) = filter("info");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .event_format(ServerLines::default())
        .init();
    tell(fault);
}

/// Starts logging for a command that somebody waits for and that says itself what it has done.
pub(crate) fn start_plain() {
    let (filter, fault) = filter("warn");
    // Nobody waits for this core but who gave the command.
    let stalls = "engine_runtime::stall=off".parse();
    let filter = filter.add_directive(stalls.expect("of the filter's form"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .event_format(plain_lines())
        .init();
    tell(fault);
}

fn tell(fault: Option<String>) {
    if let Some(fault) = fault {
        tracing::warn!("{fault}");
    }
}

/// What `OTTLA_LOG` asks for. One that asks for nothing we have is a fault to be told, and is
/// replaced by the default: a typo must not silence the errors.
fn filter(default: &str) -> (EnvFilter, Option<String>) {
    let wanted = std::env::var("OTTLA_LOG").unwrap_or_default();
    let wanted: String = wanted.split_whitespace().collect();
    let fault = fault(&wanted);
    let filter = match &fault {
        None if !wanted.is_empty() => EnvFilter::try_new(&wanted).ok(),
        _ => None,
    };
    let fault = fault.map(|fault| {
        format!(
            "OTTLA_LOG='{wanted}': {fault}; going on with {default}. Write a level ({}), or levels \
             by part, as in info,net_broker=debug",
            LEVELS.join(", ")
        )
    });
    (filter.unwrap_or_else(|| EnvFilter::new(default)), fault)
}

/// The part of the program that a line is about which says why the process ends: none.
const FATAL: &str = "ottla::fatal";

/// Lines of a server.
struct ServerLines {
    usual: Format,
    fatal: Format,
}

impl Default for ServerLines {
    fn default() -> Self {
        Self {
            usual: format(),
            fatal: format().with_target(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for ServerLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let lines = match event.metadata().target() {
            FATAL => &self.fatal,
            _ => &self.usual,
        };
        lines.format_event(context, writer, event)
    }
}

fn plain_lines() -> Format<Full, ()> {
    format().without_time().with_level(false).with_target(false)
}

/// Tells why the process ends, whatever the filter leaves out.
pub(crate) fn fatal(why: impl Display) {
    if tracing::enabled!(target: FATAL, tracing::Level::ERROR) {
        tracing::error!(target: FATAL, "{why}");
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
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::Registry;
    use tracing_subscriber::fmt::format::DefaultFields;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of a line that says why the process ends, and of another.
    fn lines<F>(format: F) -> Vec<String>
    where
        F: FormatEvent<Registry, DefaultFields> + Send + Sync + 'static,
    {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(format)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            fatal("the disk is gone");
            tracing::warn!("a key is unknown");
        });
        let bytes = written.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn why_a_server_ends_is_about_no_part_of_the_program() {
        let lines = lines(ServerLines::default());
        assert!(lines[0].ends_with("ERROR the disk is gone"), "{}", lines[0]);
        let usual = "WARN ottla::logging::tests: a key is unknown";
        assert!(lines[1].ends_with(usual), "{}", lines[1]);
    }

    #[test]
    fn a_commands_lines_are_plain_text() {
        let lines = lines(plain_lines());
        assert_eq!(lines, ["the disk is gone", "a key is unknown"]);
    }

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
