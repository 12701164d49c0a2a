//! One module for each command.

mod config_check;
mod sources;

use std::process::ExitCode;

use crate::args::{Args, Command, ConfigCommand};

/// Runs the command.
pub(crate) fn run(args: Args) -> ExitCode {
    let exit = match args.command {
        Command::Config(ConfigCommand::Check { file, sets }) => config_check::run(&file, sets),
    };
    exit.into()
}
