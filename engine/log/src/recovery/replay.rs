//! What the journal proves about one log: its records applied in order, without a disk.
//!
//! ```text
//! state      where the log stood when the journal met it: everything below is in the segments
//! units      where it ends now; what their inline bytes restore; what must verify
//! truncated  everything said before is void: the segments were synced up to the cut
//! ```
//! Pure code.

use crate::commit_record::{Body, Inline, State, Truncated, Unit};

/// A record contradicts those before it: written by another version, or a defect. Treated as
/// damage, never guessed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// The entry.
    pub(crate) sequence: u64,
}

/// A segment as the journal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProvenSegment {
    pub(crate) base_offset: i64,
    pub(crate) end_position: u64,
}

/// Bytes of a segment that the journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlay<'a> {
    pub(crate) segment_base: i64,
    pub(crate) position: u64,
    pub(crate) bytes: &'a [u8],
}

impl Overlay<'_> {
    pub(crate) fn end_position(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }
}

/// A unit whose bytes must be found in its segment, overlays applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) sequence: u64,
    pub(crate) segment_base: i64,
    pub(crate) first_offset: i64,
    pub(crate) position: u64,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) is_flushed: bool,
}

impl Described {
    pub(crate) fn end_position(&self) -> u64 {
        self.position + u64::from(self.size)
    }
}

/// Segments wholly below the start offset.
#[derive(Debug)]
pub(crate) struct TrimmedSegments {
    pub(crate) segments: Vec<ProvenSegment>,
    pub(crate) units: Vec<Described>,
    /// As in [`LogReplay`], when the first of these is put back.
    synced_position: u64,
}

/// One log.
#[derive(Debug)]
pub(crate) struct LogReplay<'a> {
    pub(crate) generation: u32,
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    /// In the first of `segments`: what is derived is durable up to here.
    pub(crate) synced_position: u64,
    /// Not wholly synced; the active one last.
    pub(crate) segments: Vec<ProvenSegment>,
    pub(crate) overlays: Vec<Overlay<'a>>,
    pub(crate) units: Vec<Described>,
}

impl<'a> LogReplay<'a> {
    /// The first record of a log is its state.
    pub(crate) fn begin(state: &State) -> Self {
        Self {
            generation: state.generation,
            start_offset: state.start_offset,
            end_offset: state.end_offset,
            synced_position: state.synced_position,
            segments: proven(state),
            overlays: Vec::new(),
            units: Vec::new(),
        }
    }

    /// Applies the next record.
    pub(crate) fn apply(&mut self, sequence: u64, body: &Body<'a>) -> Result<(), Contradiction> {
        let contradiction = Err(Contradiction { sequence });
        match body {
            Body::State(state) => {
                if state.generation != self.generation || state.end_offset != self.end_offset {
                    return contradiction;
                }
                self.start_offset = self.start_offset.max(state.start_offset);
                self.synced_position = state.synced_position;
                self.segments = proven(state);
                // Segments that are not listed any more are synced, and may be removed since.
                let first = self
                    .segments
                    .first()
                    .map_or(i64::MAX, |segment| segment.base_offset);
                self.units.retain(|unit| unit.segment_base >= first);
                self.overlays
                    .retain(|overlay| overlay.segment_base >= first);
            }
            // A unit of before a cut, described behind it, is void.
            Body::Unit(unit) if unit.generation < self.generation => {}
            Body::Unit(unit) => return self.apply_unit(sequence, unit),
            Body::Image {
                segment_base,
                inline,
            } => self.overlay(*segment_base, inline),
            Body::Truncated(cut) if cut.generation <= self.generation => return contradiction,
            Body::Truncated(cut) => self.apply_cut(cut),
            Body::Trimmed { start_offset } => {
                self.start_offset = self.start_offset.max(*start_offset);
            }
        }
        Ok(())
    }

