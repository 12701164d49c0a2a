//! What retention drops: how many of a log's oldest segments.
//!
//! A pure function of sizes, times and configuration; the log's maintenance calls it, raises the
//! log start offset and removes the files. Kafka's rules (`cleanup.policy=delete`): only whole
//! segments, from the oldest on, each wholly below the high watermark, and the active segment
//! only when its time has come (the caller rolls first, so that a log is never without one).
//!
//! Two safeguards are ours, since a clock that is wrong once must not empty a log:
//! - A timestamp that the clock calls future does not keep a segment for ever: its age then
//!   counts from when the file was last written. Kafka keeps it until the clock arrives there.
//! - When the wall clock has leapt ahead since the last pass by more than the pass took, removal
//!   by time waits until the operator's clock has agreed with itself for a while.

use std::fmt;

use engine_base::Timestamp;

/// One segment, oldest first in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentAge {
    /// Its first offset.
    pub base_offset: i64,
    /// Bytes of its batches.
    pub size_bytes: u64,
    /// Largest timestamp of its records; `None` when they have none.
    pub max_timestamp: Option<Timestamp>,
    /// When its file was last written.
    pub modified_ms: Timestamp,
}

/// The state of one log.
#[derive(Clone, Copy, Debug)]
pub struct RetentionInput<'a> {
    /// Its segments, oldest first; the last one is active.
    pub segments: &'a [SegmentAge],
    /// Its first readable offset: DeleteRecords may have moved it into a segment.
    pub log_start_offset: i64,
    /// Where it ends.
    pub log_end_offset: i64,
    /// Nothing at or above is dropped.
    pub high_watermark: i64,
    /// Wall clock.
    pub now_ms: Timestamp,
    /// Whether the wall clock may be believed, see [`ClockWatch`].
    pub is_clock_trusted: bool,
}

/// What a topic asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionRules {
    /// `retention.ms`; negative keeps for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; negative keeps everything.
    pub retention_bytes: i64,
    /// Whether `cleanup.policy` contains `delete`. Without it only records below the log start
    /// are dropped.
    pub is_deleting: bool,
}

/// Why segments are dropped, for the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionReason {
    /// DeleteRecords, or a leader's log start.
    LogStart,
    /// `retention.bytes`.
    Size,
    /// `retention.ms`.
    Time,
}

impl fmt::Display for RetentionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogStart => "its start offset",
            Self::Size => "retention.bytes",
            Self::Time => "retention.ms",
        })
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// How many of the oldest segments go.
    pub segments: usize,
    /// The log start offset after that; `None` when nothing goes.
    pub log_start_offset: Option<i64>,
    /// Whether the active segment is among them: it is sealed first, and an empty one takes its
    /// place.
    pub takes_active: bool,
    /// The rule that reached furthest.
    pub reason: Option<RetentionReason>,
}

/// How many of the oldest segments go, by whichever rule reaches furthest.
#[must_use]
pub fn plan_retention(input: &RetentionInput<'_>, rules: &RetentionRules) -> RetentionPlan {
    let mut candidates = vec![(below_log_start(input), RetentionReason::LogStart)];
    if rules.is_deleting {
        candidates.push((beyond_size(input, rules), RetentionReason::Size));
        candidates.push((beyond_time(input, rules), RetentionReason::Time));
    }
    let removable = input
        .segments
        .iter()
        .enumerate()
        .take_while(|&(index, _)| is_removable(input, index))
        .count();
    let (reached, reason) = candidates
        .into_iter()
        .map(|(count, reason)| (count.min(removable), reason))
        .max_by_key(|&(count, _)| count)
        .expect("the log start is always asked");
    if reached == 0 {
        return RetentionPlan::default();
    }
    RetentionPlan {
        segments: reached,
        log_start_offset: Some(end_of(input, reached - 1).max(input.log_start_offset)),
        takes_active: reached == input.segments.len(),
        reason: Some(reason),
    }
}

/// Where a segment's records end: where the next one begins.
fn end_of(input: &RetentionInput<'_>, index: usize) -> i64 {
    input
        .segments
        .get(index + 1)
        .map_or(input.log_end_offset, |next| next.base_offset)
}

/// Committed as a whole, and not the empty active segment.
fn is_removable(input: &RetentionInput<'_>, index: usize) -> bool {
    let is_empty_active =
        index + 1 == input.segments.len() && input.segments[index].size_bytes == 0;
    end_of(input, index) <= input.high_watermark && !is_empty_active
}

/// Segments with no record at or above the log start. Never the active one.
fn below_log_start(input: &RetentionInput<'_>) -> usize {
    let sealed = input.segments.len().saturating_sub(1);
    (0..sealed)
        .take_while(|&index| end_of(input, index) <= input.log_start_offset)
        .count()
}

