//! Settings we understand and must not start with: each would promise what this broker cannot
//! keep, or fork a cluster.

use super::keys::{self, parse_bool, split_list};
use super::layers::Origin;
use super::problem::Problem;
use super::values::{Values, ZOOKEEPER};

/// Adds a problem for each of them.
pub(crate) fn find_refusals(values: &Values, problems: &mut Vec<Problem>) {
    refuse_zookeeper(values, problems);
    refuse_roles(values, problems);
    refuse_other_voters(values, problems);
    refuse_policies(values, problems);
    refuse_promises(values, problems);
    warn_of_lost_effects(values, problems);
}

fn error(values: &Values, key: &str, text: &str, remedy: &str) -> Problem {
    Problem::error(values.origin(key), key, text, remedy)
}

fn refuse_zookeeper(values: &Values, problems: &mut Vec<Problem>) {
    if values.written(ZOOKEEPER).is_some() && values.origin("process.roles") == Origin::Default {
        problems.push(error(
            values,
            ZOOKEEPER,
            "belongs to Kafka 3; there is no ZooKeeper here or in Kafka 4",
            "remove it and write process.roles=broker,controller and node.id=<broker.id>",
        ));
    }
}

fn refuse_roles(values: &Values, problems: &mut Vec<Problem>) {
    let Some(roles) = values.text("process.roles") else {
        return;
    };
    let has = |role| split_list(roles).any(|item| item == role);
    if has("broker") && has("controller") {
        return;
    }
    problems.push(error(
        values,
        "process.roles",
        &format!("'{roles}' asks for one role alone, which needs a cluster of several nodes"),
        "this version runs single nodes: write process.roles=broker,controller",
    ));
}

/// A node that ignored the other voters would start a second cluster beside theirs.
fn refuse_other_voters(values: &Values, problems: &mut Vec<Problem>) {
    for key in [
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
    ] {
        let count = values
            .text(key)
            .map_or(0, |value| split_list(value).count());
        if count > 1 {
            problems.push(error(
                values,
                key,
                &format!("names {count} controllers"),
                "this version runs single nodes: name this node alone",
            ));
        }
    }
    let voters = values.text("controller.quorum.voters").unwrap_or_default();
    let voter_id = voters.split_once('@').map(|(id, _)| id.trim());
    if let Some(id) = voter_id
        && values.text("node.id").is_some_and(|node_id| node_id != id)
    {
        problems.push(error(
            values,
            "controller.quorum.voters",
            &format!("names node {id}, which is not this node"),
            "write this node's node.id before the '@'",
        ));
    }
}

/// Classes that guard something: running without them would open what they keep shut.
fn refuse_policies(values: &Values, problems: &mut Vec<Problem>) {
    let guards = [
        (
            "authorizer.class.name",
            "access control is not in this version",
        ),
        (
            "create.topic.policy.class.name",
            "Java classes cannot be loaded",
        ),
        (
            "alter.config.policy.class.name",
            "Java classes cannot be loaded",
        ),
        ("config.providers", "Java classes cannot be loaded"),
        (
            "client.quota.callback.class",
            "Java classes cannot be loaded",
        ),
        ("principal.builder.class", "Java classes cannot be loaded"),
    ];
    for (key, why) in guards {
        let default = keys::find(key).and_then(|key| key.default);
        let written = values.text(key).filter(|value| !value.is_empty());
        if written.is_some() && written != default {
            problems.push(error(
                values,
                key,
                &format!("guards the broker, and {why}"),
                "remove it if you can do without it",
            ));
        }
    }
}

/// Promises to others: that records lie elsewhere too, that links are encrypted, that users are
/// told apart.
fn refuse_promises(values: &Values, problems: &mut Vec<Problem>) {
    let mut refuse = |key: &str, text: &str, remedy: &str| {
        problems.push(error(values, key, text, remedy));
    };
    if values.integer("default.replication.factor") > Some(1) {
        refuse(
            "default.replication.factor",
            "asks for more replicas than there are nodes: no topic could be created so",
            "this version runs single nodes: write 1",
        );
    }
    if values.text("security.inter.broker.protocol") != Some("PLAINTEXT") {
        refuse(
            "security.inter.broker.protocol",
            "asks for encryption or authentication, which are not in this version",
            "remove it: a single node talks to no other",
        );
    }
    if values.bool("remote.log.storage.system.enable") {
        refuse(
            "remote.log.storage.system.enable",
            "asks for tiered storage, which is not in this version: nothing would be stored there",
            "remove it, and keep the records you need on this machine",
        );
    }
}

/// What Kafka would do and we do not, although the value asks for it.
fn warn_of_lost_effects(values: &Values, problems: &mut Vec<Problem>) {
    let mut warn = |key: &str, text: &str, remedy: &str| {
        problems.push(Problem::warning(values.origin(key), key, text, remedy));
    };
    if values
        .written("log.cleaner.enable")
        .and_then(|p| parse_bool(&p.value))
        == Some(false)
    {
        warn(
            "log.cleaner.enable",
            "false has no effect",
            "Kafka deprecated it in 4.1",
        );
    }
    let cleanup = values.text("log.cleanup.policy").unwrap_or_default();
    if split_list(cleanup).any(|policy| policy == "compact") {
        warn(
            "log.cleanup.policy",
            "asks for compaction, which is not in this version",
            if split_list(cleanup).any(|policy| policy == "delete") {
                "topics keep every record until retention deletes it"
            } else {
                "topics keep every record; write delete for retention"
            },
        );
    }
    if values.integer("offsets.topic.replication.factor") > Some(1) {
        warn(
            "offsets.topic.replication.factor",
            "asks for more replicas than there are nodes: committed offsets have one copy",
            "write 1 for a single node",
        );
    }
    if values.integer("message.max.bytes") == Some(0) {
        warn(
            "message.max.bytes",
            "0 refuses every record",
            "remove it for the default 1048588",
        );
    }
}
