//! What the disk below a directory is like. Blocking calls, for start-up (and, for the space, once
//! in a while): they read memory of the kernel, not the disk.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine_base::limits::BLOCK_SIZE_BYTES;

use super::directory::{beside, remove_file, status};
use crate::buffer::BlockBuf;
use crate::context;
use crate::driver::{Driver, system};
use crate::file::{File, OpenOptions, WriteMode, c_path};

/// Sizes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// All of it.
    pub total_bytes: u64,
    /// What an ordinary process may still use.
    pub available_bytes: u64,
}

/// The space of the file system that holds `path`.
///
/// # Errors
/// As statvfs(2).
pub fn disk_space(path: impl AsRef<Path>) -> io::Result<DiskSpace> {
    if let Some(core) = context::maybe_current()
        && let Driver::Sim(sim) = core.driver()
    {
        return Ok(sim.disk_space());
    }
    let path = c_path(path.as_ref())?;
    let (total_bytes, available_bytes) = system::file_system_space(&path)?;
    Ok(DiskSpace {
        total_bytes,
        available_bytes,
    })
}

/// Whether, and how finely, a directory's files can be read and written past the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectIo {
    /// Whether whole blocks of 4 KiB at block-aligned addresses work: it was tried.
    pub works: bool,
    /// The alignment of positions and sizes the file system asks for; `None` when it does not say
    /// (kernels before 6.1 and some file systems).
    pub offset_alignment_bytes: Option<u32>,
}

/// Tries direct I/O in `directory` with a file of one block.
///
/// # Errors
/// When even an ordinary file cannot be made there, or the block read is not the block written.
pub async fn probe_direct_io(directory: impl AsRef<Path>) -> io::Result<DirectIo> {
    // A name of its own for each shard that asks.
    let name = format!("ottla-direct-io-{:016x}.tmp", crate::random_u64());
    let path = beside(directory.as_ref(), &name);
    let plain = File::open(&path, OpenOptions::writing()).await?;
    drop(plain);
    let outcome = try_direct_io(&path).await;
    let removed = remove_file(&path).await;
    let outcome = outcome?;
    removed?;
    Ok(outcome)
}

async fn try_direct_io(path: &Path) -> io::Result<DirectIo> {
    let status = status(path).await?;
    let offset_alignment_bytes = status.offset_alignment_bytes();
    let works = DirectIo {
        works: true,
        offset_alignment_bytes,
    };
    let fails = DirectIo {
        works: false,
        ..works
    };
    let Ok(file) = File::open(path, OpenOptions::writing().direct()).await else {
        return Ok(fails);
    };
    let mut block = BlockBuf::new(BLOCK_SIZE_BYTES);
    block.fill(0xa5);
    let written = file.write_at(0, [block.freeze()], WriteMode::Plain).await;
    let (read, block) = file
        .read_at(0, BlockBuf::new(BLOCK_SIZE_BYTES), BLOCK_SIZE_BYTES)
        .await;
    match (written, read) {
        (Ok(()), Ok(BLOCK_SIZE_BYTES)) if block.iter().all(|&byte| byte == 0xa5) => Ok(works),
        (Ok(()), Ok(_)) => Err(io::ErrorKind::InvalidData.into()),
        _ => Ok(fails),
    }
}

/// What a flush of the device below a directory does. `None` where the device does not say: then
/// expect the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceFlush {
    /// Whether the device has a volatile write cache (`queue/write_cache` is "write back").
    pub write_cache: Option<bool>,
    /// Whether it can force single writes through that cache (`queue/fua`). Then a durable write
    /// may leave earlier writes in the cache.
    pub fua: Option<bool>,
}

impl DeviceFlush {
    /// Whether one durable write certainly makes every earlier completed write to the device
    /// durable: the device has no volatile cache, or can only flush all of it.
    #[must_use]
    pub fn covers_device(&self) -> bool {
        match (self.write_cache, self.fua) {
            (Some(false), _) => true,
            (Some(true), Some(fua)) => !fua,
            _ => false,
        }
    }
}

/// Reads the flush behaviour of the block device that holds `directory` from sysfs. File systems
/// over several devices, or none, say nothing.
///
/// # Errors
/// As stat(2) of the directory.
pub fn device_flush(directory: impl AsRef<Path>) -> io::Result<DeviceFlush> {
    if let Some(core) = context::maybe_current()
        && let Driver::Sim(sim) = core.driver()
    {
        return Ok(sim.device_flush());
    }
    let device = std::fs::metadata(directory)?.dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let link = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let Ok(block) = std::fs::canonicalize(link) else {
        return Ok(DeviceFlush::default());
    };
    // A partition's queue is its disk's: one directory up.
    let queue = [block.join("queue"), block.join("../queue")];
    let Some(queue) = queue.into_iter().find(|queue| queue.is_dir()) else {
        return Ok(DeviceFlush::default());
    };
    let value = |name: &str| std::fs::read(queue.join(name)).ok();
    Ok(flush_from(
        value("write_cache").as_deref(),
        value("fua").as_deref(),
    ))
}

fn flush_from(write_cache: Option<&[u8]>, fua: Option<&[u8]>) -> DeviceFlush {
    DeviceFlush {
        write_cache: match write_cache.map(<[u8]>::trim_ascii) {
            Some(b"write back") => Some(true),
            Some(b"write through") => Some(false),
            _ => None,
        },
        fua: match fua.map(<[u8]>::trim_ascii) {
            Some(b"1") => Some(true),
            Some(b"0") => Some(false),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_not_trusted() {
        let covers =
            |cache: Option<&[u8]>, fua: Option<&[u8]>| flush_from(cache, fua).covers_device();
        assert!(covers(Some(b"write through\n"), None));
        assert!(covers(Some(b"write back\n"), Some(b"0\n")));
        assert!(!covers(Some(b"write back\n"), Some(b"1\n")));
        assert!(!covers(Some(b"write back\n"), None));
        assert!(!covers(None, Some(b"0\n")));
        assert!(!covers(None, None));
    }
}
