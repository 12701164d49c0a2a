//! `unsafe` stands in the reactor, where memory is shared with the kernel or another core, or a
//! system call has no safe form; and nowhere else.

use crate::lexer::split;
use crate::{Finding, Source};

/// Where it may stand: prefixes of paths.
pub const SITES: &[&str] = &[
    "engine/runtime/examples/send-paths/",
    "engine/runtime/src/address.rs",
    "engine/runtime/src/buffer/",
    "engine/runtime/src/clock.rs",
    "engine/runtime/src/driver/",
    "engine/runtime/src/file.rs",
    "engine/runtime/src/file_tests.rs",
    "engine/runtime/src/fs/",
    "engine/runtime/src/mailbox.rs",
    "engine/runtime/src/op/",
    "engine/runtime/src/remote.rs",
    "engine/runtime/src/signal.rs",
    "engine/runtime/src/socket/",
];

/// Findings over the sources.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if SITES.iter().any(|site| source.path.starts_with(site)) {
            continue;
        }
        let views = split(&source.text);
        for (index, line) in views.code.lines().enumerate() {
            if has_word(line, "unsafe") {
                findings.push(format!(
                    "{}:{}: unsafe outside its sites",
                    source.path,
                    index + 1
                ));
            }
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_code_outside_its_sites_is_found() {
        let code = "#![forbid(unsafe_code)]\n// unsafe\nlet x = unsafe { y };\n";
        let outside = check(&[Source::new("engine/log/src/writer.rs", code)]);
        assert_eq!(
            outside,
            ["engine/log/src/writer.rs:3: unsafe outside its sites"]
        );
        assert!(check(&[Source::new("engine/runtime/src/buffer/block.rs", code)]).is_empty());
        assert_eq!(
            check(&[Source::new("engine/runtime/src/timer.rs", code)]).len(),
            1
        );
    }
}
