//! From `listeners` and its companions to sockets: who listens where, under what name, and what
//! clients are told.
//!
//! Owns the rules between those keys. `listeners` owns their syntax, `resolve` the addresses.

use std::net::SocketAddr;

use net_broker::config::{BrokerConfig, ListenerConfig};

use super::keys::split_list;
use super::listeners::{Endpoint, is_wildcard, parse_endpoints, parse_protocol_map};
use super::problem::Problem;
use super::resolve::{advertised_default, bind_address};
use super::values::Values;

fn endpoints(values: &Values, key: &str, problems: &mut Vec<Problem>) -> Vec<Endpoint> {
    parse_endpoints(values.text(key).unwrap_or_default()).unwrap_or_else(|fault| {
        problems.push(Problem::error(
            values.origin(key),
            key,
            &fault,
            "write for example PLAINTEXT://127.0.0.1:9092",
        ));
        Vec::new()
    })
}

/// Name, host and port of a listener that is told and not bound.
pub(super) type Told = (String, String, u16);

/// The listeners of clients, and what the controller's is called: a quorum of one needs no socket.
pub(super) fn listeners(
    values: &Values,
    problems: &mut Vec<Problem>,
) -> (Vec<ListenerConfig>, Told) {
    let faults = problems.len();
    let bound = endpoints(values, "listeners", problems);
    let advertised = endpoints(values, "advertised.listeners", problems);
    let controllers: Vec<String> = values
        .text("controller.listener.names")
        .map(|names| split_list(names).map(str::to_uppercase).collect())
        .unwrap_or_default();
    check_advertised(values, &bound, &advertised, problems);
    let clients: Vec<_> = bound
        .iter()
        .filter(|endpoint| !controllers.contains(&endpoint.name))
        .collect();
    check_protocols(values, &clients, problems);
    if clients.is_empty() && problems.len() == faults {
        problems.push(Problem::error(
            values.origin("listeners"),
            "listeners",
            "leaves clients nowhere to connect",
            "add for example PLAINTEXT://127.0.0.1:9092",
        ));
    }
    let mut listeners = Vec::new();
    for endpoint in clients {
        match bind_address(&endpoint.host, endpoint.port) {
            Ok(bind) => listeners.push(listener(endpoint, bind, &advertised)),
            Err(fault) => problems.push(Problem::error(
                values.origin("listeners"),
                "listeners",
                &fault,
                "write an address of this machine",
            )),
        }
    }
    (listeners, controller(&bound, &advertised, &controllers))
}

/// The controller's listener as the quorum's records name it, for a Kafka that takes the
/// directory over.
fn controller(bound: &[Endpoint], advertised: &[Endpoint], controllers: &[String]) -> Told {
    let is_controllers = |endpoint: &&Endpoint| controllers.contains(&endpoint.name);
    let Some(endpoint) = bound.iter().find(is_controllers) else {
        return BrokerConfig::default().controller_listener;
    };
    let told = advertised.iter().find(|told| told.name == endpoint.name);
    let told = told.unwrap_or(endpoint);
    (
        endpoint.name.clone(),
        advertised_default(&told.host),
        told.port,
    )
}

fn listener(endpoint: &Endpoint, bind: SocketAddr, advertised: &[Endpoint]) -> ListenerConfig {
    let told = advertised.iter().find(|told| told.name == endpoint.name);
    ListenerConfig {
        name: endpoint.name.clone(),
        bind,
        advertised_host: told.map_or_else(
            || advertised_default(&endpoint.host),
            |told| told.host.clone(),
        ),
        advertised_port: told.map(|told| told.port).filter(|&port| port != 0),
    }
}

fn check_advertised(
    values: &Values,
    bound: &[Endpoint],
    advertised: &[Endpoint],
    problems: &mut Vec<Problem>,
) {
    let key = "advertised.listeners";
    for told in advertised {
        if is_wildcard(&told.host) {
            problems.push(Problem::error(
                values.origin(key),
                key,
                &format!("tells clients of {} to connect to every address", told.name),
                "write the name or address that clients reach this machine by",
            ));
        }
        if !bound.iter().any(|endpoint| endpoint.name == told.name) {
            problems.push(Problem::error(
                values.origin(key),
                key,
                &format!("names {}, which listeners does not", told.name),
                "use the names that stand in listeners",
            ));
        }
    }
}

fn check_protocols(values: &Values, clients: &[&Endpoint], problems: &mut Vec<Problem>) {
    let key = "listener.security.protocol.map";
    let protocols = match parse_protocol_map(values.text(key).unwrap_or_default()) {
        Ok(protocols) => protocols,
        Err(fault) => {
            let remedy = "write for example PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT";
            problems.push(Problem::error(values.origin(key), key, &fault, remedy));
            return;
        }
    };
    for client in clients {
        let (text, remedy) = match protocols.get(&client.name).map(String::as_str) {
            Some("PLAINTEXT") => continue,
            Some(protocol) => (
                format!(
                    "has {}, a listener with {protocol}, which is not in this version",
                    client.name
                ),
                "serve PLAINTEXT on an address that only trusted clients reach",
            ),
            None => (
                format!("names {}, which has no protocol", client.name),
                "add it to listener.security.protocol.map",
            ),
        };
        problems.push(Problem::error(
            values.origin("listeners"),
            "listeners",
            &text,
            remedy,
        ));
    }
}
