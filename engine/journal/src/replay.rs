//! What a journal proves after a stop of any kind: the longest run of entries without a gap from
//! the tail on, and whether what is missing behind it was ever vouched for.
//!
//! ```text
//! files in order of their first sequence; tail 5, highest durable mark 9
//!   file a   1  2  3  4          below the tail: nobody needs it
//!   file b   5  6  7             \ the run: 5 to 10
//!   file c   8  9 10  ?          /
//! what follows 10 is torn or was never written: nothing vouches for 11, so 10 is the end.
//! With a mark of 11 anywhere, the same bytes are damage.
//! ```
//! Pure code over the bytes of the files. Recovery calls it, on whatever core starts first.

use std::fmt;
use std::ops::Range;

use engine_base::limits::BLOCK_SIZE_BYTES;

use crate::entry::{ENTRY_HEADER_SIZE_BYTES, EntryHeader, FileHeader};

/// An entry and where its payload lies in the file's bytes.
#[derive(Clone, Debug)]
pub struct ScannedEntry {
    /// The entry's header.
    pub header: EntryHeader,
    payload: Range<usize>,
}

/// One file of a journal, read.
#[derive(Debug)]
pub struct FileScan {
    bytes: Vec<u8>,
    /// `None` when the header block is not readable.
    pub header: Option<FileHeader>,
    /// Entries in sequence from the header block on.
    pub entries: Vec<ScannedEntry>,
    /// Entries that parse behind the first block that does not: evidence, never applied.
    beyond: Vec<EntryHeader>,
}

impl FileScan {
    /// Reads a whole file's bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let header = FileHeader::decode(&bytes);
        let mut entries = Vec::new();
        let mut at = BLOCK_SIZE_BYTES;
        if let Some(file) = header {
            let mut sequence = file.first_sequence;
            while let Some((entry, size)) = entry_at(&bytes, at) {
                if entry.header.file_id != file.file_id || entry.header.sequence != sequence {
                    break;
                }
                entries.push(entry);
                at += size;
                sequence += 1;
            }
        }
        let is_of_this_use = |entry: &EntryHeader| match header {
            Some(file) => entry.file_id == file.file_id,
            None => true, // without a header the sequence alone must tell
        };
        let mut beyond = Vec::new();
        while at < bytes.len() {
            match entry_at(&bytes, at) {
                Some((entry, size)) if is_of_this_use(&entry.header) => {
                    beyond.push(entry.header);
                    at += size;
                }
                _ => at += BLOCK_SIZE_BYTES,
            }
        }
        Self {
            bytes,
            header,
            entries,
            beyond,
        }
    }

    /// The shard that wrote the file: its header says so, or without one the entries do. `None`
    /// when nothing does: the file holds nothing.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        let of_header = self.header.map(|header| header.shard);
        of_header.or_else(|| self.beyond.first().map(|entry| entry.shard))
    }

    /// An entry's payload.
    #[must_use]
    pub fn payload(&self, entry: &ScannedEntry) -> &[u8] {
        &self.bytes[entry.payload.clone()]
    }

    /// Every tail and durable mark that this file states.
    fn marks(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let header = self
            .header
            .iter()
            .map(|header| (header.tail, header.durable));
        let entries = self
            .entries
            .iter()
            .map(|entry| &entry.header)
            .chain(&self.beyond);
        header.chain(entries.map(|entry| (entry.tail, entry.durable)))
    }
}

fn entry_at(bytes: &[u8], at: usize) -> Option<(ScannedEntry, usize)> {
    let (header, payload) = EntryHeader::decode_whole(bytes.get(at..)?)?;
    let start = at + ENTRY_HEADER_SIZE_BYTES;
    let payload = start..start + payload.len();
    let size = EntryHeader::padded_size_bytes(payload.len());
    Some((ScannedEntry { header, payload }, size))
}

/// What a journal proves.
#[derive(Debug)]
pub struct Run {
    files: Vec<FileScan>,
    /// Sequence of the first entry of the run.
    pub first_sequence: u64,
    /// One above the sequence of the last entry.
    pub next_sequence: u64,
    /// Highest sequence that something readable vouches for: what such an entry describes and
    /// cannot be verified is damage.
    pub durable: u64,
}

