//! Which bytes of a segment's last block the journal holds: the guard of that block.
//!
//! > A block that holds acknowledged bytes is rewritten only while the journal durably holds
//! > those bytes.
//!
//! ```text
//! journal file 1: large unit [0, 9000) with image [8192, 9000)      held: 1 [8192, 9000)
//! journal file 1: small unit [9000, 9100)                           held: 1 [8192, 9100)
//! journal file 2: small unit [9100, 9200)                           held: 1 [8192, 9100)  2 [9100, 9200)
//! file 1 is released: the block at 9200 may not be rewritten        held: 2 [9100, 9200)
//! an image [8192, 9200) goes to file 2: it may                      held: 2 [8192, 9200)
//! ```
//! Pure code; one value for each open segment.

use engine_base::align_down;
use engine_base::limits::BLOCK_SIZE_BYTES;

/// Ranges of one segment that live journal files hold.
#[derive(Debug, Default)]
pub(crate) struct Held {
    ranges: Vec<HeldRange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeldRange {
    /// First sequence of the journal file.
    file: u64,
    start: u64,
    end: u64,
}

impl Held {
    /// An entry in the journal file that begins with sequence `file` holds `[start, end)`.
    /// Everything before the block of `destaged_position` is in the segment for good.
    pub(crate) fn hold(&mut self, file: u64, start: u64, end: u64, destaged_position: u64) {
        let block = block_of(destaged_position);
        self.ranges.retain(|range| range.end > block);
        match self.ranges.last_mut() {
            Some(last) if last.file == file && last.end == start => last.end = end,
            _ if start < end => self.ranges.push(HeldRange { file, start, end }),
            _ => {}
        }
    }

    /// Forgets the files whose sequences are all below `tail`.
    pub(crate) fn release_below(&mut self, tail: u64) {
        self.ranges.retain(|range| range.file >= tail);
    }

    /// Forgets everything: the segment was cut or sealed.
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Whether the block at `destaged_position` may be rewritten: it holds no acknowledged bytes,
    /// or journal files that begin at or above `tail` hold all of them.
    pub(crate) fn allows_rewrite(&self, destaged_position: u64, tail: u64) -> bool {
        let mut covered = block_of(destaged_position);
        while covered < destaged_position {
            let covers = |range: &&HeldRange| {
                range.file >= tail && range.start <= covered && covered < range.end
            };
            match self
                .ranges
                .iter()
                .filter(covers)
                .map(|range| range.end)
                .max()
            {
                Some(end) => covered = end,
                None => return false,
            }
        }
        true
    }
}

fn block_of(position: u64) -> u64 {
    align_down(position, BLOCK_SIZE_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_example_of_the_module() {
        let mut held = Held::default();
        held.hold(1, 8192, 9000, 9000);
        assert!(held.allows_rewrite(9000, 0));
        held.hold(1, 9000, 9100, 9000);
        held.hold(2, 9100, 9200, 9000);
        assert!(held.allows_rewrite(9200, 0));
        assert!(!held.allows_rewrite(9200, 2));
        held.release_below(2);
        assert!(!held.allows_rewrite(9200, 0));
        assert!(
            held.allows_rewrite(8192, 0),
            "a block boundary needs no image"
        );
        held.hold(2, 8192, 9200, 9200);
        assert!(held.allows_rewrite(9200, 0));
    }

    #[test]
    fn small_units_hold_their_block_from_its_start_only() {
        let mut held = Held::default();
        held.hold(1, 4096, 5000, 4096);
        held.hold(1, 5000, 5100, 4096);
        assert!(held.allows_rewrite(5100, 0));
        assert!(
            !held.allows_rewrite(5101, 0),
            "what was never held is missed"
        );
        held.hold(1, 12_288, 13_000, 13_000);
        assert!(held.allows_rewrite(13_000, 0));
    }

    #[test]
    fn nothing_held_allows_only_block_boundaries() {
        let held = Held::default();
        assert!(held.allows_rewrite(4096, 0));
        assert!(!held.allows_rewrite(4097, 0));
    }
}
