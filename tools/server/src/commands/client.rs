//! `ottla topics`, `groups`, `produce`, `consume`: hands over to `tools-cli`.

use tools_cli::{ClientCommand, CommandError};

use crate::exit::Exit;

/// Runs a client's command.
pub(crate) fn run(command: ClientCommand) -> Exit {
    match tools_cli::run(command) {
        Ok(()) => Exit::Clean,
        Err(CommandError::Host(error)) => {
            eprintln!("{error}");
            Exit::Host
        }
        Err(CommandError::Failed(failure)) => {
            eprintln!("{failure}");
            Exit::Configuration
        }
    }
}
