//! What a journal entry says about logs: the records inside its payload.
//!
//! ```text
//! unit       a contiguous piece of one segment: where it lies, which offsets it holds, its
//!            checksum, and *inline bytes*: a range that ends where the unit ends
//!              small unit   inline from the unit's start
//!              large unit   inline from the start of its last partial block: the tail image
//! image      of acknowledged bytes in a block that is about to be rewritten, when no other entry
//!            holds them any more
//! state      of one log: generation, bounds, segments not yet synced. In every checkpoint, and
//!            before the first unit of a log: it introduces the log to the journal, so its file
//!            may be longer than its data from then on
//! truncated  a log was cut: the new generation and end, with the image of the block cut through
//! trimmed    a log's start offset moved
//! ```
//! All big endian, through the codec. Pure code.

use engine_base::TopicPartition;
use engine_codec::{DecodeError, Reader, Writer};

use crate::limits::{SEGMENT_SIZE_BYTES_MAX, UNSYNCED_SEGMENTS_MAX};

const KIND_UNIT: u8 = 1;
const KIND_STATE: u8 = 2;
const KIND_TRUNCATED: u8 = 3;
const KIND_TRIMMED: u8 = 4;
const KIND_IMAGE: u8 = 5;

/// One statement about one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitRecord<'a> {
    /// Which log.
    pub(crate) log: TopicPartition,
    /// What it says.
    pub(crate) body: Body<'a>,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Unit(Unit<'a>),
    State(State),
    Truncated(Truncated<'a>),
    Trimmed {
        start_offset: i64,
    },
    Image {
        segment_base: i64,
        inline: Inline<'a>,
    },
}

/// Bytes of a segment that the journal holds: they end where their unit or cut ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inline<'a> {
    /// Where in the segment the bytes begin.
    pub(crate) position: u64,
    /// The bytes.
    pub(crate) bytes: &'a [u8],
}

/// A contiguous piece `[position, position + size)` of the segment with this base offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit<'a> {
    pub(crate) generation: u32,
    pub(crate) segment_base: i64,
    pub(crate) first_offset: i64,
    pub(crate) next_offset: i64,
    pub(crate) position: u64,
    pub(crate) size: u32,
    /// CRC-32C of the unit's bytes as they stand in the segment.
    pub(crate) crc: u32,
    /// The log was in `flush` mode: what a durable entry describes is durable in its segment, so
    /// that a unit which does not verify is damage.
    pub(crate) is_flushed: bool,
    pub(crate) inline: Inline<'a>,
}

impl Unit<'_> {
    /// Where the unit ends in its segment.
    pub(crate) fn end_position(&self) -> u64 {
        self.position + u64::from(self.size)
    }
}

/// A log as a checkpoint knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) generation: u32,
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    /// In the first of `segments`: indexes, epochs and producer snapshot are durable up to here.
    pub(crate) synced_position: u64,
    /// Base offset and end position of each segment that is not wholly synced, the active last.
    pub(crate) segments: Vec<(i64, u64)>,
}

/// A cut: the log ends at `end_offset`, which lies at `inline`'s end in segment `segment_base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Truncated<'a> {
    /// The new generation: units of an older one behind this record are void.
    pub(crate) generation: u32,
    pub(crate) end_offset: i64,
    pub(crate) start_offset: i64,
    pub(crate) segment_base: i64,
    pub(crate) position: u64,
    pub(crate) inline: Inline<'a>,
}