impl Run {
    /// The entries in order: sequence and payload.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        let of_file = |file: &'_ FileScan| file.entries.len();
        debug_assert_eq!(
            self.files.iter().map(of_file).sum::<usize>() as u64,
            self.next_sequence - self.first_sequence
        );
        self.files.iter().flat_map(|file| {
            file.entries
                .iter()
                .map(|entry| (entry.header.sequence, file.payload(entry)))
        })
    }

    /// Whether there is nothing to replay.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first_sequence == self.next_sequence
    }
}

/// Entries that were vouched for cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalDamage {
    /// The first sequence that is missing.
    pub first_missing: u64,
    /// The highest sequence that something readable vouches for.
    pub durable: u64,
}

impl fmt::Display for JournalDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_missing,
            durable,
        } = self;
        write!(
            f,
            "journal entry {first_missing} is unreadable although entries up to {durable} \
             were durable"
        )
    }
}

impl std::error::Error for JournalDamage {}

/// Finds the run in the files of one shard's journal.
///
/// # Errors
/// Something that was durable cannot be read.
pub fn find_run(mut files: Vec<FileScan>) -> Result<Run, JournalDamage> {
    let (tail, durable) = files
        .iter()
        .flat_map(FileScan::marks)
        .fold((0, 0), |(tail, durable), mark| {
            (tail.max(mark.0), durable.max(mark.1))
        });
    let (headless, mut live): (Vec<_>, Vec<_>) =
        files.drain(..).partition(|file| file.header.is_none());
    let first_of = |file: &FileScan| file.header.map_or(0, |header| header.first_sequence);
    live.retain(|file| first_of(file) >= tail);
    live.sort_by_key(first_of);

    let mut expected = tail;
    let mut run = Vec::new();
    for file in live {
        // A gap before this file: nothing behind it may be applied.
        if first_of(&file) != expected {
            break;
        }
        expected += file.entries.len() as u64;
        run.push(file);
    }
    // A header is durable before the first entry behind it is written: entries that are still
    // needed in a file without a readable header are damage, however few.
    let is_needed = |entry: &EntryHeader| entry.sequence >= expected;
    let is_headless = headless
        .iter()
        .any(|file| file.beyond.iter().any(is_needed));
    if durable >= expected.max(1) || is_headless {
        return Err(JournalDamage {
            first_missing: expected,
            durable,
        });
    }
    Ok(Run {
        files: run,
        first_sequence: tail,
        next_sequence: expected,
        durable,
    })
}

#[cfg(test)]
mod tests {
    use engine_base::Uuid;
    use engine_codec::crc32c;

    use super::*;

    struct Written {
        bytes: Vec<u8>,
        file_id: Uuid,
        at: usize,
    }

    fn file(id: u8, first_sequence: u64, tail: u64, durable: u64) -> Written {
        let file_id = Uuid([id; 16]);
        let mut bytes = vec![0; 16 * BLOCK_SIZE_BYTES];
        let header = FileHeader {
            shard: 0,
            file_id,
            size_bytes: bytes.len() as u64,
            first_sequence,
            tail,
            durable,
        };
        header.encode(bytes.first_chunk_mut().unwrap());
        Written {
            bytes,
            file_id,
            at: BLOCK_SIZE_BYTES,
        }
    }

    impl Written {
        fn entry(mut self, sequence: u64, tail: u64, durable: u64) -> Self {
            let payload = sequence.to_le_bytes();
            let header = EntryHeader {
                payload_size: 8,
                file_id: self.file_id,
                sequence,
                tail,
                durable,
                payload_crc: crc32c(&payload),
                shard: 0,
            };
            header.encode(&mut self.bytes[self.at..]);
            self.bytes[self.at + 64..self.at + 72].copy_from_slice(&payload);
            self.at += BLOCK_SIZE_BYTES;
            self
        }

        fn spoil_block(mut self, block: usize) -> Self {
            self.bytes[block * BLOCK_SIZE_BYTES + 30] ^= 1;
            self
        }

        fn scan(self) -> FileScan {
            FileScan::new(self.bytes)
        }
    }

    fn sequences(run: &Run) -> Vec<u64> {
        run.entries().map(|(sequence, _)| sequence).collect()
    }

