//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use tools_cli::{ConsumeArgs, GroupsCommand, ProduceArgs, TopicsCommand};

/// A Kafka broker in one binary.
///
/// Kafka's clients, tools and configuration files work with it as they are. Log lines go to
/// standard error; OTTLA_LOG chooses how much (error, warn, info, debug, or by part:
/// info,net_broker=debug).
#[derive(Debug, Parser)]
#[command(
    name = "ottla",
    version,
    arg_required_else_help = true,
    after_help = "\
Start here:
  ottla server                                  a broker on localhost:9092, data in ./ottla-data
  ottla topics create events                    a topic
  ottla produce events                          type records, end with Ctrl-D
  ottla consume events --from-beginning         read them"
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker
    #[command(after_long_help = SERVER_HELP)]
    Server(ConfigArgs),
    /// Prepare an empty data directory, with a cluster id of your choice
    #[command(after_long_help = "\
Examples:
  ottla format                                               for the configuration without a file
  ottla format server.properties --cluster-id MkU3OEVBNTcwNTJENDM2Qg

'ottla server' formats an empty directory by itself, with a random cluster id. A directory that
is formatted already is left as it is, and is an error.")]
    Format(FormatArgs),
    /// Look at a configuration
    #[command(
        subcommand,
        after_help = "\
Example:
  ottla config check /etc/kafka/server.properties"
    )]
    Config(ConfigCommand),
    /// Create, list, describe, delete topics
    #[command(
        subcommand,
        after_help = "\
Examples:
  ottla topics create events --partitions 12 --config retention.ms=3600000
  ottla topics list -b broker.example:9092
  ottla topics describe events
  ottla topics delete events

'ottla topics create --help' and so on show more."
    )]
    Topics(TopicsCommand),
    /// List and describe consumer groups
    #[command(
        subcommand,
        after_help = "\
Examples:
  ottla groups list --state
  ottla groups describe readers              offsets and lag
  ottla groups describe readers --members    who reads what

'ottla consume TOPIC --group readers' makes a group."
    )]
    Groups(GroupsCommand),
    /// Send lines as records
    Produce(ProduceArgs),
    /// Print records
    Consume(ConsumeArgs),
    /// Make the directory of a killed broker readable for Apache Kafka
    #[command(after_long_help = "\
Example:
  ottla recover /var/lib/kafka

Does what 'ottla server' does at its start after a crash, and stops: every acknowledged record is
put into its segment, the journal is emptied, Kafka's checkpoint files are written. 'ottla server'
needs no such help; Apache Kafka does, if it is to start on a directory whose ottla was killed.
Running it again changes nothing.

Exit codes: 0 recovered, or nothing to do; 2 the directory is in use or no data directory; 3 what
it holds is damaged.")]
    Recover {
        /// The data directory
        dir: PathBuf,
    },
}

const SERVER_HELP: &str = "\
Examples:
  ottla server
  ottla server /etc/kafka/server.properties
  ottla server --set listeners=PLAINTEXT://0.0.0.0:9092 --set advertised.listeners=PLAINTEXT://broker1:9092
  ottla server --set listeners=PLAINTEXT://127.0.0.1:0 --set log.dirs=/tmp/data
  KAFKA_LOG_DIRS=/data OTTLA_SHARDS=2 ottla server

FILE is a server.properties of Kafka. Without one the broker serves PLAINTEXT on 127.0.0.1:9092
with its data in ./ottla-data. --set wins over the environment (KAFKA_LOG_DIRS for log.dirs,
OTTLA_SHARDS for ottla.shards), which wins over FILE. 'ottla config check FILE' explains a file.

When it serves, one line on standard output says where:
  ready node=1 listener=PLAINTEXT://127.0.0.1:9092
SIGTERM and SIGINT stop it clean. Metrics for Prometheus: http://127.0.0.1:9644/metrics.

Exit codes: 0 stopped clean, 1 it cannot start as configured, or not stop clean for want of space,
2 the data directory is in use, belongs to another node, or its meta.properties to another metadata
log, 3 its data is damaged, 4 the host does not allow io_uring. The last line says why.";

/// A configuration.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// A server.properties
    pub(crate) file: Option<PathBuf>,
    /// A key to set, over the file and the environment; may be repeated
    #[arg(long = "set", alias = "override", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// Of `ottla format`.
#[derive(Debug, ClapArgs)]
pub(crate) struct FormatArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The cluster's id, 22 characters of URL-safe base64; a random one by default
    #[arg(short = 't', long, allow_hyphen_values = true)]
    pub(crate) cluster_id: Option<String>,
}

/// The commands about configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show what each key of a server.properties does here, and what is wrong with it
    #[command(after_long_help = "\
Examples:
  ottla config check /etc/kafka/server.properties
  ottla config check server.properties --set num.partitions=3
  KAFKA_LOG_DIRS=/data ottla config check

Each key is shown with its class: honoured (means what it means in Kafka), mapped (to a notion
of ottla's own), in part (the line below says which), no effect (accepted and reported), unknown,
or not taken (the error says why); and with where its value comes from. The exit code is 0 when a broker would start, 1 when it would
not.")]
    Check {
        /// A server.properties; without one the environment and --set are checked
        file: Option<PathBuf>,
        /// A key to set over the file and the environment, as `ottla server` does
        #[arg(long = "set", alias = "override", value_name = "KEY=VALUE")]
        sets: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Args::try_parse_from(line.split_whitespace()).map(|args| args.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        use clap::CommandFactory as _;
        let mut commands = vec![Args::command()];
        while let Some(mut command) = commands.pop() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("ottla "), "{help}");
            assert!(
                help.contains("Example") || help.contains("Start here"),
                "{help}"
            );
            let subcommands = command.get_subcommands();
            commands.extend(subcommands.filter(|it| it.get_name() != "help").cloned());
        }
    }

    #[test]
    fn server_takes_a_file_and_kafkas_spelling_of_set() {
        let Ok(Command::Server(args)) = parse("ottla server f --set a=1 --override b=2") else {
            panic!("not a server");
        };
        assert_eq!(args.file, Some(PathBuf::from("f")));
        assert_eq!(args.sets, ["a=1", "b=2"]);
        assert!(matches!(parse("ottla server"), Ok(Command::Server(_))));
        assert!(parse("ottla").is_err());
    }

    #[test]
    fn every_command_is_there() {
        for line in [
            "ottla format --cluster-id -x",
            "ottla config check f",
            "ottla config check --set a=b",
            "ottla topics create t -p 3 --config a=b",
            "ottla topics list -b h:1",
            "ottla topics describe",
            "ottla topics delete t",
            "ottla groups list",
            "ottla groups describe g --members",
            "ottla produce t --acks -1 -K :",
            "ottla consume t -g g --from-beginning",
            "ottla recover d",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
        assert!(parse("ottla consume t -g g --partition 1").is_err());
    }
}
