//! The load generator: one experiment against any broker that speaks Kafka's protocol.
//!
//! Raw sockets, batches encoded once before the start, so that what is measured is the
//! broker. Open loop with `--rate`: latency counts from the moment a request was due, not from the
//! moment it could be sent. Without it: saturation with a fixed number of requests in flight.
//! Run by `bench/compare`, which starts the brokers; runs on ordinary threads, never on a shard.
//!
//! Reading order: [`args`], [`run`] (phases and threads), then one file for each experiment.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that never runs under simulation: it asks the system itself"
)]

mod args;
mod batch;
mod connection;
mod end_to_end;
mod failure;
mod fetch;
mod incoming;
mod park;
mod produce;
mod report;
mod run;
mod saturate;
mod schedule;
mod topic;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Experiment};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let target = &arguments.target;
    let result = match &arguments.experiment {
        Experiment::Produce(options) => produce::measure(target, options),
        Experiment::Fetch(options) => fetch::measure(target, options),
        Experiment::EndToEnd(options) => end_to_end::measure(target, options),
        Experiment::Park(options) => park::measure(target, options),
    };
    match result {
        Ok(report) => {
            print!("{}", report.text(arguments.target.json));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::FAILURE
        }
    }
}
