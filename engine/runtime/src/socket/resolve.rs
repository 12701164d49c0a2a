//! Host names to addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::context;
use crate::driver::Driver;
use crate::thread::run_blocking;

/// The addresses of `host`, a name or a numeric address, with `port`. A name is looked up by the
/// C library on a thread of its own: that may take seconds and must not hold a core.
///
/// # Errors
/// When the name is unknown, or the lookup failed.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if let Driver::Sim(sim) = context::current().driver() {
        return sim
            .resolve(host)
            .map(|ip| vec![SocketAddr::new(ip, port)])
            .ok_or_else(|| io::ErrorKind::NotFound.into());
    }
    let host = host.to_owned();
    let lookup = move || Ok((host.as_str(), port).to_socket_addrs()?.collect());
    run_blocking("resolve", lookup).await
}
