//! An operation as the kernel's submission entry.
//!
//! Every address written here points into memory the operation owns on the heap (vectors, boxes,
//! slices), so the entry stays right when the operation itself moves within its table.

use std::sync::Arc;

use io_uring::squeue::Entry;
use io_uring::{opcode, types};

use crate::handle::Handle;
use crate::op::{Buffer, Header, Operation, Vectors};
use crate::staging::Staging;

/// Builds an entry for an opcode on a registered file or on a plain descriptor.
macro_rules! on_file {
    ($handle:expr, |$fd:ident| $build:expr) => {
        match $handle.fixed_slot() {
            Some(slot) => {
                let $fd = types::Fixed(slot);
                $build
            }
            None => {
                let $fd = types::Fd($handle.fd());
                $build
            }
        }
    };
}

/// The entry, and whether it uses registered memory.
pub(super) fn build(operation: &mut Operation, staging: Option<&Arc<Staging>>) -> (Entry, bool) {
    let entry = match operation {
        Operation::Read {
            file,
            position,
            buffer,
            filled,
            size_bytes,
        } => return read(file, *position, buffer, *filled, *size_bytes, staging),
        Operation::Write {
            file,
            position,
            vectors,
            is_durable,
        } => return write(file, *position, vectors, *is_durable, staging),
        Operation::Sync { .. } | Operation::SetLen { .. } | Operation::Allocate { .. } => {
            file_state(operation)
        }
        Operation::Populate { buffer } => {
            let (base, size) = buffer.memory();
            opcode::Madvise::new(base.cast(), size as i64, libc::MADV_POPULATE_WRITE).build()
        }
        Operation::Accept { .. }
        | Operation::Connect { .. }
        | Operation::Readable { .. }
        | Operation::Receive { .. }
        | Operation::Send { .. }
        | Operation::Shutdown { .. } => socket(operation),
        Operation::Open { .. }
        | Operation::Status { .. }
        | Operation::Rename { .. }
        | Operation::Remove { .. }
        | Operation::MakeDirectory { .. } => name(operation),
    };
    (entry, false)
}

fn read(
    file: &Handle,
    position: u64,
    buffer: &mut Buffer,
    filled: usize,
    size_bytes: usize,
    staging: Option<&Arc<Staging>>,
) -> (Entry, bool) {
    let size = size_bytes as u32;
    let (base, capacity, is_fixed) = match buffer {
        Buffer::Block(block) => {
            let is_fixed = match (block.staging(), staging) {
                (Some(piece), Some(staging)) => piece.is_of(staging),
                _ => false,
            };
            (block.base(), block.size_bytes(), is_fixed)
        }
        Buffer::Vec(bytes) => (bytes.as_mut_ptr(), bytes.capacity(), false),
    };
    assert!(filled + size_bytes <= capacity);
    // In bounds: asserted above.
    let target = base.wrapping_add(filled);
    let entry = if is_fixed {
        on_file!(file, |fd| opcode::ReadFixed::new(fd, target, size, 0)
            .offset(position)
            .build())
    } else {
        on_file!(file, |fd| opcode::Read::new(fd, target, size)
            .offset(position)
            .build())
    };
    (entry, is_fixed)
}

fn write(
    file: &Handle,
    position: u64,
    vectors: &Vectors,
    is_durable: bool,
    staging: Option<&Arc<Staging>>,
) -> (Entry, bool) {
    let rw_flags = if is_durable { libc::RWF_DSYNC } else { 0 };
    let [only] = vectors.vectors.as_slice() else {
        let count = vectors.vectors.len() as u32;
        let entry = on_file!(file, |fd| opcode::Writev::new(
            fd,
            vectors.vectors.as_ptr(),
            count
        )
        .offset(position)
        .rw_flags(rw_flags)
        .build());
        return (entry, false);
    };
    let (source, size) = (only.iov_base.cast_const().cast::<u8>(), only.iov_len as u32);
    // Adjacent slices merge only within one storage, so the first slice tells for all.
    let piece = vectors.first_slice().and_then(|slice| slice.staging());
    let is_fixed = match (piece, staging) {
        (Some(piece), Some(staging)) => piece.is_of(staging),
        _ => false,
    };
    let entry = if is_fixed {
        on_file!(file, |fd| opcode::WriteFixed::new(fd, source, size, 0)
            .offset(position)
            .rw_flags(rw_flags)
            .build())
    } else {
        on_file!(file, |fd| opcode::Write::new(fd, source, size)
            .offset(position)
            .rw_flags(rw_flags)
            .build())
    };
    (entry, is_fixed)
}