impl CommitRecord<'_> {
    /// Appends everything but the inline bytes: the caller puts `inline_size` of them behind it.
    pub(crate) fn put_head(&self, out: &mut Vec<u8>, inline_size: usize) {
        let mut w = Writer::new(out);
        w.u8(match &self.body {
            Body::Unit(_) => KIND_UNIT,
            Body::State(_) => KIND_STATE,
            Body::Truncated(_) => KIND_TRUNCATED,
            Body::Trimmed { .. } => KIND_TRIMMED,
            Body::Image { .. } => KIND_IMAGE,
        });
        w.uuid(self.log.topic_id);
        w.i32(self.log.partition);
        match &self.body {
            Body::Unit(unit) => {
                w.u32(unit.generation);
                w.i64(unit.segment_base);
                w.i64(unit.first_offset);
                w.i64(unit.next_offset);
                w.u64(unit.position);
                w.u32(unit.size);
                w.u32(unit.crc);
                w.bool(unit.is_flushed);
                put_inline_head(&mut w, unit.inline.position, inline_size);
            }
            Body::State(state) => {
                w.u32(state.generation);
                w.i64(state.start_offset);
                w.i64(state.end_offset);
                w.u64(state.synced_position);
                w.u32(
                    u32::try_from(state.segments.len()).expect("bounded by UNSYNCED_SEGMENTS_MAX"),
                );
                for (base, end) in &state.segments {
                    w.i64(*base);
                    w.u64(*end);
                }
            }
            Body::Truncated(cut) => {
                w.u32(cut.generation);
                w.i64(cut.end_offset);
                w.i64(cut.start_offset);
                w.i64(cut.segment_base);
                w.u64(cut.position);
                put_inline_head(&mut w, cut.inline.position, inline_size);
            }
            Body::Trimmed { start_offset } => w.i64(*start_offset),
            Body::Image {
                segment_base,
                inline,
            } => {
                w.i64(*segment_base);
                put_inline_head(&mut w, inline.position, inline_size);
            }
        }
    }

    /// Bytes that the record takes, inline bytes included.
    #[cfg(test)]
    fn to_bytes(&self) -> Vec<u8> {
        let inline = match &self.body {
            Body::Unit(Unit { inline, .. })
            | Body::Truncated(Truncated { inline, .. })
            | Body::Image { inline, .. } => inline.bytes,
            Body::State(_) | Body::Trimmed { .. } => &[],
        };
        let mut bytes = Vec::new();
        self.put_head(&mut bytes, inline.len());
        bytes.extend_from_slice(inline);
        bytes
    }
}

fn put_inline_head(w: &mut Writer<'_>, position: u64, size: usize) {
    w.u64(position);
    w.u32(u32::try_from(size).expect("an entry is smaller than 4 GiB"));
}

/// Reads the next record of a payload.
///
/// # Errors
/// The payload passed its checksum but is not what this version writes.
pub(crate) fn read_record<'a>(r: &mut Reader<'a>) -> Result<CommitRecord<'a>, DecodeError> {
    let kind = r.u8()?;
    let log = TopicPartition {
        topic_id: r.uuid()?,
        partition: r.i32()?,
    };
    let body = match kind {
        KIND_UNIT => Body::Unit(read_unit(r)?),
        KIND_STATE => Body::State(read_state(r)?),
        KIND_TRUNCATED => Body::Truncated(read_truncated(r)?),
        KIND_TRIMMED => Body::Trimmed {
            start_offset: r.i64()?,
        },
        KIND_IMAGE => Body::Image {
            segment_base: read_base_offset(r)?,
            inline: read_inline(r)?,
        },
        _ => return Err(DecodeError::InvalidLength),
    };
    Ok(CommitRecord { log, body })
}

fn read_unit<'a>(r: &mut Reader<'a>) -> Result<Unit<'a>, DecodeError> {
    let unit = Unit {
        generation: r.u32()?,
        segment_base: read_base_offset(r)?,
        first_offset: r.i64()?,
        next_offset: r.i64()?,
        position: r.u64()?,
        size: r.u32()?,
        crc: r.u32()?,
        is_flushed: r.bool()?,
        inline: read_inline(r)?,
    };
    let end = unit.position.checked_add(u64::from(unit.size));
    check_inline_end(&unit.inline, end)?;
    Ok(unit)
}

fn read_state(r: &mut Reader<'_>) -> Result<State, DecodeError> {
    let (generation, start_offset, end_offset) = (r.u32()?, r.i64()?, r.i64()?);
    let synced_position = r.u64()?;
    let count = r.u32()? as usize;
    if count == 0 || count > UNSYNCED_SEGMENTS_MAX {
        return Err(DecodeError::InvalidLength);
    }
    let segments = (0..count)
        .map(|_| Ok((read_base_offset(r)?, read_position(r)?)))
        .collect::<Result<_, _>>()?;
    Ok(State {
        generation,
        start_offset,
        end_offset,
        synced_position,
        segments,
    })
}

fn read_truncated<'a>(r: &mut Reader<'a>) -> Result<Truncated<'a>, DecodeError> {
    let cut = Truncated {
        generation: r.u32()?,
        end_offset: r.i64()?,
        start_offset: r.i64()?,
        segment_base: read_base_offset(r)?,
        position: r.u64()?,
        inline: read_inline(r)?,
    };
    check_inline_end(&cut.inline, Some(cut.position))?;
    Ok(cut)
}

