//! The addresses that a broker listens on, and those it tells clients. At the start, on shard 0.

use std::io;
use std::time::Duration;

use engine_runtime::{Listener, now, sleep};

use crate::config::{BrokerConfig, ListenerConfig};
use crate::error::StartError;

/// How long an address that is in use is tried.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(2);

/// How often.
const ADDRESS_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Tells of a taken address before the directory is formatted or its journal begun. What listened
/// from here on would take connections for as long as recovery lasts, and answer none.
pub(crate) async fn check(config: &BrokerConfig) -> Result<(), StartError> {
    let listeners = config.listeners.iter();
    for listener in listeners.filter(|listener| listener.bind.port() != 0) {
        bind_one(listener).await?;
    }
    Ok(())
}

/// Listens on all of them.
pub(crate) async fn bind(config: &BrokerConfig) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        listeners.push(bind_one(listener).await?);
    }
    Ok(listeners)
}

/// Listens. A process that was killed leaves its sockets to the kernel's end of its rings, which
/// comes a moment after the end of the process: an address in use is tried for a while.
async fn bind_one(listener: &ListenerConfig) -> Result<Listener, StartError> {
    let given_up_at = now() + ADDRESS_PATIENCE;
    loop {
        match Listener::bind(listener.bind) {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && now() < given_up_at => {
                sleep(ADDRESS_RETRY_INTERVAL).await;
            }
            Err(error) => {
                return Err(StartError::Config(format!(
                    "cannot listen on {}://{}: {error}; set listeners to a free address (port 0 \
                     picks one), or stop what listens there",
                    listener.name, listener.bind
                )));
            }
        }
    }
}

/// What clients are told: name, host and port of each listener.
pub(crate) fn advertised(
    config: &BrokerConfig,
    listeners: &[Listener],
) -> Vec<(String, String, u16)> {
    let config = config.listeners.iter().zip(listeners);
    config
        .map(|(config, listener)| {
            let port = config
                .advertised_port
                .unwrap_or_else(|| listener.local_addr().port());
            (config.name.clone(), config.advertised_host.clone(), port)
        })
        .collect()
}
