//! Appending entries: one padded write each, plain or durable, and the change to the next file.
//!
//! One task owns the writer (the shard's commit loop), one write is in flight. What an entry says
//! is the caller's business; which entries are still needed as well ([`Journal::release`]).

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;

use engine_base::Uuid;
use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_codec::crc32c;
use engine_runtime::{AppendBuf, File, WriteMode};

use crate::entry::{ENTRY_HEADER_SIZE_BYTES, EntryHeader, FileHeader};
use crate::files::{JournalOptions, PreparedFile, prepare_file};
use crate::limits::{ENTRY_SIZE_BYTES_MAX, FILES_HARD_MAX};

const BLOCK: u64 = BLOCK_SIZE_BYTES as u64;

/// A write to the journal failed. What it held is in doubt; nothing more may be written.
#[derive(Debug)]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// What the kernel said.
    pub error: io::Error,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[derive(Debug)]
struct LiveFile {
    file: File,
    file_id: Uuid,
    first_sequence: u64,
    size_bytes: u64,
}

#[derive(Debug)]
struct FreeFile {
    prepared: PreparedFile,
    /// May be used once a tail at or above this is durable: until then a crash could need it.
    free_from_tail: u64,
}

/// One shard's journal in one log directory.
#[derive(Debug)]
pub struct Journal {
    options: JournalOptions,
    /// In order of their first sequences; the last one is written to.
    files: VecDeque<LiveFile>,
    free: VecDeque<FreeFile>,
    /// Where the next entry goes.
    position: u64,
    next_sequence: u64,
    tail: u64,
    /// The highest tail that a durable entry or header states.
    tail_durable: u64,
    /// The highest sequence up to which everything is on stable media.
    durable: u64,
    /// The present file has plain entries that no sync has covered. A durable write forces its
    /// own blocks only on some devices, so the next one syncs the file instead.
    has_plain_entries: bool,
    staging: AppendBuf,
}

