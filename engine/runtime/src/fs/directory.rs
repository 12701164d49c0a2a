//! Directories and the names in them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use engine_base::Timestamp;

use crate::context;
use crate::driver::{Driver, system};
use crate::file::{File, OpenOptions, c_path, is_transient, taken_status};
use crate::op::{Operation, Status, io_result, perform};

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without its directory.
    pub name: OsString,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The file's length; zero for a directory.
    pub len: u64,
}

/// Moves a name, replacing its target. Durable after [`sync_dir`] of both directories.
///
/// # Errors
/// As rename(2).
pub async fn rename(source: impl AsRef<Path>, target: impl AsRef<Path>) -> io::Result<()> {
    let (source, target) = (c_path(source.as_ref())?, c_path(target.as_ref())?);
    act(|| Operation::Rename {
        source: source.clone(),
        target: target.clone(),
    })
    .await
}

/// Removes a file's name. Open files go on; durable after [`sync_dir`].
///
/// # Errors
/// As unlink(2): `NotFound` when it does not exist.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    remove(path.as_ref(), false).await
}

async fn remove(path: &Path, is_directory: bool) -> io::Result<()> {
    let path = c_path(path)?;
    act(|| Operation::Remove {
        path: path.clone(),
        is_directory,
    })
    .await
}

/// Makes a directory and its parents; existing ones are fine.
///
/// # Errors
/// As mkdir(2).
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let mut missing = Vec::new();
    for ancestor in path.ancestors().filter(|it| !it.as_os_str().is_empty()) {
        match status(ancestor).await {
            Ok(status) if status.is_dir() => break,
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(ancestor),
            Err(error) => return Err(error),
        }
    }
    for ancestor in missing.into_iter().rev() {
        let path = c_path(ancestor)?;
        match act(|| Operation::MakeDirectory { path: path.clone() }).await {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Removes a directory and all below it. Symbolic links are removed, not followed.
///
/// # Errors
/// As unlink(2) and rmdir(2); what was removed before stays removed.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let mut pending = vec![(path.as_ref().to_path_buf(), false)];
    while let Some((directory, is_emptied)) = pending.pop() {
        if is_emptied {
            remove(&directory, true).await?;
            continue;
        }
        pending.push((directory.clone(), true));
        for entry in read_dir(&directory).await? {
            let inside = directory.join(&entry.name);
            if entry.is_dir {
                pending.push((inside, false));
            } else {
                remove_file(inside).await?;
            }
        }
    }
    Ok(())
}

/// The names in a directory, sorted. Blocking in the real world (there is no ring operation).
///
/// # Errors
/// As opendir(3) and readdir(3).
#[allow(
    clippy::unused_async,
    reason = "a ring operation may come; callers must not care"
)]
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
    let path = path.as_ref();
    if let Driver::Sim(sim) = context::current().driver() {
        return sim.read_dir(path);
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // Not followed: a link is removed as a link.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let is_dir = metadata.is_dir();
        entries.push(DirEntry {
            name: entry.file_name(),
            is_dir,
            len: if is_dir { 0 } else { metadata.len() },
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Makes the names in a directory durable: what was made, renamed or removed in it.
///
/// # Errors
/// As fsync(2).
pub async fn sync_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let directory = File::open(path, OpenOptions::reading()).await?;
    directory.sync_all().await
}

/// Makes everything on the file system that holds `path` durable (syncfs). Blocking in the real
/// world: for the end of recovery and of a clean stop.
///
/// # Errors
/// As syncfs(2); it reports write-back errors of any file of the file system.
#[allow(
    clippy::unused_async,
    reason = "a ring operation may come; callers must not care"
)]
pub async fn sync_filesystem(path: impl AsRef<Path>) -> io::Result<()> {
    if let Driver::Sim(sim) = context::current().driver() {
        sim.sync_filesystem();
        return Ok(());
    }
    let directory = std::fs::File::open(path)?;
    system::sync_filesystem(&directory)
}

/// Whether `path` names anything.
///
/// # Errors
/// As statx(2), `NotFound` excepted.
pub async fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match status(path.as_ref()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The length of the file at `path`.
///
/// # Errors
/// As statx(2).
pub async fn file_len(path: impl AsRef<Path>) -> io::Result<u64> {
    Ok(status(path.as_ref()).await?.raw.stx_size)
}

/// When the file at `path` was last written, by the wall clock, in milliseconds; `None` in the
/// simulated world, whose files do not tell.
///
/// # Errors
/// As statx(2).
pub async fn modified_ms(path: impl AsRef<Path>) -> io::Result<Option<Timestamp>> {
    let time = status(path.as_ref()).await?.raw.stx_mtime;
    let is_known = time.tv_sec != 0 || time.tv_nsec != 0;
    let milliseconds = time.tv_sec * 1000 + i64::from(time.tv_nsec / 1_000_000);
    Ok(is_known.then_some(milliseconds))
}

/// Whether the file at `path` has other names (hard links): whoever made one counts on its bytes.
/// Never in the simulated world, which has none.
///
/// # Errors
/// As statx(2).
pub async fn has_other_names(path: impl AsRef<Path>) -> io::Result<bool> {
    Ok(status(path.as_ref()).await?.raw.stx_nlink > 1)
}

/// What is known about a path.
pub(super) async fn status(path: &Path) -> io::Result<Status> {
    let operation = Operation::Status {
        path: c_path(path)?,
        file: None,
        status: Box::new(Status::empty()),
    };
    let (operation, result) = perform(operation).await;
    io_result(result)?;
    Ok(taken_status(operation))
}

async fn act(operation: impl Fn() -> Operation) -> io::Result<()> {
    loop {
        let (_, result) = perform(operation()).await;
        match io_result(result) {
            Err(error) if is_transient(&error) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// The path of something beside `path`.
pub(super) fn beside(path: &Path, name: &str) -> PathBuf {
    path.join(name)
}
