//! One module for each command.

mod client;
mod config_check;
mod configure;
mod format;
mod next_step;
mod recover;
mod server;
mod sources;

use std::process::ExitCode;

use tools_cli::ClientCommand;

use crate::args::{Args, Command, ConfigCommand};

/// Runs the command.
pub(crate) fn run(args: Args) -> ExitCode {
    let exit = match args.command {
        Command::Server(args) => server::run(args),
        Command::Format(args) => format::run(args),
        Command::Config(ConfigCommand::Check { file, sets }) => {
            config_check::run(file.as_deref(), sets)
        }
        Command::Topics(command) => client::run(ClientCommand::Topics(command)),
        Command::Groups(command) => client::run(ClientCommand::Groups(command)),
        Command::Produce(args) => client::run(ClientCommand::Produce(args)),
        Command::Consume(args) => client::run(ClientCommand::Consume(args)),
        Command::Recover { dir } => recover::run(dir),
    };
    exit.into()
}
