//! The files of a journal: their names, how a new one is made, and how they are found and voided.
//!
//! Voiding is one durable step: a marker that names the files is put in place, then they are
//! removed. A crash between the two leaves files that the marker says mean nothing. Used by the
//! commit loop (new files), by recovery and by a clean stop.

use std::path::{Path, PathBuf};

use engine_base::Uuid;
use engine_runtime::fs;
use engine_runtime::{File, OpenOptions, Slice, WriteMode};

use crate::limits::{FILE_SIZE_BYTES, FIRST_FILE_SIZE_BYTES, PREPARE_WRITE_SIZE_BYTES};
use crate::replay::FileScan;
use crate::writer::JournalError;

/// What the name of every journal file begins with.
pub const JOURNAL_FILE_PREFIX: &str = "ottla-journal-";
/// What the name of a marker that voids journal files begins with.
pub const VOID_MARKER_PREFIX: &str = "ottla-void-";

/// A marker names at most `FILES_HARD_MAX` files of each of `SHARDS_MAX` shards.
const VOID_MARKER_SIZE_BYTES_MAX: usize = 1 << 20;
/// Larger files are not ours.
const READ_SIZE_BYTES_MAX: usize = 4 * FILE_SIZE_BYTES as usize;

/// How a journal makes its files.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The log directory.
    pub directory: PathBuf,
    /// The shard, for the headers.
    pub shard: u32,
    /// Whether to write past the page cache.
    pub is_direct: bool,
    /// Size of the first file.
    pub first_file_size_bytes: u64,
    /// Size of later ones.
    pub file_size_bytes: u64,
}

impl JournalOptions {
    /// With the sizes of `limits`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, shard: u32, is_direct: bool) -> Self {
        Self {
            directory: directory.into(),
            shard,
            is_direct,
            first_file_size_bytes: FIRST_FILE_SIZE_BYTES,
            file_size_bytes: FILE_SIZE_BYTES,
        }
    }
}

/// A pre-written file that no journal uses.
#[derive(Debug)]
pub struct PreparedFile {
    pub(crate) file: File,
    pub(crate) size_bytes: u64,
}

/// Makes a file of zeroes, durable with its name: from then on writing to it changes no metadata.
///
/// # Errors
/// The file cannot be made or written; nothing of it stays when the disk is full.
pub async fn prepare_file(
    options: &JournalOptions,
    size_bytes: u64,
) -> Result<PreparedFile, JournalError> {
    let id = Uuid::from_random(engine_runtime::random_bytes());
    let path = options.directory.join(format!("{JOURNAL_FILE_PREFIX}{id}"));
    let failed = |error| JournalError {
        path: path.clone(),
        error,
    };
    let open = OpenOptions {
        read: true,
        write: true,
        create_new: true,
        direct: options.is_direct,
        ..OpenOptions::default()
    };
    let file = File::open(&path, open).await.map_err(failed)?;
    if let Err(error) = write_zeroes(&file, size_bytes).await {
        drop(file);
        // The first error is the one to report.
        let _ = fs::remove_file(&path).await;
        return Err(failed(error));
    }
    fs::sync_dir(&options.directory).await.map_err(failed)?;
    Ok(PreparedFile { file, size_bytes })
}

async fn write_zeroes(file: &File, size_bytes: u64) -> std::io::Result<()> {
    let zeroes = engine_runtime::BlockBuf::new(PREPARE_WRITE_SIZE_BYTES).freeze();
    let mut position = 0;
    while position < size_bytes {
        let size = (size_bytes - position).min(4 * PREPARE_WRITE_SIZE_BYTES as u64);
        let pieces: Vec<Slice> = (0..size.div_ceil(PREPARE_WRITE_SIZE_BYTES as u64))
            .map(|index| {
                let done = index * PREPARE_WRITE_SIZE_BYTES as u64;
                zeroes.slice(0..(size - done).min(PREPARE_WRITE_SIZE_BYTES as u64) as usize)
            })
            .collect();
        file.write_at(position, pieces, WriteMode::Plain).await?;
        position += size;
    }
    file.sync_all().await
}

/// A journal file as recovery found it.
#[derive(Debug)]
pub struct FoundFile {
    /// Its path.
    pub path: PathBuf,
    /// What it holds.
    pub scan: FileScan,
}

/// Reads every journal file in `directory` that no marker voids, after removing those that one
/// does.
///
/// # Errors
/// The directory or a file cannot be read.
pub async fn find_files(directory: &Path) -> Result<Vec<FoundFile>, JournalError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |error| JournalError { path, error }
    };
    let entries = fs::read_dir(directory).await.map_err(failed(directory))?;
    let names: Vec<String> = entries
        .iter()
        .filter(|entry| !entry.is_dir)
        .filter_map(|entry| entry.name.to_str().map(str::to_owned))
        .collect();
    let mut voided = Vec::new();
    for name in names.iter().filter(|name| is_marker(name)) {
        voided.extend(finish_voiding(directory, name).await?);
    }
    let is_unfinished =
        |name: &&String| name.starts_with(VOID_MARKER_PREFIX) && name.ends_with(".tmp");
    for name in names.iter().filter(is_unfinished) {
        let path = directory.join(name);
        fs::remove_file(&path).await.map_err(failed(&path))?;
    }
    let mut found = Vec::new();
    for name in names
        .iter()
        .filter(|name| name.starts_with(JOURNAL_FILE_PREFIX))
    {
        if !voided.contains(name) {
            let path = directory.join(name);
            let bytes = fs::read_file(&path, READ_SIZE_BYTES_MAX)
                .await
                .map_err(failed(&path))?;
            found.push(FoundFile {
                scan: FileScan::new(bytes),
                path,
            });
        }
    }
    Ok(found)
}

fn is_marker(name: &str) -> bool {
    name.starts_with(VOID_MARKER_PREFIX) && !name.ends_with(".tmp")
}

/// Makes the journal files at `paths` mean nothing, in one durable step, and removes them.
/// `name` tells markers of one directory apart. Everything they describe must be synced before.
///
/// # Errors
/// Nothing happened, or the next [`find_files`] finishes what was begun.
pub async fn void_files(
    directory: &Path,
    name: &str,
    paths: &[PathBuf],
) -> Result<(), JournalError> {
    let marker = format!("{VOID_MARKER_PREFIX}{name}");
    let path = directory.join(&marker);
    let names: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    let text = format!("0\n{}\n", names.join("\n"));
    fs::write_file_atomic(&path, text.into_bytes())
        .await
        .map_err(|error| JournalError { path, error })?;
    finish_voiding(directory, &marker).await?;
    Ok(())
}

/// Removes what a marker names, then the marker. Returns the names.
async fn finish_voiding(directory: &Path, marker: &str) -> Result<Vec<String>, JournalError> {
    let path = directory.join(marker);
    let failed = |error| JournalError {
        path: path.clone(),
        error,
    };
    let bytes = fs::read_file(&path, VOID_MARKER_SIZE_BYTES_MAX)
        .await
        .map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line is the format's version.
    let names: Vec<String> = text
        .lines()
        .skip(1)
        .filter(|name| name.starts_with(JOURNAL_FILE_PREFIX) && !name.contains('/'))
        .map(str::to_owned)
        .collect();
    for name in &names {
        match fs::remove_file(directory.join(name)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    // The removals are durable before the marker may go.
    fs::sync_dir(directory).await.map_err(failed)?;
    fs::remove_file(&path).await.map_err(failed)?;
    fs::sync_dir(directory).await.map_err(failed)?;
    Ok(names)
}