impl Journal {
    /// Makes a journal with one small file. There must be no live journal of this shard.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub async fn create(options: JournalOptions) -> Result<Self, JournalError> {
        let first = prepare_file(&options, options.first_file_size_bytes).await?;
        let mut journal = Self {
            options,
            files: VecDeque::new(),
            free: VecDeque::new(),
            position: 0,
            next_sequence: 1,
            tail: 1,
            tail_durable: 1,
            durable: 0,
            has_plain_entries: false,
            staging: AppendBuf::new(ENTRY_SIZE_BYTES_MAX, 0),
        };
        journal.begin(first).await?;
        Ok(journal)
    }

    /// How new files are made.
    #[must_use]
    pub fn options(&self) -> &JournalOptions {
        &self.options
    }

    /// Sequence of the next entry.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Highest sequence up to which everything is on stable media.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// First sequence of the file that entries go to now.
    #[must_use]
    pub fn file_first_sequence(&self) -> u64 {
        self.active().first_sequence
    }

    /// Files in use.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.files.len()
    }

    /// Whether an entry with this payload fits the present file.
    #[must_use]
    pub fn fits(&self, payload_size: usize) -> bool {
        let size = EntryHeader::padded_size_bytes(payload_size) as u64;
        // One block stays free for the entry that states the tail before a file is used again.
        self.position + size + BLOCK <= self.active().size_bytes
    }

    /// The largest payload whose entry fits the present file.
    #[must_use]
    pub fn payload_size_left(&self) -> usize {
        let left = self
            .active()
            .size_bytes
            .saturating_sub(self.position + BLOCK);
        let entry = left.min(ENTRY_SIZE_BYTES_MAX as u64) as usize;
        entry.saturating_sub(ENTRY_HEADER_SIZE_BYTES)
    }

    /// Payload bytes that an entry may hold in any file.
    #[must_use]
    pub fn payload_size_max(&self) -> usize {
        let smallest = self
            .options
            .first_file_size_bytes
            .min(self.options.file_size_bytes);
        // A file must hold its header, a checkpoint entry and a commit.
        let half = (smallest - 2 * BLOCK) / 2;
        (half.min(ENTRY_SIZE_BYTES_MAX as u64) as usize) - ENTRY_HEADER_SIZE_BYTES
    }

    /// Writes one entry whose payload `fill` puts into exactly `payload_size` bytes (which hold
    /// anything before). Returns its sequence once it is written and, with
    /// [`WriteMode::Durable`], on stable media.
    ///
    /// # Errors
    /// The write failed: the journal must not be used any more.
    ///
    /// # Panics
    /// When the entry does not fit ([`Journal::fits`]).
    pub async fn append(
        &mut self,
        payload_size: usize,
        fill: impl FnOnce(&mut [u8]),
        mode: WriteMode,
    ) -> Result<u64, JournalError> {
        let size = EntryHeader::padded_size_bytes(payload_size);
        let active = self
            .files
            .back()
            .expect("a journal has a file from its creation on");
        assert!(size <= ENTRY_SIZE_BYTES_MAX);
        assert!(self.position + size as u64 <= active.size_bytes);
        let sequence = self.next_sequence;
        let (file_id, tail, durable) = (active.file_id, self.tail, self.durable);
        let shard = self.options.shard;
        if !self.staging.try_reset(0) {
            // A cancelled write still refers to the old memory.
            self.staging = AppendBuf::new(ENTRY_SIZE_BYTES_MAX, 0);
        }
        let entry = self.staging.append_with(size, |bytes| {
            let end = ENTRY_HEADER_SIZE_BYTES + payload_size;
            fill(&mut bytes[ENTRY_HEADER_SIZE_BYTES..end]);
            bytes[end..].fill(0);
            let header = EntryHeader {
                payload_size: u32::try_from(payload_size).expect("below the entry's bound"),
                file_id,
                sequence,
                tail,
                durable,
                payload_crc: crc32c(&bytes[ENTRY_HEADER_SIZE_BYTES..end]),
                shard,
            };
            header.encode(bytes);
        });
        let syncs = mode == WriteMode::Durable && self.has_plain_entries;
        let write_mode = if syncs { WriteMode::Plain } else { mode };
        let written = active
            .file
            .write_at(self.position, [entry], write_mode)
            .await;
        written.map_err(|error| failed(&active.file, error))?;
        if syncs {
            active
                .file
                .sync_data()
                .await
                .map_err(|error| failed(&active.file, error))?;
        }
        self.has_plain_entries = mode == WriteMode::Plain;
        self.position += size as u64;
        self.next_sequence += 1;
        if mode == WriteMode::Durable {
            self.durable = sequence;
            self.tail_durable = tail;
        }
        Ok(sequence)
    }

    /// Whether [`Journal::switch`] can go on without another file.
    #[must_use]
    pub fn has_free_file(&self) -> bool {
        !self.free.is_empty()
    }

    /// Files in use and free.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.files.len() + self.free.len()
    }

    /// Adds a file that was prepared ([`prepare_file`]) in the background.
    ///
    /// # Panics
    /// When there are [`FILES_HARD_MAX`] files.
    pub fn add_file(&mut self, prepared: PreparedFile) {
        assert!(self.file_count() < FILES_HARD_MAX);
        self.free.push_back(FreeFile {
            prepared,
            free_from_tail: 0,
        });
    }

    /// Goes on in a free file. The caller's next entries must be its checkpoint.
    ///
    /// # Errors
    /// A write failed: the journal must not be used any more.
    ///
    /// # Panics
    /// When no file is free.
    pub async fn switch(&mut self) -> Result<(), JournalError> {
        let free = self.free.pop_front().expect("the caller saw a free file");
        if free.free_from_tail > self.tail_durable || self.has_plain_entries {
            self.append(0, |_| {}, WriteMode::Durable).await?;
        }
        assert!(free.free_from_tail <= self.tail_durable);
        self.begin(free.prepared).await
    }

    /// Everything below `tail`, the first sequence of a live file, is not needed any more.
    ///
    /// # Panics
    /// When `tail` is not the first sequence of a live file.
    pub fn release(&mut self, tail: u64) {
        assert!(tail >= self.tail);
        while self
            .files
            .front()
            .is_some_and(|file| file.first_sequence < tail)
        {
            let file = self.files.pop_front().expect("it was just seen");
            let prepared = PreparedFile {
                file: file.file,
                size_bytes: file.size_bytes,
            };
            self.free.push_back(FreeFile {
                prepared,
                free_from_tail: tail,
            });
        }
        assert_eq!(
            self.files.front().map(|file| file.first_sequence),
            Some(tail)
        );
        self.tail = tail;
    }

    /// Gives up the journal and names its files, for the caller to void.
    #[must_use]
    pub fn into_paths(self) -> Vec<PathBuf> {
        let live = self.files.into_iter().map(|live| live.file);
        let free = self.free.into_iter().map(|free| free.prepared.file);
        live.chain(free)
            .map(|file| file.path().to_path_buf())
            .collect()
    }

    async fn begin(&mut self, prepared: PreparedFile) -> Result<(), JournalError> {
        let PreparedFile { file, size_bytes } = prepared;
        let header = FileHeader {
            shard: self.options.shard,
            file_id: Uuid::from_random(engine_runtime::random_bytes()),
            size_bytes,
            first_sequence: self.next_sequence,
            tail: self.tail,
            durable: self.durable,
        };
        let mut block = AppendBuf::new(BLOCK_SIZE_BYTES, 0);
        let block = block.append_with(BLOCK_SIZE_BYTES, |bytes| {
            header.encode(bytes.first_chunk_mut().expect("a block is a block"));
        });
        let written = file.write_at(0, [block], WriteMode::Durable).await;
        written.map_err(|error| failed(&file, error))?;
        let (file_id, first_sequence) = (header.file_id, header.first_sequence);
        self.files.push_back(LiveFile {
            file,
            file_id,
            first_sequence,
            size_bytes,
        });
        self.position = BLOCK;
        self.tail_durable = self.tail;
        Ok(())
    }

    fn active(&self) -> &LiveFile {
        self.files
            .back()
            .expect("a journal has a file from its creation on")
    }
}

fn failed(file: &File, error: io::Error) -> JournalError {
    JournalError {
        path: file.path().to_path_buf(),
        error,
    }
}