/// Inline bytes lie inside a segment, and where a unit or a cut ends they end: so those do too.
fn read_inline<'a>(r: &mut Reader<'a>) -> Result<Inline<'a>, DecodeError> {
    let position = read_position(r)?;
    let size = r.u32()?;
    check_position(position + u64::from(size))?;
    Ok(Inline {
        position,
        bytes: r.take(size as usize)?,
    })
}

fn read_position(r: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let position = r.u64()?;
    check_position(position)?;
    Ok(position)
}

fn check_position(position: u64) -> Result<(), DecodeError> {
    if position <= SEGMENT_SIZE_BYTES_MAX {
        Ok(())
    } else {
        Err(DecodeError::InvalidLength)
    }
}

fn read_base_offset(r: &mut Reader<'_>) -> Result<i64, DecodeError> {
    let base_offset = r.i64()?;
    if base_offset >= 0 {
        Ok(base_offset)
    } else {
        Err(DecodeError::InvalidLength)
    }
}

fn check_inline_end(inline: &Inline<'_>, end: Option<u64>) -> Result<(), DecodeError> {
    let inline_end = inline.position.checked_add(inline.bytes.len() as u64);
    if end.is_some() && inline_end == end {
        Ok(())
    } else {
        Err(DecodeError::InvalidLength)
    }
}

#[cfg(test)]
mod tests {
    use engine_base::Uuid;

    use super::*;

    fn records() -> Vec<CommitRecord<'static>> {
        let log = TopicPartition {
            topic_id: Uuid([3; 16]),
            partition: 4,
        };
        let unit = Unit {
            generation: 1,
            segment_base: 100,
            first_offset: 110,
            next_offset: 120,
            position: 5000,
            size: 6,
            crc: 77,
            is_flushed: true,
            inline: Inline {
                position: 5004,
                bytes: b"yz",
            },
        };
        let state = State {
            generation: 2,
            start_offset: 5,
            end_offset: 120,
            synced_position: 9,
            segments: vec![(0, 70), (100, 5006)],
        };
        let truncated = Truncated {
            generation: 3,
            end_offset: 110,
            start_offset: 5,
            segment_base: 100,
            position: 5000,
            inline: Inline {
                position: 4998,
                bytes: b"ab",
            },
        };
        let bodies = [
            Body::Unit(unit),
            Body::State(state),
            Body::Truncated(truncated),
            Body::Trimmed { start_offset: 50 },
            Body::Image {
                segment_base: 100,
                inline: Inline {
                    position: 4096,
                    bytes: b"q",
                },
            },
        ];
        bodies
            .into_iter()
            .map(|body| CommitRecord { log, body })
            .collect()
    }

    #[test]
    fn records_survive_the_round_trip() {
        let bytes: Vec<u8> = records().iter().flat_map(CommitRecord::to_bytes).collect();
        let mut reader = Reader::new(&bytes);
        for record in records() {
            assert_eq!(read_record(&mut reader).unwrap(), record);
        }
        assert!(reader.is_empty());
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        for record in records() {
            let bytes = record.to_bytes();
            for size in 0..bytes.len() {
                assert!(read_record(&mut Reader::new(&bytes[..size])).is_err());
            }
        }
    }

    #[test]
    fn places_outside_of_any_segment_are_refused() {
        let log = records()[0].log;
        let image = |segment_base, position| {
            let inline = Inline {
                position,
                bytes: b"q",
            };
            let body = Body::Image {
                segment_base,
                inline,
            };
            let bytes = CommitRecord { log, body }.to_bytes();
            read_record(&mut Reader::new(&bytes)).is_ok()
        };
        assert!(image(0, SEGMENT_SIZE_BYTES_MAX - 1));
        assert!(!image(0, SEGMENT_SIZE_BYTES_MAX));
        assert!(!image(0, u64::MAX));
        assert!(!image(-1, 0));
        let mut record = records().swap_remove(1);
        if let Body::State(state) = &mut record.body {
            state.segments[1].1 = u64::MAX;
        }
        assert!(read_record(&mut Reader::new(&record.to_bytes())).is_err());
    }

    #[test]
    fn inline_bytes_end_where_their_unit_ends() {
        let mut record = records().swap_remove(0);
        if let Body::Unit(unit) = &mut record.body {
            unit.size += 1;
        }
        assert!(read_record(&mut Reader::new(&record.to_bytes())).is_err());
    }
}
