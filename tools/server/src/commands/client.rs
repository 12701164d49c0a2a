//! `ottla topics`, `groups`, `produce`, `consume`: hands over to `tools-cli`.

use tools_cli::{ClientCommand, CommandError, note};

use crate::exit::Exit;

/// Runs a client's command.
pub(crate) fn run(command: ClientCommand) -> Exit {
    match tools_cli::run(command) {
        Ok(()) => Exit::Clean,
        Err(CommandError::Host(error)) => {
            note(&error.to_string());
            Exit::Host
        }
        Err(CommandError::Failed(failure)) => {
            note(&failure.to_string());
            Exit::Configuration
        }
    }
}
