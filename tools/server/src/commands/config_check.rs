//! `ottla config check [FILE]`.

use std::path::Path;

use super::sources::collect;
use crate::config::{load, report};
use crate::exit::Exit;

/// Prints the report.
pub(crate) fn run(file: Option<&Path>, sets: Vec<String>) -> Exit {
    let sources = match collect(file, sets) {
        Ok(sources) => sources,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Configuration;
        }
    };
    let (text, starts) = report(&load(&sources));
    print!("{text}");
    if starts {
        Exit::Clean
    } else {
        Exit::Configuration
    }
}
