//! The `ottla` binary: reads the command line and hands over.
//!
//! Owns the command line, the exit codes, the configuration, and where log lines go. Every command
//! is one module; none of them runs on a data core, but `server` starts the data cores.

#![forbid(unsafe_code)]
// What runs here runs before and around the shards, never under simulation.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod args;
mod commands;
mod config;
mod exit;
mod logging;
mod metrics;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match args::Args::try_parse() {
        Ok(args) => commands::run(args),
        Err(told) => {
            // Help and version are no errors. Our own codes begin at 1; clap's 2 has a meaning here.
            let exit = if told.use_stderr() {
                exit::Exit::Configuration
            } else {
                exit::Exit::Clean
            };
            match told.print() {
                Ok(()) => exit.into(),
                Err(_) => exit::Exit::Configuration.into(),
            }
        }
    }
}
