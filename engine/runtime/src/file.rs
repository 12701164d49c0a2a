//! Files: read and written at positions, synced, cut.
//!
//! A file belongs to the core that opened it. Reads and writes own their buffers until the kernel
//! is done with them: dropping a future that reads or writes asks for cancellation, and the bytes
//! may or may not have been written.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use engine_base::limits::BLOCK_SIZE_BYTES;

use crate::buffer::{BlockBuf, Slice};
use crate::context;
use crate::handle::Handle;
use crate::limits::OPERATION_SIZE_BYTES_MAX;
use crate::op::{Buffer, Operation, Status, Vectors, io_result, perform};

/// How to open a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// Made when it does not exist.
    pub create: bool,
    /// Made; an error when it exists.
    pub create_new: bool,
    /// Emptied.
    pub truncate: bool,
    /// Past the page cache: positions, sizes and addresses are whole blocks of 4 KiB. On file
    /// systems without direct I/O (tmpfs) the open fails with `InvalidInput`.
    pub direct: bool,
}

impl OpenOptions {
    /// For reading what exists.
    #[must_use]
    pub fn reading() -> Self {
        Self {
            read: true,
            ..Self::default()
        }
    }

    /// For reading and writing, made when it does not exist.
    #[must_use]
    pub fn writing() -> Self {
        Self {
            read: true,
            write: true,
            create: true,
            ..Self::default()
        }
    }

    /// The same, past the page cache.
    #[must_use]
    pub fn direct(self) -> Self {
        Self {
            direct: true,
            ..self
        }
    }

    fn flags(&self) -> i32 {
        let access = match (self.read, self.write) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        let flag = |is_set: bool, flag: i32| if is_set { flag } else { 0 };
        access
            | flag(self.create, libc::O_CREAT)
            | flag(self.create_new, libc::O_CREAT | libc::O_EXCL)
            | flag(self.truncate, libc::O_TRUNC)
            | flag(self.direct, libc::O_DIRECT)
    }
}

/// What has happened when a write is reported complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// The kernel or the device has the bytes; a power cut may lose them.
    Plain,
    /// The bytes, and the metadata needed to read them, survive a power cut (`RWF_DSYNC`).
    Durable,
}

/// A buffer that [`File::read_at`] reads into: [`BlockBuf`] from its start, `Vec<u8>` behind what
/// it holds.
pub trait ReadBuffer: sealed::Sealed + Sized {}

impl ReadBuffer for BlockBuf {}
impl ReadBuffer for Vec<u8> {}

mod sealed {
    use super::{BlockBuf, Buffer};

    #[allow(
        unnameable_types,
        reason = "it seals `ReadBuffer`: nobody else is to name it"
    )]
    pub trait Sealed {
        #[allow(private_interfaces)]
        fn into_buffer(self, size_bytes: usize) -> (Buffer, usize);
        #[allow(private_interfaces)]
        fn from_buffer(buffer: Buffer) -> Self;
    }

    impl Sealed for BlockBuf {
        #[allow(private_interfaces)]
        fn into_buffer(self, size_bytes: usize) -> (Buffer, usize) {
            assert!(size_bytes <= self.size_bytes());
            (Buffer::Block(self), 0)
        }

        #[allow(private_interfaces)]
        fn from_buffer(buffer: Buffer) -> Self {
            match buffer {
                Buffer::Block(block) => block,
                Buffer::Vec(_) => unreachable!("an operation gives back the buffer it got"),
            }
        }
    }

    impl Sealed for Vec<u8> {
        #[allow(private_interfaces)]
        fn into_buffer(mut self, size_bytes: usize) -> (Buffer, usize) {
            self.reserve_exact(size_bytes);
            let filled = self.len();
            (Buffer::Vec(self), filled)
        }

        #[allow(private_interfaces)]
        fn from_buffer(buffer: Buffer) -> Self {
            match buffer {
                Buffer::Vec(bytes) => bytes,
                Buffer::Block(_) => unreachable!("an operation gives back the buffer it got"),
            }
        }
    }
}

