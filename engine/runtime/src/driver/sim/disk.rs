//! A simulated disk: what a file system and a device with a volatile cache may do to us.
//!
//! Pure and synchronous: the driver adds latency, the crash enumeration reads the trace. Every
//! change is an [`Op`] that becomes visible at once and durable later. A power cut
//! ([`Disk::crash_image`]) keeps durable ops and decides each other one by a draw: kept, lost,
//! torn at 512 B or 4 KiB, or left as garbage.
//!
//! - **Data** becomes durable by a flush that was issued after the write completed. With
//!   [`FlushScope::Device`] one flush covers every completed write of the device; with
//!   [`FlushScope::File`] only those of the file it names.
//!   A write into space that was allocated and not written, or behind the end, also changes what
//!   the file system knows of the file: only a flush of that file covers it.
//! - **Names** become durable by syncing the directory; a prefix of the others may survive, in
//!   order, as a journalling file system does it. **Sizes** become durable by syncing the file.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use engine_base::align_up;

use super::image::{Entry, Image, Inode};
pub use super::op::Op;
use crate::prng::Prng;

const BLOCK: u64 = 4096;

/// What one flush covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushScope {
    /// Everything the device has completed (a cache flush).
    Device,
    /// Only the file it was asked for (forced unit access).
    File,
}

/// What happened, in order; the crash enumeration cuts this list at every place.
#[derive(Clone, Debug)]
pub enum Event {
    /// The op with this index began (and is visible).
    Began(usize),
    /// The write with this index completed: a later flush covers it.
    Completed(usize),
    /// These ops are durable from here on.
    Durable(Vec<usize>),
    /// A mark of the workload, such as "acknowledged up to n".
    Mark(u64),
}

/// Names an op from its beginning to its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpId(usize);

/// A fault to inject: the next matching operations fail with this errno.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Only files whose path contains this.
    pub path_contains: String,
    /// Which kind of operation fails.
    pub on: FaultOn,
    /// Operations that still succeed first.
    pub after: u32,
    /// How many fail then; `u32::MAX` for all.
    pub count: u32,
    /// The error, for example `libc::EIO`.
    pub errno: i32,
}

/// The kind of operation a [`Fault`] hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOn {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Flushes and durable writes.
    Sync,
    /// Allocations of space.
    Allocate,
}

/// The disk: its state at power-on, what happened since, and what programs see now.
#[derive(Clone, Debug)]
pub struct Disk {
    base: Image,
    now: Image,
    ops: Vec<Op>,
    completed: Vec<bool>,
    durable: Vec<bool>,
    /// The ops that are not durable: all that a flush has to look at.
    undurable: BTreeSet<usize>,
    events: Vec<Event>,
    flush_scope: FlushScope,
    inode_next: Inode,
    capacity_bytes: u64,
    faults: Vec<Fault>,
    /// Blocks that are allocated and not, durably, written.
    unwritten: BTreeSet<(Inode, u64)>,
}

impl Disk {
    /// A disk that was powered on with `image`.
    #[must_use]
    pub fn new(image: Image, flush_scope: FlushScope) -> Self {
        let inode_next = image.inode_max() + 1;
        Self {
            now: image.clone(),
            base: image,
            ops: Vec::new(),
            completed: Vec::new(),
            durable: Vec::new(),
            undurable: BTreeSet::new(),
            events: Vec::new(),
            flush_scope,
            inode_next,
            capacity_bytes: u64::MAX,
            faults: Vec::new(),
            unwritten: BTreeSet::new(),
        }
    }

