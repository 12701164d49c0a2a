//! `/metrics`, on a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::render::render;
use crate::snapshot::Snapshot;

/// What OpenMetrics text is called.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A page that has its address and does not serve yet: a taken address is told before the broker
/// starts.
pub struct MetricsPage {
    listener: TcpListener,
}

impl MetricsPage {
    /// Takes the address; port 0 picks one.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }

    /// The address taken.
    ///
    /// # Errors
    /// As getsockname(2): none for a bound socket.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends. `snapshot` is called at each scrape, one at a time,
    /// and may block for a moment; `None` fails the scrape.
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn serve(
        self,
        snapshot: impl Fn() -> Option<Snapshot> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let router = router(Arc::new(snapshot));
        let serving = async move {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            axum::serve(listener, router).await
        };
        thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(serving) {
                    tracing::error!(
                        "the metrics page ended: {error}; the broker goes on without it"
                    );
                }
            })?;
        Ok(())
    }
}

fn router(snapshot: Arc<impl Fn() -> Option<Snapshot> + Send + Sync + 'static>) -> Router {
    let metrics = move || async move {
        match snapshot() {
            Some(snapshot) => ([(CONTENT_TYPE, OPEN_METRICS)], render(snapshot)).into_response(),
            // Zeroes would look like a restart; a failed scrape looks like what it is.
            None => {
                let text = "The broker did not answer in time.\n";
                (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
            }
        }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/", get(|| async { "The metrics are at /metrics.\n" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Family, Value};
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn get_text(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn serves_a_fresh_snapshot_at_each_scrape() {
        let page = MetricsPage::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = page.address().unwrap();
        let scrapes = std::sync::atomic::AtomicU64::new(0);
        page.serve(move || {
            let count = scrapes.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            let family = Family::single("scrapes", "Scrapes.", Value::Counter(count));
            (count < 3).then(|| Snapshot {
                families: vec![family],
            })
        })
        .unwrap();
        let first = get_text(address, "/metrics");
        assert!(first.starts_with("HTTP/1.1 200 OK"), "{first}");
        assert!(first.contains(OPEN_METRICS), "{first}");
        assert!(first.contains("scrapes_total 1\n"), "{first}");
        assert!(get_text(address, "/metrics").contains("scrapes_total 2\n"));
        assert!(get_text(address, "/metrics").starts_with("HTTP/1.1 503"));
        assert!(get_text(address, "/nowhere").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn a_taken_address_is_told() {
        let page = MetricsPage::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let again = MetricsPage::bind(page.address().unwrap());
        assert_eq!(again.err().unwrap().kind(), io::ErrorKind::AddrInUse);
    }
}