/// An open file. Closed when the last operation on it and the file itself are gone.
pub struct File {
    pub(crate) handle: Rc<Handle>,
    pub(crate) path: PathBuf,
    pub(crate) is_direct: bool,
}

impl File {
    /// Opens, or makes, the file at `path` (mode 0644).
    ///
    /// # Errors
    /// As open(2).
    pub async fn open(path: impl AsRef<Path>, options: OpenOptions) -> io::Result<Self> {
        let path = path.as_ref();
        let operation = Operation::Open {
            path: c_path(path)?,
            flags: options.flags(),
            mode: 0o644,
        };
        let (_, result) = perform(operation).await;
        io_result(result)?;
        let core = context::current();
        let handle = Handle::new(core.adopt(result));
        core.driver().register(&handle);
        Ok(Self {
            handle: Rc::new(handle),
            path: path.to_path_buf(),
            is_direct: options.direct,
        })
    }

    /// The path it was opened with, for messages. The file may have been renamed since.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads up to `size_bytes` at `position`; fewer only at the end of the file. A `BlockBuf` is
    /// filled from its start, a `Vec` behind what it holds (it grows as needed). The buffer comes
    /// back in either case.
    ///
    /// # Errors
    /// As pread(2).
    ///
    /// # Panics
    /// For a direct file, when position, size or buffer are not whole blocks; when a `BlockBuf` is
    /// smaller than `size_bytes`.
    pub async fn read_at<B: ReadBuffer>(
        &self,
        position: u64,
        buffer: B,
        size_bytes: usize,
    ) -> (io::Result<usize>, B) {
        let (mut buffer, start) = buffer.into_buffer(size_bytes);
        if self.is_direct {
            assert!(position.is_multiple_of(BLOCK_SIZE_BYTES as u64));
            assert!(size_bytes.is_multiple_of(BLOCK_SIZE_BYTES));
            assert!(matches!(buffer, Buffer::Block(_)));
        }
        let mut done = 0;
        while done < size_bytes {
            let operation = Operation::Read {
                file: Rc::clone(&self.handle),
                position: position + done as u64,
                buffer,
                filled: start + done,
                size_bytes: (size_bytes - done).min(OPERATION_SIZE_BYTES_MAX),
            };
            let (operation, result) = perform(operation).await;
            buffer = taken_buffer(operation);
            match io_result(result) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if is_transient(&error) => {}
                Err(error) => return (Err(error), B::from_buffer(buffer)),
            }
            if self.is_direct && !done.is_multiple_of(BLOCK_SIZE_BYTES) {
                break; // the file ends inside a block
            }
        }
        (Ok(done), B::from_buffer(buffer))
    }

    /// Writes all of `slices`, in order, at `position`; adjacent slices of one buffer go as one.
    /// One call is one device write when it has at most 1,024 buffers and 64 MiB.
    ///
    /// # Errors
    /// As pwritev2(2). How much was written before is not known; with [`WriteMode::Durable`]
    /// nothing can be said about durability.
    ///
    /// # Panics
    /// For a direct file, when position, sizes or addresses are not whole blocks.
    pub async fn write_at(
        &self,
        position: u64,
        slices: impl Into<Vec<Slice>>,
        mode: WriteMode,
    ) -> io::Result<()> {
        let mut vectors = Vectors::new(slices.into(), 0);
        let size_bytes = vectors.size_bytes_total();
        if self.is_direct {
            self.assert_aligned(position, &vectors);
        }
        let mut done = 0;
        while done < size_bytes {
            let operation = Operation::Write {
                file: Rc::clone(&self.handle),
                position: position + done as u64,
                vectors,
                is_durable: mode == WriteMode::Durable,
            };
            let (operation, result) = perform(operation).await;
            vectors = taken_vectors(operation);
            match io_result(result) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
            if self.is_direct {
                // The rest begins at the last block boundary: writing a part of it again is fine.
                done -= done % BLOCK_SIZE_BYTES;
            }
            vectors.rebuild(done);
        }
        Ok(())
    }

    fn assert_aligned(&self, position: u64, vectors: &Vectors) {
        let block = BLOCK_SIZE_BYTES;
        assert!(position.is_multiple_of(block as u64));
        for slice in vectors.slices.iter().filter(|slice| !slice.is_empty()) {
            assert!(slice.len().is_multiple_of(block));
            assert!((slice.as_ptr() as usize).is_multiple_of(block));
        }
    }

    /// Makes written bytes, and what is needed to read them, durable (fdatasync).
    ///
    /// # Errors
    /// As fdatasync(2). After an error the bytes written since the last success are in doubt, and
    /// a second call that succeeds proves nothing about them.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(true).await
    }

    /// Makes bytes and all metadata durable (fsync).
    ///
    /// # Errors
    /// As [`File::sync_data`].
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(false).await
    }

    async fn sync(&self, data_only: bool) -> io::Result<()> {
        self.state(|file| Operation::Sync { file, data_only }).await
    }

    /// Cuts or extends (with zeroes) the file. A ring operation from Linux 6.9 on, a blocking call
    /// before: a cut frees blocks and may take milliseconds.
    ///
    /// # Errors
    /// As ftruncate(2).
    pub async fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.state(|file| Operation::SetLen { file, size_bytes })
            .await
    }

    /// Reserves blocks and extends the file over them (fallocate). Blocks reserved so are slower to
    /// write first than blocks written before, and what is written first becomes durable by a sync
    /// of this file only: it changes metadata.
    ///
    /// # Errors
    /// As fallocate(2): ENOSPC, EOPNOTSUPP.
    pub async fn allocate(&self, position: u64, size_bytes: u64) -> io::Result<()> {
        self.state(|file| Operation::Allocate {
            file,
            position,
            size_bytes,
        })
        .await
    }

    /// An operation without a buffer, again while it is interrupted.
    async fn state(&self, operation: impl Fn(Rc<Handle>) -> Operation) -> io::Result<()> {
        loop {
            let (_, result) = perform(operation(Rc::clone(&self.handle))).await;
            match io_result(result) {
                Err(error) if is_transient(&error) => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// The file's length now.
    ///
    /// # Errors
    /// As statx(2).
    pub async fn len(&self) -> io::Result<u64> {
        let operation = Operation::Status {
            path: CString::default(),
            file: Some(Rc::clone(&self.handle)),
            status: Box::new(Status::empty()),
        };
        let (operation, result) = perform(operation).await;
        io_result(result)?;
        Ok(taken_status(operation).raw.stx_size)
    }

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As [`File::len`].
    pub async fn is_empty(&self) -> io::Result<bool> {
        self.len().await.map(|size| size == 0)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.path.display())
    }
}

/// Nothing was done; the same call again may do it.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR))
}

