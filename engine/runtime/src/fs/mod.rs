//! Names: whole files, directories, renames, locks, and what the disk below is like.
//!
//! Opening, renaming, removing and making directories are ring operations, so that a slow file
//! system does not hold the core. Listing a directory, syncing a whole file system, locking and the
//! questions about devices have no ring operation: they are blocking calls, for start-up, shutdown
//! and maintenance.

mod device;
mod directory;
mod lock;
mod open_files;
mod whole;

pub use device::{DeviceFlush, DirectIo, DiskSpace, device_flush, disk_space, probe_direct_io};
pub use directory::{
    DirEntry, create_dir_all, exists, file_len, has_other_names, modified_ms, read_dir,
    remove_dir_all, remove_file, rename, sync_dir, sync_filesystem,
};
pub use lock::{LockFile, lock_file};
pub use open_files::open_files_max;
pub use whole::{read_file, write_file_atomic};
