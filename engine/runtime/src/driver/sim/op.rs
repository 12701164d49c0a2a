//! One change to a simulated disk: visible when it is applied to an image. The disk keeps a trace
//! of these; a power cut applies those that it keeps. Pure.

use std::path::{Path, PathBuf};

use super::image::{Entry, Image, Inode};

/// One change to the disk.
#[derive(Clone, Debug)]
pub enum Op {
    /// Bytes written to a file.
    Write {
        /// Which file.
        inode: Inode,
        /// Where.
        position: u64,
        /// What.
        bytes: Vec<u8>,
        /// It changes metadata: only a flush of its file makes it durable.
        is_own_flush: bool,
    },
    /// A file cut or extended.
    SetLen {
        /// Which file.
        inode: Inode,
        /// Its new length.
        size_bytes: u64,
    },
    /// A name created.
    Link {
        /// The name.
        path: PathBuf,
        /// What it stands for.
        entry: Entry,
    },
    /// A name removed.
    Unlink {
        /// The name.
        path: PathBuf,
    },
    /// A name moved, replacing its target.
    Rename {
        /// The old name.
        source: PathBuf,
        /// The new name.
        target: PathBuf,
    },
}

impl Op {
    pub(super) fn is_name(&self) -> bool {
        matches!(
            self,
            Self::Link { .. } | Self::Unlink { .. } | Self::Rename { .. }
        )
    }

    pub(super) fn touches_directory(&self, directory: &Path) -> bool {
        let is_inside = |path: &Path| path.parent() == Some(directory);
        match self {
            Self::Link { path, .. } | Self::Unlink { path } => is_inside(path),
            Self::Rename { source, target } => is_inside(source) || is_inside(target),
            Self::Write { .. } | Self::SetLen { .. } => false,
        }
    }

    pub(super) fn apply(&self, image: &mut Image) {
        match self {
            Self::Write {
                inode,
                position,
                bytes,
                ..
            } => {
                image.content_mut(*inode).write(*position, bytes);
            }
            Self::SetLen { inode, size_bytes } => image.content_mut(*inode).set_len(*size_bytes),
            Self::Link { path, entry } => image.link(path, *entry),
            Self::Unlink { path } => image.unlink(path),
            Self::Rename { source, target } => image.rename(source, target),
        }
    }
}
