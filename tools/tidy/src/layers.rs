//! Who may import whom. Imports go one way: tools, bench, net, replication, engine.
//!
//! A crate that is not in the table, or an edge that is not, is a finding: the table is changed
//! together with ARCHITECTURE.md, where the reason stands.

use crate::Finding;
use crate::workspace::Package;

/// A crate and the crates of ours it may import; `"*"` for every crate of its own layer and
/// those below.
pub const TABLE: &[(&str, &[&str])] = &[
    ("engine-base", &[]),
    ("engine-codec", &["engine-base", "engine-codec-derive"]),
    ("engine-codec-derive", &[]),
    ("engine-runtime", &["engine-base"]),
    ("engine-record", &["engine-base", "engine-codec"]),
    (
        "engine-cache",
        &["engine-base", "engine-record", "engine-runtime"],
    ),
    (
        "engine-journal",
        &["engine-base", "engine-codec", "engine-runtime"],
    ),
    (
        "engine-log",
        &[
            "engine-base",
            "engine-codec",
            "engine-record",
            "engine-runtime",
            "engine-cache",
            "engine-journal",
        ],
    ),
    ("engine-shard", &["engine-base", "engine-runtime"]),
    (
        "replication-metadata",
        &["engine-base", "engine-codec", "engine-record"],
    ),
    (
        "replication-controller",
        &["engine-base", "replication-metadata"],
    ),
    (
        "replication-partition",
        &[
            "engine-base",
            "engine-codec",
            "engine-record",
            "engine-runtime",
            "engine-cache",
            "engine-journal",
            "engine-log",
            "engine-shard",
            "replication-metadata",
        ],
    ),
    (
        "replication-coordinator",
        &["engine-base", "engine-codec", "engine-record"],
    ),
    (
        "replication-group",
        &["engine-base", "engine-codec", "replication-coordinator"],
    ),
    ("net-wire", &["engine-base", "engine-codec"]),
    ("net-conn", &["engine-base", "engine-runtime", "net-wire"]),
    // A client writes and reads record batches as a broker does.
    (
        "net-client",
        &[
            "engine-base",
            "engine-codec",
            "engine-record",
            "engine-runtime",
            "net-wire",
        ],
    ),
    ("net-broker", &["*"]),
    ("bench-load", &["*"]),
    (
        "tools-cli",
        &["engine-base", "engine-runtime", "net-client", "net-wire"],
    ),
    ("tools-http", &[]),
    ("tools-server", &["*"]),
    ("tools-tidy", &[]),
];

/// Layers from the bottom up; bench stands beside tools.
const LAYERS: [&str; 4] = ["engine-", "replication-", "net-", "tools-"];

fn layer(name: &str) -> Option<usize> {
    if name.starts_with("bench-") {
        return Some(LAYERS.len() - 1);
    }
    LAYERS.iter().position(|prefix| name.starts_with(prefix))
}

/// Findings over all crates of ours.
pub fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.ours) {
        let row = TABLE.iter().find(|(name, _)| *name == package.name);
        let Some((_, allowed)) = row else {
            findings.push(format!(
                "{}: not in the import table of layers.rs",
                package.name
            ));
            continue;
        };
        for edge in &package.dependencies {
            let Some(below) = layer(&edge.name) else {
                continue;
            };
            let upward = layer(&package.name).is_none_or(|own| below > own);
            // Tests may reach sideways and down, for a driver or an oracle; never up.
            let listed = edge.dev || allowed.contains(&edge.name.as_str()) || allowed == &["*"];
            if upward || !listed {
                findings.push(format!("{} must not import {}", package.name, edge.name));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, edges: &[(&str, bool)]) -> Package {
        let edge = |&(name, dev): &(&str, bool)| Dependency {
            name: name.to_owned(),
            dev,
        };
        Package {
            name: name.to_owned(),
            folder: String::new(),
            ours: true,
            licence: String::new(),
            dependencies: edges.iter().map(edge).collect(),
            roots: Vec::new(),
        }
    }

    #[test]
    fn an_edge_outside_the_table_is_found() {
        let good = package("engine-shard", &[("engine-base", false), ("libc", false)]);
        assert_eq!(check(&[good]), Vec::<String>::new());
        let bad = package("engine-shard", &[("engine-log", false)]);
        assert_eq!(check(&[bad]), ["engine-shard must not import engine-log"]);
    }

    #[test]
    fn tests_may_reach_down_but_never_up() {
        assert!(check(&[package("net-wire", &[("engine-log", true)])]).is_empty());
        assert_eq!(
            check(&[package("engine-log", &[("net-wire", true)])]).len(),
            1
        );
        assert_eq!(
            check(&[package("net-broker", &[("tools-cli", false)])]).len(),
            1
        );
        assert!(check(&[package("net-broker", &[("engine-log", false)])]).is_empty());
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        assert_eq!(check(&[package("engine-new", &[])]).len(), 1);
    }

    #[test]
    fn the_table_itself_points_down() {
        for (name, allowed) in TABLE {
            for below in allowed.iter().filter(|below| **below != "*") {
                assert!(layer(below) <= layer(name), "{name} -> {below}");
                assert!(
                    TABLE.iter().any(|(known, _)| known == below),
                    "{below} is unknown"
                );
            }
        }
    }
}
