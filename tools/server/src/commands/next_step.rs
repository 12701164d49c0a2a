//! What to do about an error that ends a start or a recovery, where the error itself does not say:
//! it comes from layers that know of no settings and no commands.
//!
//! Owns the text. Reads and changes nothing.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind};
use std::path::Path;

use net_broker::StartError;

/// The error of a start on `directory`, with the next step.
pub(super) fn told(error: &StartError, directory: &Path) -> String {
    let step = match error {
        StartError::Damaged(why) => of_damage(why, directory),
        StartError::Io { doing, path, error } if path.starts_with(directory) => {
            let is_first = matches!(*doing, "creating" | "locking");
            of_refusal(error, is_first, directory)
        }
        _ => None,
    };
    with_step(error, step)
}

/// The error, and behind it the next step where there is one.
pub(super) fn with_step(error: impl Display, step: Option<String>) -> String {
    match step {
        Some(step) => format!("{error}; {step}"),
        None => error.to_string(),
    }
}

/// The next step after the system refused a file of the data directory. When it is the first one
/// asked for, the directory itself is not what it should be.
pub(super) fn of_refusal(error: &io::Error, is_first: bool, directory: &Path) -> Option<String> {
    let shown = directory.display();
    Some(match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
            "log.dirs names {shown}: let the user that runs ottla write there, or set log.dirs to \
             a directory where it may"
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
            "log.dirs names {shown}: free space on its file system, or set log.dirs to a \
             directory on another"
        ),
        _ if is_first => format!(
            "log.dirs names {shown}: set it to a directory, or to a name at which one can be made"
        ),
        _ => return None,
    })
}

/// The next step after damage was found, as `engine_log::Damage` words it; `None` when the text is
/// about something else and says itself what to do. Each step was tried on damaged directories.
pub(super) fn of_damage(why: &str, directory: &Path) -> Option<String> {
    let mut steps = Vec::new();
    let partitions = damaged_partitions(why);
    if partitions.contains(&METADATA_LOG) {
        return Some(format!(
            "{METADATA_LOG} holds the topics, without which no partition is of use: keep a copy \
             of {shown} and restore all of it from one backup, or set log.dirs to an empty \
             directory for a new cluster",
            shown = directory.display()
        ));
    }
    if let [first, others @ ..] = &partitions[..] {
        let (folder, partition) = match others.len() {
            0 => (format!("the folder {first}"), "that partition"),
            _ => (
                format!("the folder of each of them ({})", listed(&partitions)),
                "these partitions",
            ),
        };
        steps.push(format!(
            "put the damaged segment back from a copy; or, to go on without any record of \
             {partition}, move {folder} out of {} while no broker runs: it then begins anew, \
             empty, and no other is touched",
            directory.display()
        ));
    }
    if why.contains(JOURNAL) {
        steps.push(format!(
            "the journals hold acknowledged records that are in no other file yet, those of the \
             topics' metadata among them: put {0}/ottla-journal-* back from a copy. Without one, \
             copy all of {0} first. With every ottla-journal-* moved out of it (never one alone) \
             a broker starts with what is left: records, and whole topics with all their records, \
             can be gone",
            directory.display()
        ));
    }
    (!steps.is_empty()).then(|| steps.join(". Also: "))
}

const METADATA_LOG: &str = "__cluster_metadata-0";
const SEGMENT: &str = ": segment ";
const JOURNAL: &str = "journal of shard ";

/// Partitions that are listed; of more, the first.
const LISTED_MAX: usize = 10;

/// The folders that the text names before a segment, each once.
fn damaged_partitions(why: &str) -> Vec<&str> {
    let mut partitions = Vec::new();
    let mut rest = why;
    while let Some((before, behind)) = rest.split_once(SEGMENT) {
        // A topic's name has no blank.
        let name = before.rsplit(' ').next().unwrap_or_default();
        if !partitions.contains(&name) {
            partitions.push(name);
        }
        rest = behind;
    }
    partitions
}

fn listed(names: &[&str]) -> String {
    let mut text = names[..names.len().min(LISTED_MAX)].join(", ");
    if names.len() > LISTED_MAX {
        let more = names.len() - LISTED_MAX;
        write!(text, " and {more} more").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_log::{Damage, StoreError};

    fn segment(partition: &str) -> Damage {
        Damage::Segment {
            partition: partition.to_owned(),
            segment_base: 0,
            position: 9,
            offset: 3,
        }
    }

    /// What a start says of the damage.
    fn text(damages: Vec<Damage>) -> String {
        let error = StartError::from(StoreError::Damaged(damages));
        told(&error, Path::new("/d"))
    }

    #[test]
    fn a_damaged_segment_names_the_folder_to_move() {
        let one = text(vec![segment("ev-0"), segment("ev-0")]);
        assert!(one.contains("from a copy"), "{one}");
        assert!(one.contains("move the folder ev-0 out of /d"), "{one}");
        assert!(one.contains("begins anew"), "{one}");
        let two = text(vec![segment("ev-0"), segment("a.b-11")]);
        assert!(two.contains("(ev-0, a.b-11) out of /d"), "{two}");
        let names: Vec<_> = (0..12).map(|n| segment(&format!("t-{n}"))).collect();
        let many = text(names);
        assert!(many.contains("t-9 and 2 more"), "{many}");
    }

    #[test]
    fn a_damaged_journal_says_what_it_holds() {
        let entry = Damage::Entry {
            shard: 3,
            sequence: 7,
        };
        let journal = text(vec![entry.clone()]);
        assert!(journal.contains("/d/ottla-journal-* back"), "{journal}");
        assert!(journal.contains("whole topics"), "{journal}");
        assert!(!journal.contains("begins anew"), "{journal}");
        let both = text(vec![entry, segment("t-0")]);
        assert!(
            both.contains("folder t-0") && both.contains("journal-*"),
            "{both}"
        );
    }

    #[test]
    fn the_metadata_log_is_not_to_be_moved() {
        let text = text(vec![segment("__cluster_metadata-0"), segment("t-0")]);
        assert!(text.contains("one backup"), "{text}");
        assert!(!text.contains("out of"), "{text}");
    }

    #[test]
    fn a_refused_directory_names_log_dirs() {
        let refused = |doing: &'static str, path: &str, error: io::Error| {
            let path = path.into();
            told(&StartError::Io { doing, path, error }, Path::new("/d"))
        };
        let missing = || io::Error::from(ErrorKind::NotFound);
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        let made = refused("creating", "/d", missing());
        assert!(made.contains("log.dirs names /d: set it to"), "{made}");
        let locked = refused("locking", "/d/.lock", denied());
        assert!(locked.contains("let the user"), "{locked}");
        let full = refused("writing", "/d/a-0/x", ErrorKind::StorageFull.into());
        assert!(full.contains("free space"), "{full}");
        // Somewhere else, or nothing that another directory would mend.
        for text in [
            refused("waiting for signals in", "/", denied()),
            refused("reading", "/d/x", missing()),
        ] {
            assert!(!text.contains("log.dirs"), "{text}");
        }
        // What says itself what to do.
        let other = StartError::Damaged("the metadata log: x; restore".to_owned());
        assert_eq!(told(&other, Path::new("/d")), other.to_string());
    }
}
