//! The `ottla` binary: reads the command line and hands over.
//!
//! Owns the command line, the exit codes and the log lines' destination. Every command is one
//! module; none of them runs on a data core.

#![forbid(unsafe_code)]
// What runs here runs before and around the shards, never under simulation.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod args;
mod commands;
mod config;
mod exit;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    commands::run(args::Args::parse())
}