    fn apply_unit(&mut self, sequence: u64, unit: &Unit<'a>) -> Result<(), Contradiction> {
        let active = self.segments.last().copied();
        let continues = active.is_some_and(|active| {
            active.base_offset == unit.segment_base && active.end_position == unit.position
        });
        let rolls = unit.position == 0
            && unit.segment_base == self.end_offset
            && active.is_some_and(|active| active.base_offset < unit.segment_base);
        let follows = unit.generation == self.generation
            && unit.first_offset == self.end_offset
            && unit.next_offset >= unit.first_offset;
        if !follows || !(continues || rolls) {
            return Err(Contradiction { sequence });
        }
        let end_position = unit.end_position();
        if continues {
            let last = self.segments.last_mut().expect("the unit continues it");
            last.end_position = end_position;
        } else {
            self.segments.push(ProvenSegment {
                base_offset: unit.segment_base,
                end_position,
            });
        }
        self.end_offset = unit.next_offset;
        self.overlay(unit.segment_base, &unit.inline);
        self.units.push(Described {
            sequence,
            segment_base: unit.segment_base,
            first_offset: unit.first_offset,
            position: unit.position,
            size: unit.size,
            crc: unit.crc,
            is_flushed: unit.is_flushed,
        });
        Ok(())
    }

    fn apply_cut(&mut self, cut: &Truncated<'a>) {
        self.generation = cut.generation;
        self.end_offset = cut.end_offset;
        self.start_offset = cut.start_offset.min(cut.end_offset);
        let was_listed = self
            .segments
            .iter()
            .any(|s| s.base_offset == cut.segment_base);
        if self.segments.first().map(|s| s.base_offset) == Some(cut.segment_base) {
            self.synced_position = self.synced_position.min(cut.position);
        } else if !was_listed {
            // Synced before, but its indexes reach past the cut now.
            self.segments.clear();
            self.synced_position = 0;
        }
        self.segments
            .retain(|segment| segment.base_offset < cut.segment_base);
        self.segments.push(ProvenSegment {
            base_offset: cut.segment_base,
            end_position: cut.position,
        });
        // The segments were synced before the cut was described.
        self.overlays.clear();
        self.units.clear();
        self.overlay(cut.segment_base, &cut.inline);
    }

    fn overlay(&mut self, segment_base: i64, inline: &Inline<'a>) {
        if !inline.bytes.is_empty() {
            let Inline { position, bytes } = *inline;
            self.overlays.push(Overlay {
                segment_base,
                position,
                bytes,
            });
        }
    }

    /// The unit does not verify and was never kept: the log ends where it begins.
    pub(crate) fn cut_before(&mut self, unit: &Described) {
        self.end_offset = unit.first_offset;
        self.start_offset = self.start_offset.min(unit.first_offset);
        self.segments
            .retain(|segment| segment.base_offset <= unit.segment_base);
        if let Some(last) = self.segments.last_mut() {
            last.end_position = unit.position;
        }
        self.units.retain(|other| other.sequence < unit.sequence);
        // A roll that nothing was kept of never happened.
        if self.segments.len() > 1 && unit.position == 0 {
            self.segments.pop();
        }
    }

    /// Takes out the segments that lie wholly below the start offset, and the units in them: nobody
    /// misses what they held, so neither must be there.
    pub(crate) fn take_trimmed(&mut self) -> TrimmedSegments {
        let start_offset = self.start_offset;
        let bases = self.segments.iter().skip(1).map(|next| next.base_offset);
        let count = bases.take_while(|&next| next <= start_offset).count();
        let synced_position = self.synced_position;
        let segments: Vec<_> = self.segments.drain(..count).collect();
        let first = self
            .segments
            .first()
            .map_or(i64::MAX, |segment| segment.base_offset);
        let (units, kept) = std::mem::take(&mut self.units)
            .into_iter()
            .partition(|unit| unit.segment_base < first);
        self.units = kept;
        if count > 0 {
            self.synced_position = 0;
        }
        TrimmedSegments {
            segments,
            units,
            synced_position,
        }
    }

