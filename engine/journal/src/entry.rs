//! How a journal file looks: a header block, then entries, each padded to whole blocks.
//!
//! ```text
//! file:  | header block | entry | entry | ... | zeroes or entries of an earlier use |
//!
//! header block (little endian)        entry header, the payload follows it
//!    0  magic "OTTLAJF1"                 0  magic "OTJE"
//!    8  format version u32               4  payload size u32
//!   12  shard u32                        8  file id, 16 bytes
//!   16  file id, 16 bytes               24  sequence u64
//!   32  file size u64                   32  tail u64
//!   40  first sequence u64              40  durable u64
//!   48  tail u64                        48  payload crc32c u32
//!   56  durable u64                     52  shard u32, then zeroes
//! 4092  crc32c of the block             60  crc32c of the 60 bytes before
//! ```
//! The *tail* is the lowest sequence still needed; it is always the first sequence of a file.
//! *Durable* is the highest sequence known to be on stable media when the block was written:
//! what it vouches for and what cannot be read is damage, not a torn end. The file id changes
//! with every use of a file, so entries of an earlier use never parse as present ones.
//!
//! Pure code over bytes, on any core.

use engine_base::limits::BLOCK_SIZE_BYTES;
use engine_base::{Uuid, align_up};
use engine_codec::crc32c;

/// Bytes before an entry's payload.
pub const ENTRY_HEADER_SIZE_BYTES: usize = 64;

const FILE_MAGIC: [u8; 8] = *b"OTTLAJF1";
const ENTRY_MAGIC: [u8; 4] = *b"OTJE";
const FORMAT_VERSION: u32 = 1;
const FILE_CRC_AT: usize = BLOCK_SIZE_BYTES - 4;
const ENTRY_CRC_AT: usize = ENTRY_HEADER_SIZE_BYTES - 4;

/// What a file's first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The shard that wrote the file.
    pub shard: u32,
    /// Fresh for each use of the file.
    pub file_id: Uuid,
    /// How long the pre-written file is.
    pub size_bytes: u64,
    /// Sequence of the file's first entry.
    pub first_sequence: u64,
    /// Lowest sequence still needed.
    pub tail: u64,
    /// Highest sequence known durable.
    pub durable: u64,
}

