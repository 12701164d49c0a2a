//! `ottla server`: a broker from configuration to clean stop.

use std::io::{self, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use net_broker::Ready;
use net_broker::config::ListenerConfig;
use tools_http::MetricsPage;

use super::configure::configure;
use super::next_step;
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
    if let Some(error) = broker.listeners.iter().find_map(not_ours) {
        logging::fatal(error);
        return Exit::Configuration;
    }
    // Before the first thread, so that no other thread is ended by a signal.
    if let Err(error) = engine_runtime::block_shutdown_signals() {
        logging::fatal(format_args!("cannot wait for signals: {error}"));
        return Exit::Host;
    }
    let page = match bind_metrics(metrics) {
        Ok(page) => page,
        Err(error) if metrics.required => {
            logging::fatal(error);
            return Exit::Configuration;
        }
        Err(error) => Page::Missing(error),
    };
    // A start that fails has something else to tell than that there is no page. Taken once, by
    // the broker that serves.
    let page = Mutex::new(page);
    let directory = broker.log_dir.clone();
    let on_ready = move |ready: Ready| {
        let line = ready_line(&ready);
        tracing::info!("data in {}", absolute(&directory));
        if let Some(told) = told_elsewhere(&ready.listeners, &ready.advertised) {
            tracing::info!("clients are told to connect to {told}");
        }
        serve_metrics(take(&page), ready);
        // Somebody may have closed our output; the broker serves all the same.
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    tracing::debug!(
        "starting node {} on {}, {} bytes of memory",
        broker.node_id.0,
        broker.log_dir.display(),
        broker.memory_bytes
    );
    let directory = broker.log_dir.clone();
    match net_broker::run(broker, on_ready) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            logging::fatal(next_step::told(&error, &directory));
            Exit::from(&error)
        }
    }
}

/// Why the listener's address cannot be bound whatever its port: it is another machine's.
fn not_ours(listener: &ListenerConfig) -> Option<String> {
    // Any protocol and port tells; these take nothing away from anybody.
    let error = UdpSocket::bind((listener.bind.ip(), 0)).err()?;
    (error.kind() == io::ErrorKind::AddrNotAvailable).then(|| {
        format!(
            "cannot listen on {}://{}: {} is no address of this machine; set listeners to one of \
             its own, or to 0.0.0.0 for all of them, and advertised.listeners to what clients \
             connect to",
            listener.name,
            listener.bind,
            listener.bind.ip()
        )
    })
}

/// The directory as somebody finds it who does not know where the broker was started.
fn absolute(directory: &Path) -> String {
    let absolute = std::path::absolute(directory);
    let shown = absolute.as_deref().unwrap_or(directory).display();
    shown.to_string()
}

/// What became of the metrics page.
#[derive(Default)]
enum Page {
    /// It has its address.
    Bound(MetricsPage),
    /// It cannot be: why, and what to do.
    Missing(String),
    /// Nobody wants it, or it has been dealt with.
    #[default]
    None,
}

fn take(page: &Mutex<Page>) -> Page {
    page.lock()
        .map(|mut page| std::mem::take(&mut *page))
        .unwrap_or_default()
}

fn bind_metrics(settings: MetricsSettings) -> Result<Page, String> {
    let Some(address) = settings.listener else {
        return Ok(Page::None);
    };
    MetricsPage::bind(address).map(Page::Bound).map_err(|error| {
        format!(
            "no metrics page on {address}: {error}; set ottla.metrics.listener to a free address \
             (port 0 picks one), or to nothing"
        )
    })
}

fn serve_metrics(page: Page, ready: Ready) {
    let page = match page {
        Page::Bound(page) => page,
        Page::Missing(why) => {
            tracing::warn!("{why}");
            return;
        }
        Page::None => return,
    };
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

/// The listeners that clients are told of under another address than the bound one; `None` when
/// there is none.
fn told_elsewhere(
    bound: &[(String, SocketAddr)],
    told: &[(String, String, u16)],
) -> Option<String> {
    let pairs = bound.iter().zip(told);
    let others = pairs.filter_map(|((_, address), (name, host, port))| {
        let is_same = *host == address.ip().to_string() && *port == address.port();
        (!is_same).then(|| shown(name, host, *port))
    });
    let others: Vec<_> = others.collect();
    (!others.is_empty()).then(|| others.join(","))
}

/// As in `advertised.listeners`, where IPv6 addresses stand in brackets.
fn shown(name: &str, host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("{name}://[{host}]:{port}"),
        false => format!("{name}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_machine_is_told_as_one() {
        let told = |address: &str| {
            not_ours(&ListenerConfig {
                name: "PLAINTEXT".to_owned(),
                bind: address.parse().unwrap(),
                advertised_host: "h".to_owned(),
                advertised_port: None,
            })
        };
        // Of the block for documentation.
        let text = told("192.0.2.1:9092").unwrap();
        assert!(text.contains("192.0.2.1 is no address of"), "{text}");
        assert!(text.contains("PLAINTEXT://192.0.2.1:9092"), "{text}");
        for ours in ["127.0.0.1:9092", "0.0.0.0:9092"] {
            assert_eq!(told(ours), None);
        }
    }

    #[test]
    fn the_data_directory_is_named_from_the_root() {
        let here = std::env::current_dir().unwrap();
        let expected = here.join("data").display().to_string();
        assert_eq!(absolute(Path::new("data")), expected);
        assert_eq!(absolute(Path::new("/d")), "/d");
    }

    #[test]
    fn only_what_is_told_otherwise_is_said() {
        let bound = ["127.0.0.1:9092", "[::]:9093", "0.0.0.0:9094"]
            .map(|address| ("PLAINTEXT".to_owned(), address.parse().unwrap()));
        let told = |hosts: [&str; 3]| {
            let told = [9092, 9093, 9095].into_iter().zip(hosts);
            let told = told.map(|(port, host)| ("PLAINTEXT".to_owned(), host.to_owned(), port));
            told_elsewhere(&bound, &told.collect::<Vec<_>>())
        };
        let text = told(["127.0.0.1", "fe80::1", "0.0.0.0"]);
        let expected = "PLAINTEXT://[fe80::1]:9093,PLAINTEXT://0.0.0.0:9095";
        assert_eq!(text.as_deref(), Some(expected));
        assert_eq!(
            told_elsewhere(
                &bound[..1],
                &[("PLAINTEXT".to_owned(), "127.0.0.1".to_owned(), 9092)]
            ),
            None
        );
    }
}
