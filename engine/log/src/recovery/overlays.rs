//! The bytes of one segment that the journal holds, ready to be put over what the file has.
//!
//! Pure code, made once for each segment: a log has an overlay for nearly every unit, and each unit
//! asks for those that lie in it.

use super::replay::{LogReplay, Overlay};

/// The overlays of one segment.
pub(crate) struct SegmentOverlays<'r> {
    /// By position, each with its place in the journal: of two that overlap the later one counts.
    by_position: Vec<(usize, &'r Overlay<'r>)>,
    /// No overlay is longer.
    size_max: u64,
    /// What they cover, merged.
    covered: Vec<(u64, u64)>,
}

impl<'r> SegmentOverlays<'r> {
    pub(crate) fn of(replay: &'r LogReplay<'r>, segment_base: i64) -> Self {
        let all = replay.overlays.iter().enumerate();
        let mut by_position: Vec<_> = all
            .filter(|(_, overlay)| overlay.segment_base == segment_base)
            .collect();
        by_position.sort_by_key(|(_, overlay)| overlay.position);
        let mut covered: Vec<(u64, u64)> = Vec::new();
        let mut size_max = 0;
        for (_, overlay) in &by_position {
            let (from, until) = (overlay.position, overlay.end_position());
            size_max = size_max.max(until - from);
            match covered.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => covered.push((from, until)),
            }
        }
        Self {
            by_position,
            size_max,
            covered,
        }
    }

    /// The ranges that are covered, merged, cut at `end`.
    pub(crate) fn covered_until(&self, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let below = self.covered.iter().take_while(move |it| it.0 < end);
        below.map(move |&(from, until)| (from, until.min(end)))
    }

    /// The covered range that holds the byte before `end`.
    pub(crate) fn range_before(&self, end: u64) -> Option<(u64, u64)> {
        let behind = self.covered.partition_point(|&(from, _)| from < end);
        let range = *self.covered.get(behind.checked_sub(1)?)?;
        (range.1 >= end).then_some(range)
    }

    /// Puts them over `bytes`, which begin at `position` of the segment. `false` when they were so
    /// before.
    pub(crate) fn patch(&self, position: u64, bytes: &mut [u8]) -> bool {
        let end = position + bytes.len() as u64;
        let first = self
            .by_position
            .partition_point(|(_, overlay)| overlay.position + self.size_max <= position);
        let near = self.by_position[first..].iter();
        let near = near.take_while(|(_, overlay)| overlay.position < end);
        let mut touching: Vec<_> = near
            .filter(|(_, overlay)| overlay.end_position() > position)
            .collect();
        touching.sort_unstable_by_key(|(index, _)| *index);
        let mut has_changed = false;
        for (_, overlay) in touching {
            let from = overlay.position.max(position);
            let until = overlay.end_position().min(end);
            let source = (from - overlay.position) as usize..(until - overlay.position) as usize;
            let source = &overlay.bytes[source];
            let target = &mut bytes[(from - position) as usize..(until - position) as usize];
            if *target != *source {
                target.copy_from_slice(source);
                has_changed = true;
            }
        }
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit_record::State;

    fn replay(overlays: &[(i64, u64, &'static [u8])]) -> LogReplay<'static> {
        let state = State {
            generation: 0,
            start_offset: 0,
            end_offset: 0,
            synced_position: 0,
            segments: vec![(0, 0)],
        };
        let mut replay = LogReplay::begin(&state);
        for &(segment_base, position, bytes) in overlays {
            replay.overlays.push(Overlay {
                segment_base,
                position,
                bytes,
            });
        }
        replay
    }

    #[test]
    fn later_of_two_overlays_counts_wherever_they_begin() {
        let replay = replay(&[
            (0, 4, b"cccc"),
            (0, 2, b"aaaaaa"),
            (7, 0, b"zzzzzzzz"),
            (0, 3, b"b"),
        ]);
        let overlays = SegmentOverlays::of(&replay, 0);
        let mut bytes = *b"..........";
        assert!(overlays.patch(0, &mut bytes));
        assert_eq!(&bytes, b"..abaaaa..");
        assert!(!overlays.patch(8, &mut bytes[8..]), "nothing lies there");
        let mut part = *b"..";
        assert!(overlays.patch(7, &mut part));
        assert_eq!(&part, b"a.");
    }

    #[test]
    fn covered_ranges_are_merged_and_cut() {
        let replay = replay(&[(0, 10, b"abc"), (0, 2, b"ab"), (0, 4, b"cd"), (0, 20, b"x")]);
        let overlays = SegmentOverlays::of(&replay, 0);
        let until = |end| overlays.covered_until(end).collect::<Vec<_>>();
        assert_eq!(until(100), [(2, 6), (10, 13), (20, 21)]);
        assert_eq!(until(11), [(2, 6), (10, 11)]);
        assert_eq!(until(10), [(2, 6)]);
        assert_eq!(overlays.range_before(6), Some((2, 6)));
        assert_eq!(overlays.range_before(11), Some((10, 13)));
        assert_eq!(overlays.range_before(10), None);
        assert_eq!(overlays.range_before(2), None);
    }
}