    /// Puts those of the taken segments back that begin at `from` or behind it.
    pub(crate) fn put_back(&mut self, trimmed: TrimmedSegments, from: i64) {
        let is_first = trimmed
            .segments
            .first()
            .is_some_and(|it| it.base_offset >= from);
        if is_first {
            self.synced_position = trimmed.synced_position;
        }
        let kept = trimmed.segments.into_iter();
        let kept = kept.filter(|segment| segment.base_offset >= from);
        self.segments.splice(0..0, kept);
    }
}

fn proven(state: &State) -> Vec<ProvenSegment> {
    let segments = state.segments.iter();
    segments
        .map(|&(base_offset, end_position)| ProvenSegment {
            base_offset,
            end_position,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::overlays::SegmentOverlays;

    fn begun() -> LogReplay<'static> {
        let state = State {
            generation: 1,
            start_offset: 0,
            end_offset: 10,
            synced_position: 100,
            segments: vec![(0, 500)],
        };
        LogReplay::begin(&state)
    }

    fn unit(base: i64, offsets: (i64, i64), position: u64, bytes: &'static [u8]) -> Body<'static> {
        Body::Unit(Unit {
            generation: 1,
            segment_base: base,
            first_offset: offsets.0,
            next_offset: offsets.1,
            position,
            size: bytes.len() as u32,
            crc: 0,
            is_flushed: true,
            inline: Inline { position, bytes },
        })
    }

    #[test]
    fn units_follow_each_other_and_roll() {
        let mut log = begun();
        log.apply(1, &unit(0, (10, 12), 500, b"abc")).unwrap();
        log.apply(2, &unit(12, (12, 13), 0, b"xy")).unwrap();
        assert_eq!(log.end_offset, 13);
        assert_eq!(log.segments.len(), 2);
        assert_eq!(log.segments[0].end_position, 503);
        let mut bytes = [b'.'; 5];
        let overlays = SegmentOverlays::of(&log, 0);
        assert!(overlays.patch(499, &mut bytes));
        assert_eq!(&bytes, b".abc.");
    }

    #[test]
    fn gaps_and_overlaps_contradict() {
        for bad in [
            unit(0, (11, 12), 500, b"a"),
            unit(0, (10, 12), 501, b"a"),
            unit(0, (10, 12), 499, b"a"),
            unit(5, (10, 12), 0, b"a"),
        ] {
            assert_eq!(begun().apply(7, &bad), Err(Contradiction { sequence: 7 }));
        }
    }

    #[test]
    fn cut_voids_what_was_said_and_older_units_behind_it() {
        let mut log = begun();
        log.apply(1, &unit(0, (10, 12), 500, b"abc")).unwrap();
        let cut = Truncated {
            generation: 2,
            end_offset: 8,
            start_offset: 0,
            segment_base: 0,
            position: 400,
            inline: Inline {
                position: 399,
                bytes: b"z",
            },
        };
        log.apply(2, &Body::Truncated(cut.clone())).unwrap();
        log.apply(3, &unit(0, (12, 13), 503, b"old")).unwrap();
        assert_eq!((log.end_offset, log.segments[0].end_position), (8, 400));
        let covered = SegmentOverlays::of(&log, 0);
        assert_eq!(covered.range_before(400), Some((399, 400)));
        assert_eq!(log.synced_position, 100);
        assert!(log.apply(4, &Body::Truncated(cut)).is_err());
    }

    #[test]
    fn unit_that_was_never_kept_is_cut_with_its_roll() {
        let mut log = begun();
        log.apply(1, &unit(0, (10, 12), 500, b"abc")).unwrap();
        log.apply(2, &unit(12, (12, 13), 0, b"xy")).unwrap();
        let second = log.units[1];
        log.cut_before(&second);
        assert_eq!(
            (log.end_offset, log.segments.len(), log.units.len()),
            (12, 1, 1)
        );
        let first = log.units[0];
        log.cut_before(&first);
        assert_eq!((log.end_offset, log.segments[0].end_position), (10, 500));
    }
}