/// Segments without which the log still has at least the size asked for.
fn beyond_size(input: &RetentionInput<'_>, rules: &RetentionRules) -> usize {
    let Ok(limit) = u64::try_from(rules.retention_bytes) else {
        return 0;
    };
    let mut size: u64 = input
        .segments
        .iter()
        .map(|segment| segment.size_bytes)
        .sum();
    let fits = |segment: &&SegmentAge| {
        let goes = size.saturating_sub(segment.size_bytes) >= limit && size >= limit;
        if goes {
            size -= segment.size_bytes;
        }
        goes
    };
    input.segments.iter().take_while(fits).count()
}

/// Segments whose latest record is older than asked for.
fn beyond_time(input: &RetentionInput<'_>, rules: &RetentionRules) -> usize {
    if rules.retention_ms < 0 || !input.is_clock_trusted {
        return 0;
    }
    let is_old = |segment: &&SegmentAge| {
        let known = segment
            .max_timestamp
            .filter(|&newest| (0..=input.now_ms).contains(&newest));
        let newest = known.unwrap_or(segment.modified_ms);
        input.now_ms.saturating_sub(newest) > rules.retention_ms
    };
    input.segments.iter().take_while(is_old).count()
}

/// Watches the wall clock beside the monotonic one: between two passes both must advance alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockWatch {
    last: Option<(Timestamp, u64)>,
    distrusted_until: Option<u64>,
}

/// A step of the wall clock up to this is a correction, not a leap.
const LEAP_MS: i64 = 60 * 60 * 1000;
/// After a leap, removal by time waits this long: time to notice and to set the clock right.
const DISTRUST_NS: u64 = 60 * 60 * 1_000_000_000;

