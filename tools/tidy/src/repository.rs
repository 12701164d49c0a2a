//! This repository's files.

use std::path::{Path, PathBuf};

use crate::Source;

/// The directory of the root `Cargo.toml`.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .expect("tools/tidy is two levels below the root");
    root.to_path_buf()
}

/// Text of a file of the repository.
///
/// # Panics
/// When it cannot be read: the test that asked for it cannot go on.
// The watchman runs under no simulation: it reads the checkout it stands in.
#[allow(clippy::disallowed_methods)]
pub fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every Rust file of the five folders, in order of path.
pub fn rust_sources(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in ["engine", "replication", "net", "bench", "tools"] {
        collect(root, &root.join(folder), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let built = name == "target" || name == "node_modules";
        if built || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path
                .strip_prefix(root)
                .expect("below the root")
                .display()
                .to_string();
            sources.push(Source {
                path: relative,
                text: read(&path),
            });
        }
    }
}
