//! What a simulated disk holds at one moment: a tree of names and the bytes behind them.
//!
//! Cloning is cheap (blocks are shared), because the crash enumeration makes an image for each
//! of a hundred thousand states. A block that was never written, or that holds only zeroes, is
//! absent: pre-written files cost nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BLOCK: usize = 4096;

/// A file's bytes, sparse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    size_bytes: u64,
    blocks: BTreeMap<u64, Arc<[u8; BLOCK]>>,
}

impl Content {
    /// The file's length.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Copies what lies at `position` into `target`; returns how many bytes there were.
    pub fn read(&self, position: u64, target: &mut [u8]) -> usize {
        let available = self
            .size_bytes
            .saturating_sub(position)
            .min(target.len() as u64) as usize;
        let mut done = 0;
        while done < available {
            let at = position + done as u64;
            let (index, within) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let count = (BLOCK - within).min(available - done);
            let part = &mut target[done..done + count];
            match self.blocks.get(&index) {
                Some(block) => part.copy_from_slice(&block[within..within + count]),
                None => part.fill(0),
            }
            done += count;
        }
        available
    }

    /// Writes `bytes` at `position`, growing the file when they reach past its end.
    pub fn write(&mut self, position: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = position + done as u64;
            let (index, within) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let count = (BLOCK - within).min(bytes.len() - done);
            self.write_in_block(index, within, &bytes[done..done + count]);
            done += count;
        }
        self.size_bytes = self.size_bytes.max(position + bytes.len() as u64);
    }

    fn write_in_block(&mut self, index: u64, within: usize, part: &[u8]) {
        let absent_and_zero = part.iter().all(|&byte| byte == 0);
        if absent_and_zero && (part.len() == BLOCK || !self.blocks.contains_key(&index)) {
            self.blocks.remove(&index);
            return;
        }
        let block = self
            .blocks
            .entry(index)
            .or_insert_with(|| Arc::new([0; BLOCK]));
        Arc::make_mut(block)[within..within + part.len()].copy_from_slice(part);
    }

    /// Cuts or extends (with zeroes) the file.
    pub fn set_len(&mut self, size_bytes: u64) {
        if size_bytes < self.size_bytes {
            let last = size_bytes.div_ceil(BLOCK as u64);
            self.blocks.retain(|&index, _| index < last);
            let within = (size_bytes % BLOCK as u64) as usize;
            if within > 0 {
                self.write_in_block(size_bytes / BLOCK as u64, within, &[0; BLOCK][within..]);
            }
        }
        self.size_bytes = size_bytes;
    }
}

/// A file's identity, independent of its names.
pub type Inode = u64;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file.
    File(Inode),
}

/// Names and contents.
#[derive(Clone, Debug, Default)]
pub struct Image {
    entries: BTreeMap<PathBuf, Entry>,
    contents: BTreeMap<Inode, Content>,
}

impl Image {
    /// What `path` stands for.
    #[must_use]
    pub fn entry(&self, path: &Path) -> Option<Entry> {
        self.entries.get(path).copied()
    }

    /// The content behind an inode; empty for one that was never written.
    #[must_use]
    pub fn content(&self, inode: Inode) -> Option<&Content> {
        self.contents.get(&inode)
    }

    /// The bytes of the file at `path`, whole.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<Vec<u8>> {
        let Some(Entry::File(inode)) = self.entry(path) else {
            return None;
        };
        let content = self.contents.get(&inode)?;
        let mut bytes = vec![0; content.size_bytes() as usize];
        content.read(0, &mut bytes);
        Some(bytes)
    }

    /// The names directly inside `directory`, in order.
    pub fn children<'a>(
        &'a self,
        directory: &'a Path,
    ) -> impl Iterator<Item = (&'a Path, Entry)> + 'a {
        self.entries
            .range(directory.to_path_buf()..)
            .take_while(move |(path, _)| path.starts_with(directory))
            .filter(move |(path, _)| path.parent() == Some(directory))
            .map(|(path, entry)| (path.as_path(), *entry))
    }

    pub(super) fn entries_all(&self) -> impl Iterator<Item = (&Path, Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_path(), *entry))
    }

    pub(super) fn path_of(&self, inode: Inode) -> Option<PathBuf> {
        let is_it = |found: &(&Path, Entry)| found.1 == Entry::File(inode);
        self.entries_all()
            .find(is_it)
            .map(|(path, _)| path.to_path_buf())
    }

    pub(super) fn inode_max(&self) -> Inode {
        self.contents.keys().next_back().copied().unwrap_or(0)
    }

    pub(super) fn content_mut(&mut self, inode: Inode) -> &mut Content {
        self.contents.entry(inode).or_default()
    }

    pub(super) fn link(&mut self, path: &Path, entry: Entry) {
        if let Entry::File(inode) = entry {
            self.contents.entry(inode).or_default();
        }
        self.entries.insert(path.to_path_buf(), entry);
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        self.entries.remove(path);
    }

    /// Moves `source`, and everything below it, to `target`.
    pub(super) fn rename(&mut self, source: &Path, target: &Path) {
        let moved: Vec<_> = self
            .entries
            .range(source.to_path_buf()..)
            .take_while(|(path, _)| path.starts_with(source))
            .map(|(path, entry)| (path.clone(), *entry))
            .collect();
        for (path, _) in &moved {
            self.entries.remove(path);
        }
        for (path, entry) in moved {
            let below = path
                .strip_prefix(source)
                .expect("the range holds only paths below source");
            let renamed = if below.as_os_str().is_empty() {
                target.into()
            } else {
                target.join(below)
            };
            self.entries.insert(renamed, entry);
        }
    }
}