fn file_state(operation: &Operation) -> Entry {
    match operation {
        Operation::Sync { file, data_only } => {
            let flags = if *data_only {
                types::FsyncFlags::DATASYNC
            } else {
                types::FsyncFlags::empty()
            };
            on_file!(file, |fd| opcode::Fsync::new(fd).flags(flags).build())
        }
        Operation::SetLen { file, size_bytes } => {
            on_file!(file, |fd| opcode::Ftruncate::new(fd, *size_bytes).build())
        }
        Operation::Allocate {
            file,
            position,
            size_bytes,
        } => on_file!(file, |fd| opcode::Fallocate::new(fd, *size_bytes)
            .offset(*position)
            .build()),
        _ => unreachable!("dispatched by `build`"),
    }
}

fn name(operation: &mut Operation) -> Entry {
    let here = types::Fd(libc::AT_FDCWD);
    match operation {
        Operation::Open { path, flags, mode } => opcode::OpenAt::new(here, path.as_ptr())
            .flags(*flags | libc::O_CLOEXEC)
            .mode(*mode)
            .build(),
        Operation::Status { path, file, status } => {
            let target = (&raw mut status.raw).cast::<types::statx>();
            let mask = libc::STATX_SIZE
                | libc::STATX_TYPE
                | libc::STATX_NLINK
                | libc::STATX_MTIME
                | libc::STATX_DIOALIGN;
            match file {
                // An empty path with this flag is the open file itself.
                Some(file) => opcode::Statx::new(types::Fd(file.fd()), path.as_ptr(), target)
                    .flags(libc::AT_EMPTY_PATH)
                    .mask(mask)
                    .build(),
                None => opcode::Statx::new(here, path.as_ptr(), target)
                    .mask(mask)
                    .build(),
            }
        }
        Operation::Rename { source, target } => {
            opcode::RenameAt::new(here, source.as_ptr(), here, target.as_ptr()).build()
        }
        Operation::Remove { path, is_directory } => {
            let flags = if *is_directory { libc::AT_REMOVEDIR } else { 0 };
            opcode::UnlinkAt::new(here, path.as_ptr())
                .flags(flags)
                .build()
        }
        Operation::MakeDirectory { path } => opcode::MkDirAt::new(here, path.as_ptr())
            .mode(0o755)
            .build(),
        _ => unreachable!("dispatched by `build`"),
    }
}

fn socket(operation: &mut Operation) -> Entry {
    let fd_of = |socket: &Handle| types::Fd(socket.fd());
    match operation {
        Operation::Accept { socket, address } => {
            let storage = (&raw mut address.storage).cast();
            opcode::Accept::new(fd_of(socket), storage, &raw mut address.size_bytes)
                .flags(libc::SOCK_CLOEXEC)
                .build()
        }
        Operation::Connect { socket, address } => {
            let storage = (&raw const address.storage).cast();
            opcode::Connect::new(fd_of(socket), storage, address.size_bytes).build()
        }
        Operation::Readable { socket } => {
            opcode::PollAdd::new(fd_of(socket), libc::POLLIN as u32).build()
        }
        Operation::Receive {
            socket,
            buffer,
            size_bytes,
        } => {
            assert!(buffer.len() + *size_bytes <= buffer.capacity());
            let spare = buffer.spare_capacity_mut().as_mut_ptr().cast();
            opcode::Recv::new(fd_of(socket), spare, *size_bytes as u32).build()
        }
        Operation::Send {
            socket,
            vectors,
            header,
        } => {
            // WAITALL: the kernel goes on after a partial send instead of returning to us.
            let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
            if let [only] = vectors.vectors.as_slice() {
                let source = only.iov_base.cast_const().cast();
                opcode::Send::new(fd_of(socket), source, only.iov_len as u32)
                    .flags(flags)
                    .build()
            } else {
                let header = header.get_or_insert_with(|| Box::new(Header::empty()));
                header.0.msg_iov = vectors.vectors.as_mut_ptr();
                header.0.msg_iovlen = vectors.vectors.len() as _;
                opcode::SendMsg::new(fd_of(socket), &raw const header.0)
                    .flags(flags as u32)
                    .build()
            }
        }
        Operation::Shutdown { socket, how } => opcode::Shutdown::new(fd_of(socket), *how).build(),
        _ => unreachable!("dispatched by `build`"),
    }
}
