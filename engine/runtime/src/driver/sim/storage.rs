//! Files and names of the simulated world: the disk model behind operations with latency.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::disk::OpId;
use super::event::{Action, Waiting};
use super::image::{Entry, Inode};
use super::shared::Cores;
use super::world_state::{Owner, Resource, World, failure};
use crate::fs::DirEntry;
use crate::handle::Handle;
use crate::op::{Buffer, Operation};

impl World {
    pub(super) fn start_storage(&mut self, waiting: Waiting, operation: &mut Operation) {
        let result = match operation {
            Operation::Read { file, .. } => self.start_read(waiting, file),
            Operation::Write { .. } => self.start_write(waiting, operation),
            Operation::Sync { file, .. } => self.start_sync(waiting, file),
            Operation::Open { path, flags, .. } => {
                let result = self.open(waiting.owner, &path_of(path), *flags);
                self.finish_storage(waiting, result)
            }
            Operation::Status { .. } => {
                let result = self.status(waiting.owner, operation);
                self.finish_storage(waiting, result)
            }
            _ => {
                let result = self.change(waiting.owner, operation);
                self.finish_storage(waiting, result)
            }
        };
        if let Err(error) = result {
            self.finish_soon(waiting, failure(&error));
        }
    }

    /// The effect has happened; the report takes its time.
    fn finish_storage(&mut self, waiting: Waiting, result: io::Result<i64>) -> io::Result<()> {
        let result = result?;
        let delay = self.delay(self.options.disk_latency_ns.clone());
        self.schedule(delay, Action::Finish { waiting, result });
        Ok(())
    }

