//! `ottla recover DIR`: what a start does after a crash, and no more.

use std::path::{Path, PathBuf};

use engine_log::{Found, IoMode, Progress, StoreError};
use engine_runtime::{Runtime, RuntimeOptions, fs};
use tools_cli::counted;

use super::next_step;
use crate::exit::Exit;
use crate::logging;

/// Recovers the directory and says what was found.
pub(crate) fn run(directory: PathBuf) -> Exit {
    logging::start_plain();
    // Without it the directory is none of a broker's, and nothing in it is ours to touch.
    if !directory.join("meta.properties").exists() {
        logging::fatal(format_args!(
            "{} holds no meta.properties, so it is not a broker's data directory; name the \
             directory that log.dirs names",
            directory.display()
        ));
        return Exit::Directory;
    }
    let lock = match fs::lock_file(directory.join(".lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            logging::fatal(format_args!(
                "{} is in use by another process (its id stands in .lock): stop it first",
                directory.display()
            ));
            return Exit::Directory;
        }
        Err(error) => {
            let step = next_step::of_refusal(&error, true, &directory);
            let error = format_args!("cannot lock {}: {error}", directory.display());
            logging::fatal(next_step::with_step(error, step));
            return Exit::Configuration;
        }
    };
    let runtime = match Runtime::uring(&RuntimeOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            logging::fatal(&error);
            return Exit::Host;
        }
    };
    let path = directory.clone();
    let recovered =
        runtime.block_on(async move { engine_log::recover(&path, IoMode::Auto, told).await });
    drop(lock);
    match recovered {
        Ok(report) => {
            println!("{}", summary(&directory, report.found, report.logs.len()));
            Exit::Clean
        }
        Err(error) => {
            let step = match &error {
                StoreError::Damaged(_) => next_step::of_damage(&error.to_string(), &directory),
                StoreError::Io { error, .. } => next_step::of_refusal(error, false, &directory),
                _ => None,
            };
            logging::fatal(next_step::with_step(&error, step));
            match error {
                StoreError::Damaged(_) | StoreError::ForeignAfterCrash { .. } => Exit::Damaged,
                StoreError::Io { .. }
                | StoreError::Failed
                | StoreError::DiskFull
                | StoreError::TooManyLogs { .. } => Exit::Configuration,
            }
        }
    }
}

fn told(progress: Progress) {
    if progress.total > 0 {
        tools_cli::note(&format!(
            "{}: {} of {}",
            progress.doing, progress.done, progress.total
        ));
    }
}

fn summary(directory: &Path, found: Found, log_count: usize) -> String {
    let directory = directory.display();
    let logs = counted(log_count, "partition");
    match found {
        Found::CleanStop => format!("{directory} was stopped clean: nothing was done."),
        Found::OurCrash => format!(
            "{directory} was recovered from the journal, {logs}: Apache Kafka can start on it."
        ),
        Found::KafkasCrash => {
            format!("{directory} had no journal; scanned: {logs}. Apache Kafka can start on it.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_found() {
        let text = |found, log_count| summary(Path::new("/d"), found, log_count);
        let ours = text(Found::OurCrash, 2);
        let expected = "/d was recovered from the journal, 2 partitions:";
        assert!(ours.contains(expected), "{ours}");
        let one = text(Found::KafkasCrash, 1);
        assert!(one.contains("scanned: 1 partition."), "{one}");
        assert!(text(Found::CleanStop, 0).contains("nothing"));
    }
}
