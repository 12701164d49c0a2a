//! Log lines: to standard error, as much as `OTTLA_LOG` asks for.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging. A filter that cannot be read is told and replaced by `info`.
pub(crate) fn start() {
    let wanted = std::env::var("OTTLA_LOG").unwrap_or_else(|_| "info".to_owned());
    let (filter, fault) = match EnvFilter::try_new(&wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    if let Some(error) = fault {
        tracing::warn!(
            "OTTLA_LOG='{wanted}' is not a filter ({error}); write for example info or \
             info,net_broker=debug"
        );
    }
}