/// A path as the kernel has it.
pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn taken_buffer(operation: Operation) -> Buffer {
    match operation {
        Operation::Read { buffer, .. } => buffer,
        _ => unreachable!("an operation comes back as it was started"),
    }
}

fn taken_vectors(operation: Operation) -> Vectors {
    match operation {
        Operation::Write { vectors, .. } | Operation::Send { vectors, .. } => vectors,
        _ => unreachable!("an operation comes back as it was started"),
    }
}

pub(crate) fn taken_status(operation: Operation) -> Status {
    match operation {
        Operation::Status { status, .. } => *status,
        _ => unreachable!("an operation comes back as it was started"),
    }
}

/// A buffer of registered memory when a piece is free (up to 256 KiB), otherwise an ordinary one:
/// for large direct writes that are filled, written and dropped at once. It may hold bytes of an
/// earlier use.
#[must_use]
pub fn staging_buf(size_bytes: usize) -> BlockBuf {
    let piece = (size_bytes <= crate::limits::STAGING_PIECE_SIZE_BYTES)
        .then(|| context::current().driver().take_staging())
        .flatten();
    match piece {
        Some(piece) => BlockBuf::from_storage(crate::buffer::Storage::Staging(piece)),
        None => BlockBuf::new(size_bytes),
    }
}
