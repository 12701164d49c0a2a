//! `ottla topics`: create, list, describe, delete. Output as of `kafka-topics`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use net_client::{Admin, ClientError, NewTopic, Topic};
use net_wire::ErrorCode;

use crate::bootstrap::Bootstrap;
use crate::failure::Failure;
use crate::output;
use crate::topic_keys;

/// The commands about topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make a topic
    #[command(after_long_help = "\
Examples:
  ottla topics create events
  ottla topics create events --partitions 12
  ottla topics create events --partitions 3 --config retention.ms=3600000
  ottla topics create logs --config ottla.durability=written")]
    Create(CreateArgs),
    /// List the topics
    #[command(after_long_help = "\
Examples:
  ottla topics list
  ottla topics list --exclude-internal -b broker.example:9092")]
    List(ListArgs),
    /// Show partitions, leaders, replicas and configuration
    #[command(after_long_help = "\
Examples:
  ottla topics describe                       every topic
  ottla topics describe --exclude-internal    every topic of yours
  ottla topics describe events                one topic")]
    Describe(DescribeArgs),
    /// Delete a topic and its records
    #[command(after_long_help = "\
Examples:
  ottla topics delete events
  ottla topics delete events --if-exists")]
    Delete(DeleteArgs),
}

/// Of `ottla topics create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The topic's name
    name: String,
    /// How many partitions; the broker's num.partitions by default
    #[arg(short, long)]
    partitions: Option<i32>,
    /// How many replicas; the broker's default.replication.factor by default
    #[arg(short, long)]
    replication_factor: Option<i16>,
    /// A setting of the topic, such as retention.ms=3600000; may be repeated
    #[arg(short, long = "config", value_name = "KEY=VALUE")]
    configs: Vec<String>,
    /// Do nothing if the topic exists
    #[arg(long)]
    if_not_exists: bool,
    /// Also if the name is that of a topic the brokers keep for themselves
    #[arg(long)]
    force_internal: bool,
}

/// Of `ottla topics list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// Leave out the broker's own topics
    #[arg(long)]
    exclude_internal: bool,
}

/// Of `ottla topics describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The topic's name; every topic without it
    name: Option<String>,
    /// Leave out the broker's own topics
    #[arg(long, conflicts_with = "name")]
    exclude_internal: bool,
}

/// Of `ottla topics delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The topic's name
    name: String,
    /// Do nothing if there is no such topic
    #[arg(long)]
    if_exists: bool,
    /// Also if the name is that of a topic the brokers keep for themselves
    #[arg(long)]
    force_internal: bool,
}

/// Runs the command.
pub(crate) async fn run(command: TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::Create(args) => create(args).await,
        TopicsCommand::List(args) => list(args).await,
        TopicsCommand::Describe(args) => describe(args).await,
        TopicsCommand::Delete(args) => delete(args).await,
    }
}

/// The topics in which brokers keep committed offsets, transactions, share groups and metadata:
/// to delete or to make one by hand loses what they know.
const INTERNAL: [&str; 4] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__cluster_metadata",
];

fn check_internal(name: &str, is_forced: bool, risk: &str) -> Result<(), Failure> {
    if is_forced || !INTERNAL.contains(&name) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{name} is a topic that the brokers keep for themselves; {risk}.\n\
         With --force-internal it is done all the same."
    )))
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let risk = "they make it when they need it, with the settings it must have";
    check_internal(&args.name, args.force_internal, risk)?;
    let mut configs = Vec::new();
    for config in &args.configs {
        let Some((key, value)) = config.split_once('=') else {
            return Err(Failure::Usage(format!(
                "--config '{config}' is not key=value; write for example --config retention.ms=3600000"
            )));
        };
        configs.push((key.to_owned(), value.to_owned()));
    }
    let topic = NewTopic {
        name: args.name,
        partitions: args.partitions,
        replication_factor: args.replication_factor,
        configs,
    };
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    match admin.create_topic(&topic).await {
        Ok(()) => output::print(&format!("Created topic {}.\n", topic.name)),
        Err(error)
            if args.if_not_exists && error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) =>
        {
            Ok(())
        }
        Err(error) => Err(refused(error, &topic)),
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    for topic in admin.topics().await? {
        if !(args.exclude_internal && topic.is_internal) {
            output::print(&format!("{}\n", topic.name))?;
        }
    }
    Ok(())
}

async fn describe(args: DescribeArgs) -> Result<(), Failure> {
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    let topics = match &args.name {
        Some(name) => vec![admin.topic(name).await?],
        None => admin.topics().await?,
    };
    let shown = topics
        .into_iter()
        .filter(|topic| !(args.exclude_internal && topic.is_internal));
    for topic in shown {
        let configs = admin.topic_configs(&topic.name).await?;
        let set = configs
            .iter()
            .filter(|config| !config.is_default)
            .map(|config| {
                format!(
                    "{}={}",
                    config.name,
                    config.value.as_deref().unwrap_or("[hidden]")
                )
            });
        let set = set.collect::<Vec<_>>().join(",");
        output::print(&description(&topic, &set))?;
    }
    Ok(())
}

