//! Words that say "not finished": what is merged is whole.

use crate::lexer::split;
use crate::{Finding, Source};

/// In code.
const IN_CODE: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// In comments.
const IN_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Findings over the sources.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let views = split(&source.text);
        let lines = views.code.lines().zip(views.comments.lines()).enumerate();
        for (index, (code, comment)) in lines {
            let in_code = IN_CODE.iter().find(|word| code.contains(**word));
            let in_comment = IN_COMMENTS.iter().find(|word| is_in(comment, word));
            if let Some(word) = in_code.or(in_comment) {
                findings.push(format!("{}:{}: {word}", source.path, index + 1));
            }
        }
    }
    findings
}

/// Whether `word` stands in `comment` as a whole word.
fn is_in(comment: &str, word: &str) -> bool {
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found() {
        for bad in [
            "todo!()",
            "  unimplemented!(\"x\")",
            "dbg!(x);",
            "// FIXME later",
            "/* TODO */",
        ] {
            assert_eq!(check(&[Source::new("a.rs", bad)]).len(), 1, "{bad}");
        }
        for good in [
            "let todo = 1;",
            "\"TODO\"",
            "// to do",
            "fn fixme() {}",
            "// \\uXXXX",
        ] {
            assert!(check(&[Source::new("a.rs", good)]).is_empty(), "{good}");
        }
    }
}
