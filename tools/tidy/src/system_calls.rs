//! Files, sockets, threads and clocks are asked of the runtime: code that asks the system itself
//! lies to the simulator.

use crate::lexer::{split, without_tests};
use crate::{Finding, Source};

/// Code that never runs under simulation: it may ask the system.
const EXEMPT: &[&str] = &["engine/runtime/", "bench/", "tools/"];

/// What asks the system.
const BANNED: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process::Command",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os::unix::net",
    "std::io::stdin",
    "Instant::now",
    "SystemTime::now",
    "libc::",
    "rand::",
];

/// The same modules when imported in a group, `use std::{fs, thread};`.
const BANNED_IN_GROUP: &[&str] = &["fs", "thread"];

/// Findings over the sources.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let exempt = EXEMPT.iter().any(|prefix| source.path.starts_with(prefix));
        if exempt || is_test_file(&source.path) {
            continue;
        }
        let code = without_tests(&split(&source.text).code);
        for (index, line) in code.lines().enumerate() {
            let found = BANNED.iter().find(|banned| has_path(line, banned));
            if let Some(banned) = found.copied().or_else(|| in_group(line)) {
                findings.push(format!(
                    "{}:{}: {banned} is asked of engine-runtime",
                    source.path,
                    index + 1
                ));
            }
        }
    }
    findings
}

/// Integration tests and files of tests hold no shipped code.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "benches" || part == "tests.rs")
}

/// Whether `path` stands in the line as a whole path, not as the end of a longer word.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + path.len()..].chars().next();
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word(before) && (path.ends_with(':') || !word(after))
    })
}

fn in_group(line: &str) -> Option<&'static str> {
    let (_, group) = line.split_once("std::{")?;
    let words = |word: &&&str| {
        group
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|found| found == **word)
    };
    BANNED_IN_GROUP.iter().find(words).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[Source::new(path, text)]).len()
    }

    #[test]
    fn asking_the_system_is_found() {
        for bad in [
            "use std::fs;",
            "use std::fs::File;",
            "let now = std::time::Instant::now();",
            "SystemTime::now()",
            "use std::{fmt, fs};",
            "unsafe { libc::fsync(fd) }",
            "use std::net::TcpStream;",
            "std::thread::spawn(f)",
            "rand::random()",
        ] {
            assert_eq!(count("engine/log/src/writer.rs", bad), 1, "{bad}");
            assert_eq!(count("engine/runtime/src/clock.rs", bad), 0, "{bad}");
        }
    }

    #[test]
    fn words_that_only_look_like_it_are_not() {
        for good in [
            "use std::net::SocketAddr;",
            "// std::fs is not used",
            "let s = \"std::fs\";",
            "operand::x()",
            "my_libc::x()",
            "use std::{fmt, future};",
            "#[cfg(test)]\nmod tests { use std::fs; }",
        ] {
            assert_eq!(count("engine/log/src/writer.rs", good), 0, "{good}");
        }
        assert_eq!(count("engine/log/tests/recovery.rs", "use std::fs;"), 0);
    }
}