/// What to do when the broker refuses to make a topic, where that depends on what was asked.
fn refused(error: ClientError, topic: &NewTopic) -> Failure {
    let keys = topic.configs.iter().map(|(key, _)| key.as_str());
    if error.code() == Some(ErrorCode::INVALID_CONFIG)
        && let Some(advice) = topic_keys::advice(keys)
    {
        return Failure::Advised { error, advice };
    }
    let advice = match error.code() {
        Some(ErrorCode::INVALID_REPLICATION_FACTOR) if topic.replication_factor.is_none() => {
            "The broker's default.replication.factor asks for more replicas than there are \
             brokers that run: start more, correct default.replication.factor in the brokers' \
             configuration, or write for example --replication-factor 1."
        }
        Some(ErrorCode::POLICY_VIOLATION)
            if topic
                .partitions
                .is_some_and(|count| count >= PARTITIONS_PER_REQUEST) =>
        {
            "One request makes fewer than 10000 partitions: write a smaller --partitions."
        }
        _ => return error.into(),
    };
    Failure::Advised {
        error,
        advice: advice.to_owned(),
    }
}

/// Where the controller refuses: it writes so many records for one request, the topic's own among
/// them. Kafka's counts partitions alone and takes one more.
const PARTITIONS_PER_REQUEST: i32 = 10_000;

async fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let risk = "what groups have committed, or transactions have begun, goes with it";
    check_internal(&args.name, args.force_internal, risk)?;
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    match admin.delete_topic(&args.name).await {
        Ok(()) => output::print(&format!("Deleted topic {}.\n", args.name)),
        Err(error)
            if args.if_exists && error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) =>
        {
            Ok(())
        }
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            Err(Failure::Advised {
                error,
                advice: "See 'ottla topics list'; with --if-exists this is no error.".to_owned(),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// A topic and its partitions, a line each.
fn description(topic: &Topic, configs: &str) -> String {
    let replicas = topic
        .partitions
        .first()
        .map_or(0, |partition| partition.replicas.len());
    let mut text = format!(
        "Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {replicas}\tConfigs: {configs}\n",
        topic.name,
        topic.id,
        topic.partitions.len(),
    );
    for partition in &topic.partitions {
        let leader = match partition.leader_id {
            id if id >= 0 => id.to_string(),
            _ => "none".to_owned(),
        };
        let line = writeln!(
            text,
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            topic.name,
            partition.index,
            numbers(&partition.replicas),
            numbers(&partition.isr),
        );
        line.expect("writing to a String cannot fail");
    }
    text
}

fn numbers(list: &[i32]) -> String {
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_base::Uuid;
    use net_client::Partition;

    #[test]
    fn describes_as_kafkas_tool_does() {
        let topic = Topic {
            name: "t".to_owned(),
            id: Uuid::METADATA_TOPIC,
            is_internal: false,
            partitions: vec![Partition {
                index: 0,
                leader_id: -1,
                leader_epoch: 0,
                replicas: vec![1, 2],
                isr: vec![2],
            }],
        };
        assert_eq!(
            description(&topic, "a=b"),
            "Topic: t\tTopicId: AAAAAAAAAAAAAAAAAAAAAQ\tPartitionCount: 1\tReplicationFactor: 2\t\
             Configs: a=b\n\tTopic: t\tPartition: 0\tLeader: none\tReplicas: 1,2\tIsr: 2\n"
        );
    }

    #[test]
    fn the_brokers_own_topics_are_left_alone_unless_forced() {
        for name in INTERNAL {
            let refused = check_internal(name, false, "risk").unwrap_err();
            assert!(refused.to_string().contains("--force-internal"));
            assert!(check_internal(name, true, "risk").is_ok());
        }
        assert!(check_internal("__mine", false, "risk").is_ok());
    }

    #[test]
    fn a_refused_topic_is_advised_by_what_was_asked() {
        let shown = |code, partitions, replication_factor| {
            let error = ClientError::Broker {
                code,
                subject: "topic t".to_owned(),
                message: None,
            };
            let topic = NewTopic {
                name: "t".to_owned(),
                partitions,
                replication_factor,
                configs: vec![("retention.m".to_owned(), "1".to_owned())],
            };
            refused(error, &topic).to_string()
        };
        let factor = ErrorCode::INVALID_REPLICATION_FACTOR;
        assert!(shown(factor, None, None).contains("default.replication.factor"));
        assert!(shown(factor, None, Some(3)).contains("smaller --replication-factor"));
        let policy = ErrorCode::POLICY_VIOLATION;
        assert!(shown(policy, Some(20_000), None).contains("10000"));
        assert!(!shown(policy, Some(1), None).contains("10000"));
        let config = ErrorCode::INVALID_CONFIG;
        assert!(shown(config, None, None).contains("did you mean retention.ms?"));
    }
}
