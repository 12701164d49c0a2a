//! Small files, read and replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};

use super::directory::{rename, sync_dir};
use crate::buffer::Slice;
use crate::file::{File, OpenOptions, WriteMode};

/// The whole content of a file of at most `size_bytes_max`.
///
/// # Errors
/// `FileTooLarge` beyond the bound, so that a damaged or foreign file cannot fill memory; else as
/// open(2) and read(2).
pub async fn read_file(path: impl AsRef<Path>, size_bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path, OpenOptions::reading()).await?;
    let size = file.len().await?;
    if size > size_bytes_max as u64 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let (result, bytes) = file.read_at(0, Vec::new(), size as usize).await;
    result?;
    Ok(bytes)
}

/// Replaces the file at `path` so that after a crash either the old or the new content is there,
/// whole, and after `Ok` the new one: written beside it (`<path>.tmp`), synced, renamed over it,
/// the directory synced.
///
/// # Errors
/// As the calls it is made of. The old content is untouched unless the rename had happened; a
/// stale `.tmp` may stay and is overwritten by the next call.
pub async fn write_file_atomic(path: impl AsRef<Path>, bytes: impl Into<Slice>) -> io::Result<()> {
    let path = path.as_ref();
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let options = OpenOptions {
        write: true,
        create: true,
        truncate: true,
        ..OpenOptions::default()
    };
    let file = File::open(&temporary, options).await?;
    file.write_at(0, [bytes.into()], WriteMode::Plain).await?;
    file.sync_all().await?;
    drop(file);
    rename(&temporary, path).await?;
    sync_dir(parent_of(path)).await
}

/// The directory a path lies in; `.` for a bare name.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
