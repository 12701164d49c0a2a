//! Files stay short: a file over the bound is recorded with its length, and may only shrink.

use std::collections::BTreeMap;

use crate::{Finding, Source};

/// Lines above which a file is asked for its second noun.
pub const LINES_MAX: usize = 500;

/// Lines a recorded file may fall below its record before the record must be lowered: moving a
/// line should not need a change here, splitting a file should.
const SLACK_LINES: usize = 20;

/// Findings over the sources and the record, lines of `<lines> <path>`.
pub fn check(sources: &[Source], record: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut recorded = BTreeMap::new();
    for line in record
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let entry = line
            .split_once(' ')
            .and_then(|(n, path)| Some((path, n.parse().ok()?)));
        match entry {
            Some((path, lines)) => {
                recorded.insert(path, lines);
            }
            None => findings.push(format!("lengths.txt: '{line}' is not '<lines> <path>'")),
        }
    }
    for source in sources {
        let lines = source.text.lines().count();
        let bound: usize = recorded.remove(source.path.as_str()).unwrap_or(LINES_MAX);
        if lines > bound {
            findings.push(format!(
                "{}: {lines} lines, above its {bound}: split it",
                source.path
            ));
        } else if bound > LINES_MAX && (lines <= LINES_MAX || lines + SLACK_LINES < bound) {
            findings.push(format!(
                "{}: {lines} lines; lower or remove its {bound} in lengths.txt",
                source.path
            ));
        }
    }
    let gone = recorded
        .keys()
        .map(|path| format!("lengths.txt: {path} does not exist"));
    findings.extend(gone);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_may_only_shrink() {
        let long = |lines: usize| [Source::new("a.rs", &"x\n".repeat(lines))];
        assert!(check(&long(500), "").is_empty());
        assert_eq!(check(&long(501), "").len(), 1);
        assert!(check(&long(600), "# record\n600 a.rs\n").is_empty());
        assert_eq!(check(&long(601), "600 a.rs").len(), 1);
        assert!(check(&long(590), "600 a.rs").is_empty());
        assert_eq!(check(&long(570), "600 a.rs").len(), 1);
        assert_eq!(check(&long(500), "510 a.rs").len(), 1);
        assert_eq!(check(&long(1), "600 gone.rs").len(), 1);
        assert_eq!(check(&long(1), "nonsense").len(), 1);
    }
}
