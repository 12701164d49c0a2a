//! Which lines of the input did not arrive, and where to go on.
//!
//! Owns the text for `ottla produce`, where each line is a record. Decides nothing.

use std::ops::Range;

use net_client::Undelivered;

/// The lines that were refused, or of which nobody knows, and how to send the rest.
pub(crate) fn told(undelivered: &Undelivered, is_refused: bool) -> String {
    let lines = joined(undelivered);
    let count: u64 = lines.iter().map(|run| run.end - run.start).sum();
    let fate = match (is_refused, count) {
        (true, 1) => "was refused",
        (true, _) => "were refused",
        (false, 1) => "was not acknowledged",
        (false, _) => "were not acknowledged",
    };
    let noun = if count == 1 { "Line" } else { "Lines" };
    let mut text = format!("{noun} {} {fate}", shown(&lines));
    let mut at_fault = undelivered
        .batches
        .iter()
        .filter_map(|batch| batch.at_fault);
    if let Some(line) = at_fault.next().filter(|_| count > 1) {
        text.push_str(&format!(" (the first at fault is line {line})"));
    } else if is_refused && count > 1 && undelivered.batches.len() == 1 {
        text.push_str(", as one batch");
    }
    text.push_str("; ");
    text.push_str(&rest(&lines, undelivered.next));
    if !is_refused {
        text.push_str(" What arrived all the same is then there twice.");
    }
    text
}

/// What became of the other lines, and what to send next.
fn rest(lines: &[Range<u64>], next: u64) -> String {
    match lines {
        // Nothing behind them was sent: the order can be kept.
        [run] if run.end == next => {
            let before = match run.start {
                1 => "nothing was sent".to_owned(),
                2 => "line 1 was sent, nothing behind it".to_owned(),
                start => format!("lines 1 to {} were sent, nothing behind them", start - 1),
            };
            let skip = match run.end - run.start {
                1 => format!(", or without it from line {next}"),
                _ => String::new(),
            };
            format!("{before}. Go on from line {}{skip}.", run.start)
        }
        _ => format!(
            "the others up to line {} were sent. Send these again, and go on from line {next}.",
            next - 1
        ),
    }
}

/// The lines of all batches, in order.
fn joined(undelivered: &Undelivered) -> Vec<Range<u64>> {
    let batches = undelivered.batches.iter();
    let mut runs: Vec<_> = batches.flat_map(|batch| batch.records.clone()).collect();
    runs.sort_by_key(|run| run.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => joined.push(run),
        }
    }
    joined
}

/// Runs of lines shown; of more, how many there are and the ends.
const SHOWN_RUNS: usize = 10;

fn shown(lines: &[Range<u64>]) -> String {
    let run = |run: &Range<u64>| match run.end - run.start {
        1 => run.start.to_string(),
        _ => format!("{} to {}", run.start, run.end - 1),
    };
    let shown: Vec<String> = lines.iter().take(SHOWN_RUNS).map(run).collect();
    let mut text = shown.join(", ");
    if let [.., last] = lines
        && lines.len() > SHOWN_RUNS
    {
        text.push_str(&format!(" and others up to {}", last.end - 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_client::UndeliveredBatch;

    fn undelivered(runs: &[(u64, u64)], at_fault: Option<u64>, next: u64) -> Undelivered {
        Undelivered {
            batches: vec![UndeliveredBatch {
                records: runs.iter().map(|&(start, end)| start..end).collect(),
                at_fault,
            }],
            next,
            ..Undelivered::default()
        }
    }

    #[test]
    fn one_line_can_be_left_out() {
        assert_eq!(
            told(&undelivered(&[(6, 7)], Some(6), 7), true),
            "Line 6 was refused; lines 1 to 5 were sent, nothing behind them. Go on from line 6, \
             or without it from line 7."
        );
    }

    #[test]
    fn a_batch_is_told_with_the_line_at_fault() {
        assert_eq!(
            told(&undelivered(&[(1, 11)], Some(4), 11), true),
            "Lines 1 to 10 were refused (the first at fault is line 4); nothing was sent. Go on \
             from line 1."
        );
        let text = told(&undelivered(&[(2, 11)], None, 11), true);
        assert!(
            text.contains("2 to 10 were refused, as one batch; line 1"),
            "{text}"
        );
        let text = told(&undelivered(&[(2, 11)], None, 11), false);
        assert!(text.contains("not acknowledged"), "{text}");
        assert!(text.contains("twice"), "{text}");
    }

    #[test]
    fn lines_of_one_partition_among_others_are_listed() {
        let text = told(&undelivered(&[(2, 4), (6, 7)], None, 11), true);
        assert_eq!(
            text,
            "Lines 2 to 3, 6 were refused, as one batch; the others up to line 10 were sent. Send \
             these again, and go on from line 11."
        );
        let many: Vec<_> = (0..20).map(|n| (2 * n, 2 * n + 1)).collect();
        let text = told(&undelivered(&many, None, 60), true);
        assert!(text.contains("18 and others up to 38 were"), "{text}");
    }
}