    /// What programs see now.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.now
    }

    /// What happened since power-on.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Files may hold this many bytes in sum; beyond it writes fail with ENOSPC.
    pub fn set_capacity(&mut self, capacity_bytes: u64) {
        self.capacity_bytes = capacity_bytes;
    }

    /// Adds a fault.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Bytes that files hold in sum.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let files = |entry: (&Path, Entry)| match entry.1 {
            Entry::File(inode) => self.now.content(inode).map_or(0, |c| c.size_bytes()),
            Entry::Directory => 0,
        };
        self.now.entries_all().map(files).sum()
    }

    /// Writes a mark into the trace.
    pub fn mark(&mut self, value: u64) {
        self.events.push(Event::Mark(value));
    }

    /// Makes a directory and its parents.
    pub fn create_dir_all(&mut self, path: &Path) {
        for ancestor in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
            if !ancestor.as_os_str().is_empty() && self.now.entry(ancestor).is_none() {
                let entry = Entry::Directory;
                self.begin(Op::Link {
                    path: ancestor.to_path_buf(),
                    entry,
                });
            }
        }
    }

    /// Creates an empty file, or finds the existing one.
    ///
    /// # Errors
    /// `AlreadyExists` with `new_only`, `NotFound` when the parent is missing, `IsADirectory`.
    pub fn create(&mut self, path: &Path, new_only: bool) -> io::Result<Inode> {
        match self.now.entry(path) {
            Some(Entry::File(_)) if new_only => Err(io::ErrorKind::AlreadyExists.into()),
            Some(Entry::File(inode)) => Ok(inode),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => {
                let parent = path.parent().unwrap_or_else(|| Path::new(""));
                let is_root = parent.as_os_str().is_empty() || parent == Path::new("/");
                if !is_root && self.now.entry(parent).is_none() {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let inode = self.inode_next;
                self.inode_next += 1;
                let entry = Entry::File(inode);
                self.begin(Op::Link {
                    path: path.to_path_buf(),
                    entry,
                });
                Ok(inode)
            }
        }
    }

    /// Reads into `target`; returns how many bytes there were.
    ///
    /// # Errors
    /// An injected fault.
    pub fn read(&mut self, inode: Inode, position: u64, target: &mut [u8]) -> io::Result<usize> {
        self.check_faults(inode, FaultOn::Read)?;
        Ok(self
            .now
            .content(inode)
            .map_or(0, |content| content.read(position, target)))
    }

    /// Begins a write: visible at once, neither complete nor durable.
    ///
    /// # Errors
    /// ENOSPC when the disk is full, or an injected fault.
    pub fn write(&mut self, inode: Inode, position: u64, bytes: Vec<u8>) -> io::Result<OpId> {
        self.check_faults(inode, FaultOn::Write)?;
        let size = self
            .now
            .content(inode)
            .map_or(0, |content| content.size_bytes());
        let end = position + bytes.len() as u64;
        self.check_space(end.saturating_sub(size))?;
        let first = self.unwritten.range(blocks_of(inode, position, end)).next();
        Ok(self.begin(Op::Write {
            inode,
            position,
            bytes,
            is_own_flush: end > size || first.is_some(),
        }))
    }

    /// Reserves blocks without writing them, and extends the file over them.
    ///
    /// # Errors
    /// ENOSPC when the disk is full, or an injected fault.
    pub fn allocate(&mut self, inode: Inode, position: u64, size_bytes: u64) -> io::Result<()> {
        self.check_faults(inode, FaultOn::Allocate)?;
        let size = self
            .now
            .content(inode)
            .map_or(0, |content| content.size_bytes());
        let end = position + size_bytes;
        if end > size {
            self.set_len(inode, end)?;
            let blocks = position.max(size).div_ceil(BLOCK)..end.div_ceil(BLOCK);
            self.unwritten.extend(blocks.map(|block| (inode, block)));
        }
        Ok(())
    }

    /// The device reports a write complete.
    pub fn complete(&mut self, id: OpId) {
        assert!(!self.completed[id.0]);
        self.completed[id.0] = true;
        self.events.push(Event::Completed(id.0));
    }

    /// A write with DSYNC completed: it is durable, and with [`FlushScope::Device`] so is all
    /// that had completed when it began (`begun_at`).
    ///
    /// # Errors
    /// An injected fault on sync: the write completed but is not durable.
    pub fn complete_durable(&mut self, id: OpId) -> io::Result<()> {
        self.complete(id);
        let Op::Write { inode, .. } = self.ops[id.0] else {
            panic!("only writes are durable")
        };
        self.check_faults(inode, FaultOn::Sync)?;
        let mut covered = match self.flush_scope {
            FlushScope::Device => self.completed_before(id.0),
            FlushScope::File => Vec::new(),
        };
        self.retain_covered(&mut covered, inode);
        covered.push(id.0);
        covered.extend(self.sizes_of(inode));
        self.make_durable(covered);
        Ok(())
    }

    /// Cuts or extends a file.
    ///
    /// # Errors
    /// ENOSPC when the disk is full, or an injected fault on writes.
    pub fn set_len(&mut self, inode: Inode, size_bytes: u64) -> io::Result<()> {
        self.check_faults(inode, FaultOn::Write)?;
        let size = self
            .now
            .content(inode)
            .map_or(0, |content| content.size_bytes());
        self.check_space(size_bytes.saturating_sub(size))?;
        self.begin(Op::SetLen { inode, size_bytes });
        let cut = blocks_of(inode, align_up(size_bytes, BLOCK), u64::MAX);
        let gone: Vec<_> = self.unwritten.range(cut).copied().collect();
        for block in gone {
            self.unwritten.remove(&block);
        }
        Ok(())
    }

    /// Syncs a file's data and size; with [`FlushScope::Device`] all completed data.
    ///
    /// # Errors
    /// An injected fault: nothing became durable.
    pub fn sync(&mut self, inode: Inode) -> io::Result<()> {
        self.check_faults(inode, FaultOn::Sync)?;
        let mut covered = self.completed_before(self.ops.len());
        self.retain_covered(&mut covered, inode);
        covered.extend(self.sizes_of(inode));
        self.make_durable(covered);
        Ok(())
    }

    /// The completed writes that no flush has covered: what one that begins now covers.
    #[must_use]
    pub fn completed_writes(&self) -> Vec<OpId> {
        let indexes = self.completed_before(self.ops.len()).into_iter();
        indexes.map(OpId).collect()
    }

    /// Ends a flush that began when `completed` were the [`Disk::completed_writes`].
    ///
    /// # Errors
    /// An injected fault: nothing became durable.
    pub fn sync_completed(&mut self, inode: Inode, completed: &[OpId]) -> io::Result<()> {
        self.check_faults(inode, FaultOn::Sync)?;
        let mut covered: Vec<_> = completed.iter().map(|id| id.0).collect();
        self.retain_covered(&mut covered, inode);
        covered.extend(self.sizes_of(inode));
        self.make_durable(covered);
        Ok(())
    }

    /// What [`Disk::set_capacity`] set.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity_bytes
    }

    /// Syncs the names inside a directory.
    pub fn sync_dir(&mut self, directory: &Path) {
        let touched = |&index: &usize| self.ops[index].touches_directory(directory);
        let covered = self.undurable.iter().copied().filter(touched).collect();
        self.make_durable(covered);
    }

    /// Syncs everything (`syncfs`).
    pub fn sync_all(&mut self) {
        let is_settled =
            |&index: &usize| self.completed[index] || !matches!(self.ops[index], Op::Write { .. });
        let covered = self.undurable.iter().copied().filter(is_settled).collect();
        self.make_durable(covered);
    }

    /// Removes a name. Open files go on.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn unlink(&mut self, path: &Path) -> io::Result<()> {
        if self.now.entry(path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.begin(Op::Unlink {
            path: path.to_path_buf(),
        });
        Ok(())
    }

    /// Moves a name, replacing its target.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn rename(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        if self.now.entry(source).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.begin(Op::Rename {
            source: source.to_path_buf(),
            target: target.to_path_buf(),
        });
        Ok(())
    }

    /// The image after a power cut when `events_count` of the events had happened. `prng`
    /// decides the fate of everything that was not durable.
    #[must_use]
    pub fn crash_image(&self, events_count: usize, prng: &mut Prng) -> Image {
        let mut begun = 0;
        let mut durable = vec![false; self.ops.len()];
        for event in &self.events[..events_count] {
            match event {
                Event::Began(index) => begun = index + 1,
                Event::Durable(covered) => covered.iter().for_each(|&index| durable[index] = true),
                Event::Completed(_) | Event::Mark(_) => {}
            }
        }
        super::crash::image(&self.base, &self.ops[..begun], &durable[..begun], prng)
    }

    fn begin(&mut self, op: Op) -> OpId {
        op.apply(&mut self.now);
        let index = self.ops.len();
        self.completed.push(!matches!(op, Op::Write { .. }));
        self.durable.push(false);
        self.undurable.insert(index);
        self.ops.push(op);
        self.events.push(Event::Began(index));
        OpId(index)
    }

    fn completed_before(&self, end: usize) -> Vec<usize> {
        let is_completed_write =
            |&index: &usize| self.completed[index] && matches!(self.ops[index], Op::Write { .. });
        let earlier = self.undurable.range(..end).copied();
        earlier.filter(is_completed_write).collect()
    }

    /// Leaves what a flush of this file covers.
    fn retain_covered(&self, writes: &mut Vec<usize>, flushed: Inode) {
        writes.retain(|&index| match self.ops[index] {
            Op::Write {
                inode,
                is_own_flush,
                ..
            } => {
                let is_shared = self.flush_scope == FlushScope::Device && !is_own_flush;
                inode == flushed || is_shared
            }
            _ => false,
        });
    }

    fn sizes_of(&self, inode: Inode) -> Vec<usize> {
        let is_size =
            |&index: &usize| matches!(self.ops[index], Op::SetLen { inode: i, .. } if i == inode);
        self.undurable.iter().copied().filter(is_size).collect()
    }

    fn make_durable(&mut self, mut covered: Vec<usize>) {
        covered.retain(|&index| !self.durable[index]);
        for &index in &covered {
            self.durable[index] = true;
            self.undurable.remove(&index);
            if let Op::Write {
                inode,
                position,
                bytes,
                is_own_flush: true,
            } = &self.ops[index]
            {
                let blocks = blocks_of(*inode, *position, position + bytes.len() as u64);
                let written: Vec<_> = self.unwritten.range(blocks).copied().collect();
                for block in written {
                    self.unwritten.remove(&block);
                }
            }
        }
        self.events.push(Event::Durable(covered));
    }

    fn check_space(&self, growth_bytes: u64) -> io::Result<()> {
        if growth_bytes > 0 && self.capacity_bytes != u64::MAX {
            let free = self.capacity_bytes.saturating_sub(self.used_bytes());
            if growth_bytes > free {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
        }
        Ok(())
    }

    fn check_faults(&mut self, inode: Inode, on: FaultOn) -> io::Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let path = self.now.path_of(inode).unwrap_or_default();
        let path = path.to_string_lossy();
        for fault in &mut self.faults {
            if fault.on != on || !path.contains(&fault.path_contains) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.count > 0 {
                fault.count = if fault.count == u32::MAX {
                    u32::MAX
                } else {
                    fault.count - 1
                };
                return Err(io::Error::from_raw_os_error(fault.errno));
            }
        }
        Ok(())
    }
}

/// The file's blocks that `[position, end)` touches.
fn blocks_of(inode: Inode, position: u64, end: u64) -> std::ops::Range<(Inode, u64)> {
    (inode, position / BLOCK)..(inode, end.div_ceil(BLOCK))
}