    fn inode(&self, file: &Handle, writes: bool) -> io::Result<Inode> {
        match self.resources.get(&file.sim().id()) {
            Some((
                _,
                Resource::File {
                    inode,
                    is_readable,
                    is_writable,
                },
            )) if (writes && *is_writable) || (!writes && *is_readable) => Ok(*inode),
            _ => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    fn start_read(&mut self, waiting: Waiting, file: &Handle) -> io::Result<()> {
        let inode = self.inode(file, false)?;
        let delay = self.delay(self.options.disk_latency_ns.clone());
        self.schedule(delay, Action::FinishRead { waiting, inode });
        Ok(())
    }

    fn start_write(&mut self, waiting: Waiting, operation: &Operation) -> io::Result<()> {
        let Operation::Write {
            file,
            position,
            vectors,
            is_durable,
        } = operation
        else {
            unreachable!("dispatched by kind")
        };
        let inode = self.inode(file, true)?;
        let mut bytes = vectors.bytes();
        if bytes.len() > 4096 && self.chance(self.options.short_write_one_in) {
            let blocks = self.prng.below(bytes.len() as u64 / 4096) + 1;
            bytes.truncate(blocks as usize * 4096);
        }
        let size_bytes = bytes.len();
        let op = self
            .disk(waiting.owner.process)
            .write(inode, *position, bytes)?;
        let delay = self.delay(self.options.disk_latency_ns.clone());
        let is_durable = *is_durable;
        self.schedule(
            delay,
            Action::FinishWrite {
                waiting,
                op,
                size_bytes,
                is_durable,
            },
        );
        Ok(())
    }

    fn start_sync(&mut self, waiting: Waiting, file: &Handle) -> io::Result<()> {
        let action = match self.resources.get(&file.sim().id()) {
            Some((_, Resource::File { inode, .. })) => {
                let inode = *inode;
                let completed = self.disk(waiting.owner.process).completed_writes();
                Action::FinishSync {
                    waiting,
                    inode,
                    completed,
                }
            }
            Some((_, Resource::Directory(path))) => Action::FinishSyncDirectory {
                waiting,
                path: path.clone(),
            },
            _ => return Err(io::Error::from_raw_os_error(libc::EBADF)),
        };
        let delay = self.delay(self.options.disk_latency_ns.clone());
        self.schedule(delay, action);
        Ok(())
    }

    fn open(&mut self, owner: Owner, path: &Path, flags: i32) -> io::Result<i64> {
        let access = flags & libc::O_ACCMODE;
        let creates = flags & libc::O_CREAT != 0;
        let disk = self.disk(owner.process);
        let resource = match disk.image().entry(path) {
            Some(Entry::Directory) if access != libc::O_RDONLY => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Some(Entry::Directory) => Resource::Directory(path.to_path_buf()),
            None if !creates => return Err(io::ErrorKind::NotFound.into()),
            entry => {
                let inode = match entry {
                    Some(Entry::File(inode)) if !creates => inode,
                    _ => disk.create(path, flags & libc::O_EXCL != 0)?,
                };
                if flags & libc::O_TRUNC != 0 {
                    disk.set_len(inode, 0)?;
                }
                Resource::File {
                    inode,
                    is_readable: access != libc::O_WRONLY,
                    is_writable: access != libc::O_RDONLY,
                }
            }
        };
        Ok(self.new_resource(owner, resource) as i64)
    }

    fn status(&mut self, owner: Owner, operation: &mut Operation) -> io::Result<i64> {
        let Operation::Status { path, file, status } = operation else {
            unreachable!("dispatched by kind")
        };
        let entry = match file {
            Some(file) => match self.resources.get(&file.sim().id()) {
                Some((_, Resource::File { inode, .. })) => Entry::File(*inode),
                Some((_, Resource::Directory(_))) => Entry::Directory,
                _ => return Err(io::Error::from_raw_os_error(libc::EBADF)),
            },
            None => self
                .disk(owner.process)
                .image()
                .entry(&path_of(path))
                .ok_or(io::ErrorKind::NotFound)?,
        };
        match entry {
            Entry::Directory => status.raw.stx_mode = libc::S_IFDIR as u16,
            Entry::File(inode) => {
                status.raw.stx_mode = libc::S_IFREG as u16;
                let image = self.disk(owner.process).image();
                status.raw.stx_size = image.content(inode).map_or(0, |it| it.size_bytes());
            }
        }
        Ok(0)
    }

    fn change(&mut self, owner: Owner, operation: &Operation) -> io::Result<i64> {
        match operation {
            Operation::SetLen { file, size_bytes } => {
                let inode = self.inode(file, true)?;
                self.disk(owner.process).set_len(inode, *size_bytes)?;
            }
            Operation::Allocate {
                file,
                position,
                size_bytes,
            } => {
                let inode = self.inode(file, true)?;
                self.disk(owner.process)
                    .allocate(inode, *position, *size_bytes)?;
            }
            Operation::Populate { .. } => {}
            Operation::Rename { source, target } => {
                let (source, target) = (path_of(source), path_of(target));
                self.disk(owner.process).rename(&source, &target)?;
            }
            Operation::Remove { path, is_directory } => {
                self.remove(owner, &path_of(path), *is_directory)?;
            }
            Operation::MakeDirectory { path } => {
                let (path, disk) = (path_of(path), self.disk(owner.process));
                if disk.image().entry(&path).is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                disk.create_dir_all(&path);
            }
            _ => unreachable!("dispatched by kind"),
        }
        Ok(0)
    }

    fn remove(&mut self, owner: Owner, path: &Path, is_directory: bool) -> io::Result<()> {
        let disk = self.disk(owner.process);
        match (disk.image().entry(path), is_directory) {
            (Some(Entry::Directory), false) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(Entry::File(_)), true) => return Err(io::ErrorKind::NotADirectory.into()),
            (Some(Entry::Directory), true) if disk.image().children(path).next().is_some() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        disk.unlink(path)
    }

    pub(super) fn read_dir(&self, owner: Owner, path: &Path) -> io::Result<Vec<DirEntry>> {
        let image = self.processes[usize::from(owner.process.0)].disk.image();
        match image.entry(path) {
            None => return Err(io::ErrorKind::NotFound.into()),
            Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            Some(Entry::Directory) => {}
        }
        let entry = |(child, entry): (&Path, Entry)| DirEntry {
            name: child.file_name().unwrap_or_default().to_owned(),
            is_dir: entry == Entry::Directory,
            len: match entry {
                Entry::Directory => 0,
                Entry::File(inode) => image.content(inode).map_or(0, |it| it.size_bytes()),
            },
        };
        let mut entries: Vec<_> = image.children(path).map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(super) fn apply_storage(&mut self, action: Action, cores: &Cores) {
        match action {
            Action::FinishRead { waiting, inode } => self.finish_read(waiting, inode, cores),
            Action::FinishWrite {
                waiting,
                op,
                size_bytes,
                is_durable,
            } => self.finish_write(waiting, op, size_bytes, is_durable),
            Action::FinishSync {
                waiting,
                inode,
                completed,
            } => {
                if self.owns_disk(waiting.owner) {
                    let synced = self
                        .disk(waiting.owner.process)
                        .sync_completed(inode, &completed);
                    let result = synced.map_or_else(|error| failure(&error), |()| 0);
                    self.completed.push((waiting, result));
                }
            }
            Action::FinishSyncDirectory { waiting, path } => {
                if self.owns_disk(waiting.owner) {
                    self.disk(waiting.owner.process).sync_dir(&path);
                    self.completed.push((waiting, 0));
                }
            }
            _ => unreachable!("dispatched by kind"),
        }
    }

    /// Operations of a killed process go on; those of one without power do not, and its disk is
    /// another one then.
    fn owns_disk(&self, owner: Owner) -> bool {
        self.processes[usize::from(owner.process.0)].power_cut_life <= owner.life
    }

    fn finish_read(&mut self, waiting: Waiting, inode: Inode, cores: &Cores) {
        if !self.is_alive(waiting.owner) {
            return;
        }
        let disk = self.disk(waiting.owner.process);
        let result = cores.with_operation(waiting, |operation| match operation {
            Operation::Read {
                position,
                buffer,
                filled,
                size_bytes,
                ..
            } => read_into(buffer, *filled, *size_bytes, |target| {
                disk.read(inode, *position, target)
            }),
            _ => unreachable!("dispatched by kind"),
        });
        match result {
            Some(Ok(count)) => self.completed.push((waiting, count as i64)),
            Some(Err(error)) => self.completed.push((waiting, failure(&error))),
            None => {}
        }
    }

    fn finish_write(&mut self, waiting: Waiting, op: OpId, size_bytes: usize, is_durable: bool) {
        if !self.owns_disk(waiting.owner) {
            return;
        }
        let disk = self.disk(waiting.owner.process);
        let reported = if is_durable {
            disk.complete_durable(op)
        } else {
            disk.complete(op);
            Ok(())
        };
        let result = reported.map_or_else(|error| failure(&error), |()| size_bytes as i64);
        self.completed.push((waiting, result));
    }
}

/// Reads through a bounce buffer: a vector's spare capacity is not initialised.
fn read_into(
    buffer: &mut Buffer,
    filled: usize,
    size_bytes: usize,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    match buffer {
        Buffer::Block(block) => read(&mut block[filled..filled + size_bytes]),
        Buffer::Vec(bytes) => {
            let mut bounce = vec![0; size_bytes];
            let count = read(&mut bounce)?;
            let skip = filled - bytes.len();
            let spare = &mut bytes.spare_capacity_mut()[skip..];
            for (target, byte) in spare.iter_mut().zip(&bounce[..count]) {
                target.write(*byte);
            }
            Ok(count)
        }
    }
}

fn path_of(path: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path.to_bytes()))
}
