//! Where a broker is, as it says or as the operator wrote it.

use std::fmt;

/// A host by name or literal, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// The host, without the brackets of IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Reads `host:port,host:port`, as `bootstrap.servers` is written. `None` if a part is not
    /// of that form or there is none.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let list: Option<Vec<Self>> = parts.map(Self::parse).collect();
        list.filter(|list| !list.is_empty())
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let port = port.parse().ok().filter(|&port| port != 0)?;
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bootstrap_servers() {
        let list = HostPort::parse_list("localhost:9092, [::1]:9093,").unwrap();
        let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["localhost:9092", "[::1]:9093"]);
        for bad in [
            "",
            "localhost",
            "localhost:",
            "a:0",
            "a:70000",
            "::1:9092",
            ":9092",
            "[::1:1",
        ] {
            assert_eq!(HostPort::parse_list(bad), None, "{bad}");
        }
    }
}
