//! `ottla server`: a broker from configuration to clean stop.

use std::io::Write as _;
use std::time::Duration;

use net_broker::Ready;
use tools_http::MetricsPage;

use super::configure::configure;
use crate::args::ConfigArgs;
use crate::config::{MetricsSettings, Settings};
use crate::exit::Exit;
use crate::{logging, metrics};

/// How long a scrape waits for the shards.
const SCRAPE_PATIENCE: Duration = Duration::from_secs(1);

/// Runs the broker until it is told to stop.
pub(crate) fn run(args: ConfigArgs) -> Exit {
    logging::start();
    let Some(Settings { broker, metrics }) = configure(args) else {
        return Exit::Configuration;
    };
    // Before the first thread, so that no other thread is ended by a signal.
    if let Err(error) = engine_runtime::block_shutdown_signals() {
        tracing::error!("cannot wait for signals: {error}");
        return Exit::Host;
    }
    let Ok(page) = bind_metrics(metrics) else {
        return Exit::Configuration;
    };
    let page = std::sync::Mutex::new(page);
    let on_ready = move |ready: Ready| {
        let line = ready_line(&ready);
        let page = page.lock().ok().and_then(|mut page| page.take());
        if let Some(page) = page {
            serve_metrics(page, ready);
        }
        // Somebody may have closed our output; the broker serves all the same.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    match net_broker::run(broker, on_ready) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            tracing::error!("{error}");
            Exit::from(&error)
        }
    }
}

/// `Err` when the page must be and cannot.
fn bind_metrics(settings: MetricsSettings) -> Result<Option<MetricsPage>, ()> {
    let Some(address) = settings.listener else {
        return Ok(None);
    };
    let error = match MetricsPage::bind(address) {
        Ok(page) => return Ok(Some(page)),
        Err(error) => error,
    };
    let remedy = "set ottla.metrics.listener to a free address (port 0 picks one), or to nothing";
    if settings.required {
        tracing::error!("no metrics page on {address}: {error}; {remedy}");
        return Err(());
    }
    tracing::warn!("NO METRICS PAGE on {address}: {error}; going on without it: {remedy}");
    Ok(None)
}

fn serve_metrics(page: MetricsPage, ready: Ready) {
    let address = page.address();
    let handle = ready.metrics;
    let snapshot = move || {
        handle
            .snapshot(SCRAPE_PATIENCE)
            .as_ref()
            .map(metrics::families)
    };
    let served = page.serve(snapshot);
    match (served, address) {
        (Ok(()), Ok(address)) => tracing::info!("metrics at http://{address}/metrics"),
        (Err(error), _) | (_, Err(error)) => tracing::error!("no metrics page: {error}"),
    }
}

/// The line that says where clients find the broker.
fn ready_line(ready: &Ready) -> String {
    let listeners = ready
        .listeners
        .iter()
        .map(|(name, address)| format!("{name}://{address}"));
    let listeners = listeners.collect::<Vec<_>>().join(",");
    format!("ready node={} listener={listeners}", ready.node_id)
}