impl FileHeader {
    /// Fills `block`, a whole header block.
    pub fn encode(&self, block: &mut [u8; BLOCK_SIZE_BYTES]) {
        block.fill(0);
        block[0..8].copy_from_slice(&FILE_MAGIC);
        block[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        block[12..16].copy_from_slice(&self.shard.to_le_bytes());
        block[16..32].copy_from_slice(&self.file_id.0);
        block[32..40].copy_from_slice(&self.size_bytes.to_le_bytes());
        block[40..48].copy_from_slice(&self.first_sequence.to_le_bytes());
        block[48..56].copy_from_slice(&self.tail.to_le_bytes());
        block[56..64].copy_from_slice(&self.durable.to_le_bytes());
        let crc = crc32c(&block[..FILE_CRC_AT]);
        block[FILE_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header block; `None` when it is not one of this format, or torn.
    #[must_use]
    pub fn decode(block: &[u8]) -> Option<Self> {
        let block: &[u8; BLOCK_SIZE_BYTES] = block.first_chunk()?;
        let is_ours = block[0..8] == FILE_MAGIC
            && u32_at(block, 8) == FORMAT_VERSION
            && u32_at(block, FILE_CRC_AT) == crc32c(&block[..FILE_CRC_AT]);
        is_ours.then(|| Self {
            shard: u32_at(block, 12),
            file_id: uuid_at(block, 16),
            size_bytes: u64_at(block, 32),
            first_sequence: u64_at(block, 40),
            tail: u64_at(block, 48),
            durable: u64_at(block, 56),
        })
    }
}

/// What stands before an entry's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// Payload bytes that follow.
    pub payload_size: u32,
    /// The use of the file that the entry belongs to.
    pub file_id: Uuid,
    /// One above the entry before it, across files.
    pub sequence: u64,
    /// Lowest sequence still needed.
    pub tail: u64,
    /// Highest sequence known durable when this entry was written.
    pub durable: u64,
    /// CRC-32C of the payload.
    pub payload_crc: u32,
    /// The shard that wrote the entry.
    pub shard: u32,
}

impl EntryHeader {
    /// Bytes that an entry with this payload takes in the file.
    #[must_use]
    pub fn padded_size_bytes(payload_size: usize) -> usize {
        let size = (ENTRY_HEADER_SIZE_BYTES + payload_size) as u64;
        align_up(size, BLOCK_SIZE_BYTES as u64) as usize
    }

    /// Fills the first [`ENTRY_HEADER_SIZE_BYTES`] of `entry`.
    ///
    /// # Panics
    /// When `entry` is shorter than a header.
    pub fn encode(&self, entry: &mut [u8]) {
        let head = &mut entry[..ENTRY_HEADER_SIZE_BYTES];
        head.fill(0);
        head[0..4].copy_from_slice(&ENTRY_MAGIC);
        head[4..8].copy_from_slice(&self.payload_size.to_le_bytes());
        head[8..24].copy_from_slice(&self.file_id.0);
        head[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        head[32..40].copy_from_slice(&self.tail.to_le_bytes());
        head[40..48].copy_from_slice(&self.durable.to_le_bytes());
        head[48..52].copy_from_slice(&self.payload_crc.to_le_bytes());
        head[52..56].copy_from_slice(&self.shard.to_le_bytes());
        let crc = crc32c(&head[..ENTRY_CRC_AT]);
        head[ENTRY_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header at the start of `bytes`; `None` when there is none or it is torn. Says
    /// nothing about the payload.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; ENTRY_HEADER_SIZE_BYTES] = bytes.first_chunk()?;
        let is_ours = head[0..4] == ENTRY_MAGIC
            && u32_at(head, ENTRY_CRC_AT) == crc32c(&head[..ENTRY_CRC_AT]);
        is_ours.then(|| Self {
            payload_size: u32_at(head, 4),
            file_id: uuid_at(head, 8),
            sequence: u64_at(head, 24),
            tail: u64_at(head, 32),
            durable: u64_at(head, 40),
            payload_crc: u32_at(head, 48),
            shard: u32_at(head, 52),
        })
    }

    /// Reads the entry at the start of `bytes` whole: header, and payload with its checksum.
    #[must_use]
    pub fn decode_whole(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let header = Self::decode(bytes)?;
        let end = ENTRY_HEADER_SIZE_BYTES.checked_add(header.payload_size as usize)?;
        let payload = bytes.get(ENTRY_HEADER_SIZE_BYTES..end)?;
        (crc32c(payload) == header.payload_crc).then_some((header, payload))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn uuid_at(bytes: &[u8], at: usize) -> Uuid {
    Uuid(array_at(bytes, at))
}

/// The `N` bytes at a constant position inside a header of constant size.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> EntryHeader {
        let payload = b"payload";
        EntryHeader {
            payload_size: payload.len() as u32,
            file_id: Uuid([7; 16]),
            sequence: 9,
            tail: 3,
            durable: 8,
            payload_crc: crc32c(payload),
            shard: 2,
        }
    }

    #[test]
    fn file_header_survives_the_round_trip_and_no_flipped_byte() {
        let header = FileHeader {
            shard: 3,
            file_id: Uuid([1; 16]),
            size_bytes: 1 << 24,
            first_sequence: 5,
            tail: 2,
            durable: 4,
        };
        let mut block = [0; BLOCK_SIZE_BYTES];
        header.encode(&mut block);
        assert_eq!(FileHeader::decode(&block), Some(header));
        for at in 0..BLOCK_SIZE_BYTES {
            let mut bad = block;
            bad[at] ^= 0x40;
            assert_eq!(FileHeader::decode(&bad), None, "byte {at}");
        }
        assert_eq!(FileHeader::decode(&block[..100]), None);
    }

    #[test]
    fn entry_survives_the_round_trip_and_no_flipped_byte() {
        let mut bytes = vec![0; EntryHeader::padded_size_bytes(7)];
        assert_eq!(bytes.len(), BLOCK_SIZE_BYTES);
        header().encode(&mut bytes);
        bytes[64..71].copy_from_slice(b"payload");
        assert_eq!(
            EntryHeader::decode_whole(&bytes),
            Some((header(), &b"payload"[..]))
        );
        for at in 0..71 {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(EntryHeader::decode_whole(&bad), None, "byte {at}");
        }
    }

    #[test]
    fn size_beyond_the_bytes_is_no_entry() {
        let mut bytes = vec![0; 128];
        EntryHeader {
            payload_size: u32::MAX,
            ..header()
        }
        .encode(&mut bytes);
        assert!(EntryHeader::decode(&bytes).is_some());
        assert_eq!(EntryHeader::decode_whole(&bytes), None);
    }
}
