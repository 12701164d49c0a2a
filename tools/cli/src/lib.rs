//! The commands of ottla that speak to a broker as any client would.
//!
//! Owns their command lines, their output, which resembles that of Kafka's tools, and what their
//! errors advise. Each command is one module, runs on the main thread of its own process, and
//! knows of the broker what the protocol tells.

#![forbid(unsafe_code)]
// A command is a process of its own that runs under no simulation: its files are the system's.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod advice;
pub mod bootstrap;
pub mod consume;
mod failure;
pub mod groups;
mod interrupt;
mod lines;
mod output;
pub mod produce;
mod record_line;
pub mod similar;
mod stall;
mod topic_keys;
pub mod topics;
mod undelivered;

pub use consume::ConsumeArgs;
pub use failure::Failure;
pub use groups::GroupsCommand;
pub use output::{counted, note};
pub use produce::ProduceArgs;
pub use topics::TopicsCommand;

use engine_runtime::{Runtime, RuntimeOptions, StartError};

/// A command of a client.
#[derive(Debug)]
pub enum ClientCommand {
    /// `ottla topics`.
    Topics(TopicsCommand),
    /// `ottla groups`.
    Groups(GroupsCommand),
    /// `ottla produce`.
    Produce(ProduceArgs),
    /// `ottla consume`.
    Consume(ConsumeArgs),
}

/// Runs a command to its end.
///
/// # Errors
/// When the host forbids `io_uring`, or as the command says.
pub fn run(command: ClientCommand) -> Result<(), CommandError> {
    let options = RuntimeOptions {
        registers_staging: false,
        ..RuntimeOptions::default()
    };
    let runtime = Runtime::uring(&options).map_err(CommandError::Host)?;
    let ended = runtime.block_on(async move {
        match command {
            ClientCommand::Topics(command) => topics::run(command).await,
            ClientCommand::Groups(command) => groups::run(command).await,
            ClientCommand::Produce(args) => produce::run(args).await,
            ClientCommand::Consume(args) => consume::run(args).await,
        }
    });
    match ended {
        // `head` had enough.
        Ok(()) | Err(Failure::Unread) => Ok(()),
        Err(failure) => Err(CommandError::Failed(failure)),
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum CommandError {
    /// The host does not let us run at all.
    Host(StartError),
    /// The command could not do what it was asked.
    Failed(Failure),
}
