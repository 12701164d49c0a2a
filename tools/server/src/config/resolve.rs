//! Addresses of this machine: what a listener binds, and what clients are told.
//!
//! A statically linked program should not lean on the host's name service more than it must:
//! literals, `localhost` and `/etc/hosts` are answered here, the rest is asked of the system.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use super::listeners::is_wildcard;

/// The address to bind for `host`: every address for an empty one.
pub(crate) fn bind_address(host: &str, port: u16) -> Result<SocketAddr, String> {
    if host.is_empty() {
        return Ok(SocketAddr::new(every_address(), port));
    }
    address_of(host)
        .map(|ip| SocketAddr::new(ip, port))
        .ok_or_else(|| format!("names the host '{host}', which cannot be resolved"))
}

/// IPv6's wildcard serves IPv4 too, where the kernel has IPv6.
fn every_address() -> IpAddr {
    if Path::new("/proc/net/if_inet6").exists() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    }
}

fn address_of(host: &str) -> Option<IpAddr> {
    if let Ok(literal) = host.parse() {
        return Some(literal);
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if let Some(listed) = in_hosts_file(&hosts, host) {
        return Some(listed);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let resolved = (host, 0).to_socket_addrs().ok()?;
    prefer_v4(resolved.map(|address| address.ip()))
}

/// The address of `host` in the text of a hosts file.
fn in_hosts_file(text: &str, host: &str) -> Option<IpAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    });
    prefer_v4(addresses)
}

/// IPv4 first, as Java binds by default.
fn prefer_v4(addresses: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    let addresses: Vec<_> = addresses.collect();
    let v4 = addresses.iter().find(|ip| ip.is_ipv4());
    v4.or_else(|| addresses.first()).copied()
}

/// What clients are told when nothing was advertised: the listener's host, or this machine's name.
pub(crate) fn advertised_default(host: &str) -> String {
    if !is_wildcard(host) {
        return host.to_owned();
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" | "(none)" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_hosts_file() {
        let text =
            "# comment\n::1 localhost\n127.0.0.1\tLocalHost other # not.this\n\n10.0.0.7 seven";
        let find = |host| in_hosts_file(text, host).map(|ip| ip.to_string());
        assert_eq!(find("localhost").as_deref(), Some("127.0.0.1"));
        assert_eq!(find("seven").as_deref(), Some("10.0.0.7"));
        assert_eq!(find("not.this"), None);
    }

    #[test]
    fn binds_literals_and_wildcards() {
        assert_eq!(
            bind_address("127.0.0.1", 9092),
            Ok(([127, 0, 0, 1], 9092).into())
        );
        assert!(bind_address("", 0).unwrap().ip().is_unspecified());
        assert_eq!(bind_address("::1", 1).unwrap().to_string(), "[::1]:1");
    }

    #[test]
    fn a_wildcard_is_advertised_by_the_machines_name() {
        assert_eq!(advertised_default("a.b"), "a.b");
        assert!(!is_wildcard(&advertised_default("")));
    }
}