impl ClockWatch {
    /// Whether removal by time may go on, given both clocks at the start of a pass.
    pub fn observe(&mut self, now_ms: Timestamp, now: engine_base::Instant) -> bool {
        if let Some((then_ms, then)) = self.last {
            let elapsed_ms = i64::try_from(now.0.saturating_sub(then) / 1_000_000);
            let expected_ms = then_ms.saturating_add(elapsed_ms.unwrap_or(i64::MAX));
            if now_ms.saturating_sub(expected_ms) > LEAP_MS {
                self.distrusted_until = Some(now.0.saturating_add(DISTRUST_NS));
            }
            // A leap back to where the clock should be ends the doubt.
            if expected_ms.saturating_sub(now_ms) > LEAP_MS {
                self.distrusted_until = None;
            }
        }
        self.last = Some((now_ms, now.0));
        self.distrusted_until.is_none_or(|until| now.0 >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_base::Instant;
    use proptest::prelude::*;

    const DAY_MS: i64 = 24 * 3600 * 1000;
    const NOW_MS: i64 = 1_700_000_000_000;

    fn segment(base_offset: i64, size_bytes: u64, age_ms: i64) -> SegmentAge {
        SegmentAge {
            base_offset,
            size_bytes,
            max_timestamp: Some(NOW_MS - age_ms),
            modified_ms: NOW_MS - age_ms,
        }
    }

    fn input(segments: &[SegmentAge]) -> RetentionInput<'_> {
        RetentionInput {
            segments,
            log_start_offset: 0,
            log_end_offset: 1000,
            high_watermark: 1000,
            now_ms: NOW_MS,
            is_clock_trusted: true,
        }
    }

    const KEEP: RetentionRules = RetentionRules {
        retention_ms: -1,
        retention_bytes: -1,
        is_deleting: true,
    };

    fn by_time(days: i64) -> RetentionRules {
        RetentionRules {
            retention_ms: days * DAY_MS,
            ..KEEP
        }
    }

    fn three() -> [SegmentAge; 3] {
        [
            segment(0, 100, 9 * DAY_MS),
            segment(10, 100, 8 * DAY_MS),
            segment(20, 100, DAY_MS),
        ]
    }

    #[test]
    fn old_segments_go_and_the_first_young_one_stops_it() {
        let segments = three();
        let plan = plan_retention(&input(&segments), &by_time(7));
        assert_eq!((plan.segments, plan.log_start_offset), (2, Some(20)));
        assert_eq!(plan.reason, Some(RetentionReason::Time));
        let mut young_first = three();
        young_first[0] = segment(0, 100, DAY_MS);
        assert_eq!(
            plan_retention(&input(&young_first), &by_time(7)),
            RetentionPlan::default()
        );
        assert_eq!(
            plan_retention(&input(&segments), &KEEP),
            RetentionPlan::default()
        );
    }

    #[test]
    fn the_active_segment_goes_when_its_time_has_come_unless_it_is_empty() {
        let segments = three();
        let plan = plan_retention(&input(&segments), &by_time(0));
        assert!(plan.takes_active);
        assert_eq!((plan.segments, plan.log_start_offset), (3, Some(1000)));
        let empty = [segment(0, 100, 9 * DAY_MS), segment(1000, 0, 9 * DAY_MS)];
        let plan = plan_retention(&input(&empty), &by_time(0));
        assert_eq!((plan.segments, plan.takes_active), (1, false));
    }

    #[test]
    fn nothing_at_or_above_the_high_watermark_goes() {
        let segments = three();
        for (high_watermark, expected) in [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (999, 2)] {
            let input = RetentionInput {
                high_watermark,
                ..input(&segments)
            };
            assert_eq!(plan_retention(&input, &by_time(0)).segments, expected);
        }
    }

    #[test]
    fn size_keeps_at_least_what_is_asked_for() {
        let segments = three();
        for (retention_bytes, expected) in
            [(301, 0), (300, 0), (201, 0), (200, 1), (100, 2), (0, 3)]
        {
            let rules = RetentionRules {
                retention_bytes,
                ..KEEP
            };
            assert_eq!(plan_retention(&input(&segments), &rules).segments, expected);
        }
    }

    #[test]
    fn log_start_applies_to_compacted_logs_too() {
        let segments = three();
        let rules = RetentionRules {
            is_deleting: false,
            ..by_time(0)
        };
        let input = RetentionInput {
            log_start_offset: 15,
            ..input(&segments)
        };
        let plan = plan_retention(&input, &rules);
        assert_eq!((plan.segments, plan.log_start_offset), (1, Some(15)));
        assert_eq!(plan.reason, Some(RetentionReason::LogStart));
    }

    #[test]
    fn a_future_timestamp_counts_from_when_the_file_was_written() {
        let mut segments = three();
        segments[0].max_timestamp = Some(NOW_MS + 365 * DAY_MS);
        assert_eq!(plan_retention(&input(&segments), &by_time(7)).segments, 2);
        segments[0].modified_ms = NOW_MS;
        assert_eq!(plan_retention(&input(&segments), &by_time(7)).segments, 0);
        segments[0].max_timestamp = None;
        assert_eq!(plan_retention(&input(&segments), &by_time(7)).segments, 0);
    }

    #[test]
    fn a_leaping_clock_removes_nothing_until_it_has_settled() {
        let (mut watch, hour) = (ClockWatch::default(), 3_600_000_000_000);
        assert!(watch.observe(NOW_MS, Instant(0)));
        assert!(watch.observe(NOW_MS + 300_000, Instant(300_000_000_000)));
        assert!(!watch.observe(NOW_MS + 30 * DAY_MS, Instant(600_000_000_000)));
        let half = Instant(600_000_000_000 + hour / 2);
        assert!(!watch.observe(NOW_MS + 30 * DAY_MS + 1_800_000, half));
        // Set right again: the doubt is over.
        let mut repaired = watch;
        assert!(repaired.observe(NOW_MS + 2_500_000, Instant(half.0 + 1_000_000_000)));
        let later = Instant(600_000_000_000 + hour);
        assert!(watch.observe(NOW_MS + 30 * DAY_MS + 3_600_000, later));
        let segments = three();
        let input = RetentionInput {
            is_clock_trusted: false,
            ..input(&segments)
        };
        assert_eq!(
            plan_retention(&input, &by_time(0)),
            RetentionPlan::default()
        );
    }

    proptest! {
        /// The model removes one segment after the other and asks each rule anew.
        #[test]
        fn agrees_with_removing_one_by_one(
            shapes in proptest::collection::vec((0..200u64, 0..12i64, 1..20i64), 1..8),
            days in -1..10i64, retention_bytes in -1..900i64, high in 0..120i64, start in 0..60i64,
        ) {
            let mut segments = Vec::new();
            let mut offset = 0;
            for (size, age, count) in shapes {
                segments.push(segment(offset, size, age * DAY_MS));
                offset += count;
            }
            let log_end_offset = offset;
            let rules = RetentionRules {
                retention_ms: days * DAY_MS, retention_bytes, is_deleting: true,
            };
            let input = RetentionInput {
                segments: &segments,
                log_start_offset: start.min(log_end_offset),
                log_end_offset,
                high_watermark: high.min(log_end_offset),
                now_ms: NOW_MS,
                is_clock_trusted: true,
            };
            let mut longest = 0;
            for rule in 0..3 {
                let mut left: u64 = segments.iter().map(|segment| segment.size_bytes).sum();
                let mut count = 0;
                for (index, segment) in segments.iter().enumerate() {
                    let is_last = index + 1 == segments.len();
                    let end = if is_last { log_end_offset } else { segments[index + 1].base_offset };
                    let breaches = match rule {
                        0 => !is_last && end <= input.log_start_offset,
                        1 => retention_bytes >= 0
                            && i64::try_from(left).unwrap() - i64::try_from(segment.size_bytes).unwrap()
                                >= retention_bytes,
                        _ => days >= 0 && NOW_MS - segment.max_timestamp.unwrap() > days * DAY_MS,
                    };
                    if !breaches || end > input.high_watermark || is_last && segment.size_bytes == 0 {
                        break;
                    }
                    left -= segment.size_bytes;
                    count += 1;
                }
                longest = longest.max(count);
            }
            prop_assert_eq!(plan_retention(&input, &rules).segments, longest);
        }
    }
}