    #[test]
    fn run_goes_across_files_in_any_listing_order() {
        let first = file(1, 1, 1, 0).entry(1, 1, 0).entry(2, 1, 1).scan();
        let second = file(2, 3, 1, 2).entry(3, 1, 2).scan();
        let run = find_run(vec![second, first]).unwrap();
        assert_eq!(sequences(&run), [1, 2, 3]);
        assert_eq!((run.next_sequence, run.durable), (4, 2));
        let payloads: Vec<_> = run.entries().map(|(_, payload)| payload[0]).collect();
        assert_eq!(payloads, [1, 2, 3]);
    }

    #[test]
    fn files_below_the_tail_are_ignored() {
        let first = file(1, 1, 1, 0).entry(1, 1, 0).entry(2, 1, 1).scan();
        let second = file(2, 3, 1, 2).entry(3, 1, 2).entry(4, 3, 3).scan();
        let run = find_run(vec![first, second]).unwrap();
        assert_eq!(sequences(&run), [3, 4]);
    }

    #[test]
    fn torn_last_entry_is_the_end_unless_a_later_one_vouches_for_it() {
        let torn = file(1, 1, 1, 0)
            .entry(1, 1, 0)
            .entry(2, 1, 1)
            .spoil_block(2)
            .scan();
        assert_eq!(sequences(&find_run(vec![torn]).unwrap()), [1]);
        let vouched = file(1, 1, 1, 0)
            .entry(1, 1, 0)
            .entry(2, 1, 1)
            .entry(3, 1, 2);
        let damage = find_run(vec![vouched.spoil_block(2).scan()]).unwrap_err();
        assert_eq!(
            damage,
            JournalDamage {
                first_missing: 2,
                durable: 2
            }
        );
    }

    #[test]
    fn later_entry_without_a_durable_mark_does_not_make_a_hole_damage() {
        // `written` mode: entry 3 completed, a power cut took 2.
        let holed = file(1, 1, 1, 0)
            .entry(1, 1, 0)
            .entry(2, 1, 0)
            .entry(3, 1, 0)
            .spoil_block(2);
        assert_eq!(sequences(&find_run(vec![holed.scan()]).unwrap()), [1]);
    }

    #[test]
    fn next_files_header_vouches_for_the_file_before() {
        let first = file(1, 1, 1, 0)
            .entry(1, 1, 0)
            .entry(2, 1, 1)
            .spoil_block(2)
            .scan();
        let second = file(2, 3, 1, 2).scan();
        assert!(find_run(vec![first, second]).is_err());
    }

    #[test]
    fn lost_header_of_a_needed_file_is_damage_and_of_a_free_one_is_not() {
        let lost = || file(1, 1, 1, 0).entry(1, 1, 0).spoil_block(0).scan();
        assert!(find_run(vec![lost()]).is_err());
        let later = file(2, 2, 2, 1).entry(2, 2, 1).scan();
        assert_eq!(sequences(&find_run(vec![lost(), later]).unwrap()), [2]);
    }

    #[test]
    fn missing_file_at_the_tail_is_damage() {
        let second = file(2, 3, 1, 2).entry(3, 1, 2).scan();
        assert!(find_run(vec![second]).is_err());
    }

    #[test]
    fn nothing_or_a_torn_first_header_is_an_empty_journal() {
        assert!(find_run(Vec::new()).unwrap().is_empty());
        assert!(
            find_run(vec![file(1, 1, 1, 0).spoil_block(0).scan()])
                .unwrap()
                .is_empty()
        );
        assert!(
            find_run(vec![FileScan::new(vec![0; 8192])])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn entries_of_an_earlier_use_of_the_file_never_parse() {
        let old = file(1, 1, 1, 0).entry(1, 1, 0).entry(2, 1, 1).bytes;
        let mut reused = file(2, 9, 9, 8).entry(9, 9, 8).bytes;
        reused[2 * BLOCK_SIZE_BYTES..].copy_from_slice(&old[2 * BLOCK_SIZE_BYTES..]);
        let run = find_run(vec![FileScan::new(reused)]).unwrap();
        assert_eq!(sequences(&run), [9]);
    }
}
