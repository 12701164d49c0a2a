//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A Kafka broker in one binary.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// The commands about configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show what each key of a server.properties does here, and what is wrong with it
    #[command(after_long_help = "\
Examples:
  ottla config check /etc/kafka/server.properties
  ottla config check server.properties --set num.partitions=3

Each key is shown with its class: honoured (means what it means in Kafka), mapped (to a notion
of ottla's own), no effect (accepted and reported), or unknown. The exit code is 0 when a broker
would start, 1 when it would not.")]
    Check {
        /// The file
        file: PathBuf,
        /// A key to set over the file and the environment, as `ottla server` does
        #[arg(long = "set", alias = "override", value_name = "KEY=VALUE")]
        sets: Vec<String>,
    },
}
