//! `ottla recover DIR`: what a start does after a crash, and no more.

use std::path::{Path, PathBuf};

use engine_log::{Found, IoMode, Progress, RecoveryReport, StoreError};
use engine_runtime::{Runtime, RuntimeOptions, fs};

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
            logging::fatal(format_args!("cannot lock {}: {error}", directory.display()));
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
            println!("{}", summary(&directory, &report));
            Exit::Clean
        }
        Err(error) => {
            logging::fatal(&error);
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

fn summary(directory: &Path, report: &RecoveryReport) -> String {
    let directory = directory.display();
    let logs = report.logs.len();
    match report.found {
        Found::CleanStop => format!("{directory} was stopped clean: nothing was done."),
        Found::OurCrash => format!(
            "{directory} was recovered from the journal, {logs} partitions: Apache Kafka can start on it."
        ),
        Found::KafkasCrash => format!(
            "{directory} had no journal: {logs} partitions were scanned: Apache Kafka can start on it."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_found() {
        let report = |found| RecoveryReport {
            found,
            logs: Vec::new(),
            unknown: Vec::new(),
        };
        let text = summary(Path::new("/d"), &report(Found::OurCrash));
        assert!(
            text.contains("/d was recovered from the journal, 0 partitions"),
            "{text}"
        );
        assert!(summary(Path::new("/d"), &report(Found::CleanStop)).contains("nothing"));
    }
}
