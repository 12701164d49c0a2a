//! One module for each command.

mod client;
mod config_check;
mod sources;

use std::process::ExitCode;

use tools_cli::ClientCommand;

use crate::args::{Args, Command, ConfigCommand};

/// Runs the command.
pub(crate) fn run(args: Args) -> ExitCode {
    let exit = match args.command {
        Command::Config(ConfigCommand::Check { file, sets }) => config_check::run(&file, sets),
        Command::Topics(command) => client::run(ClientCommand::Topics(command)),
        Command::Groups(command) => client::run(ClientCommand::Groups(command)),
        Command::Produce(args) => client::run(ClientCommand::Produce(args)),
        Command::Consume(args) => client::run(ClientCommand::Consume(args)),
        Command::Server(_) | Command::Format(_) | Command::Recover { .. } => {
            crate::exit::Exit::Configuration
        }
    };
    exit.into()
}
