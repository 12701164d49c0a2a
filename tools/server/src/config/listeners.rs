//! `listeners`, `advertised.listeners` and the protocol map: who listens where, and what clients
//! are told.
//!
//! Owns the syntax and the rules between the keys. Never resolves a name: see `resolve`.

use std::collections::BTreeMap;

use super::keys::split_list;

/// `NAME://host:port`, the host possibly empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The listener's name, in capitals as Kafka normalises it.
    pub(crate) name: String,
    /// Without the brackets of IPv6; empty for every address.
    pub(crate) host: String,
    /// Zero picks one.
    pub(crate) port: u16,
}

/// Reads `NAME://host:port,…`; the error says which item is wrong and how.
pub(crate) fn parse_endpoints(value: &str) -> Result<Vec<Endpoint>, String> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for item in split_list(value) {
        let endpoint = parse_endpoint(item)
            .ok_or_else(|| format!("holds '{item}', which is not NAME://host:port"))?;
        if endpoints
            .iter()
            .any(|earlier| earlier.name == endpoint.name)
        {
            return Err(format!("names the listener {} twice", endpoint.name));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn parse_endpoint(item: &str) -> Option<Endpoint> {
    let (name, address) = item.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .map_or(Some(host), |inner| inner.strip_suffix(']'))?;
    // An address with colons needs its brackets, or the port could not be told from it.
    let unbracketed_v6 = bare.contains(':') && !host.starts_with('[');
    if name.is_empty() || unbracketed_v6 {
        return None;
    }
    let port = port.parse().ok()?;
    Some(Endpoint {
        name: name.to_uppercase(),
        host: bare.to_owned(),
        port,
    })
}

/// Reads `NAME:PROTOCOL,…` into name and protocol, both in capitals.
pub(crate) fn parse_protocol_map(value: &str) -> Result<BTreeMap<String, String>, String> {
    let mut protocols = BTreeMap::new();
    for item in split_list(value) {
        let (name, protocol) = item
            .split_once(':')
            .ok_or_else(|| format!("holds '{item}', which is not NAME:PROTOCOL"))?;
        let protocol = protocol.trim().to_uppercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return Err(format!(
                "gives {name} the protocol '{protocol}', which Kafka does not have"
            ));
        }
        protocols.insert(name.trim().to_uppercase(), protocol);
    }
    Ok(protocols)
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// Addresses no client can connect to.
pub(crate) fn is_wildcard(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str, host: &str, port: u16) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn reads_hosts_wildcards_and_ipv6() {
        assert_eq!(
            parse_endpoints("PLAINTEXT://:9092, controller://localhost:9093,X://[::1]:0").unwrap(),
            vec![
                endpoint("PLAINTEXT", "", 9092),
                endpoint("CONTROLLER", "localhost", 9093),
                endpoint("X", "::1", 0),
            ]
        );
    }

    #[test]
    fn refuses_what_is_not_an_endpoint() {
        for bad in [
            "localhost:9092",
            "A://host",
            "A://host:x",
            "A://h:65536",
            "://h:1",
            "A://::1:9",
        ] {
            let error = parse_endpoints(bad).unwrap_err();
            assert!(error.contains(bad), "{error}");
        }
        assert!(
            parse_endpoints("A://:1,a://:2")
                .unwrap_err()
                .contains("twice")
        );
    }

    #[test]
    fn reads_the_protocol_map() {
        let map = parse_protocol_map("CONTROLLER:PLAINTEXT, Inside:sasl_ssl").unwrap();
        assert_eq!(map["CONTROLLER"], "PLAINTEXT");
        assert_eq!(map["INSIDE"], "SASL_SSL");
        assert!(parse_protocol_map("A=SSL").is_err());
        assert!(parse_protocol_map("A:TLS").is_err());
    }

    #[test]
    fn knows_wildcards() {
        assert!(is_wildcard("") && is_wildcard("0.0.0.0") && is_wildcard("::"));
        assert!(!is_wildcard("127.0.0.1") && !is_wildcard("localhost"));
    }
}
