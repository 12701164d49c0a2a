//! Splits Rust text into what the compiler runs and what people read.
//!
//! A rule about code must not stumble over the same word in a comment or a string. Both views keep
//! every line where it was: what is left out becomes blanks.

/// The two views of a source.
#[derive(Debug, PartialEq, Eq)]
pub struct Views {
    /// Code; comments and the insides of literals are blank.
    pub code: String,
    /// Comments; all else is blank.
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Line,
    Block { depth: usize },
    Text,
    RawText { hashes: usize },
}

/// Makes both views.
pub fn split(text: &str) -> Views {
    let chars: Vec<char> = text.chars().collect();
    let mut views = Views {
        code: String::new(),
        comments: String::new(),
    };
    let mut state = State::Code;
    let mut position = 0;
    while position < chars.len() {
        let (next, taken) = step(
            state,
            &chars[position..],
            position.checked_sub(1).map(|p| chars[p]),
        );
        for &c in &chars[position..position + taken] {
            let comment = matches!(state, State::Line | State::Block { .. })
                || matches!(next, State::Line | State::Block { .. });
            let literal = !comment && state != State::Code;
            let kept = |keep: bool| if keep || c == '\n' { c } else { ' ' };
            views.code.push(kept(!comment && !literal));
            views.comments.push(kept(comment));
        }
        state = next;
        position += taken;
    }
    views
}

/// The state after the next few characters, and how many they are.
fn step(state: State, rest: &[char], before: Option<char>) -> (State, usize) {
    let starts =
        |text: &str| rest.len() >= text.len() && text.chars().zip(rest).all(|(a, b)| a == *b);
    match state {
        State::Code if starts("//") => (State::Line, 2),
        State::Code if starts("/*") => (State::Block { depth: 1 }, 2),
        State::Code if starts("\"") => (State::Text, 1),
        State::Code if starts("'") => (State::Code, char_literal(rest)),
        State::Code => raw_text(rest, before).unwrap_or((State::Code, 1)),
        State::Line if starts("\n") => (State::Code, 1),
        State::Block { depth: 1 } if starts("*/") => (State::Code, 2),
        State::Block { depth } if starts("*/") => (State::Block { depth: depth - 1 }, 2),
        State::Block { depth } if starts("/*") => (State::Block { depth: depth + 1 }, 2),
        State::Text if starts("\\") => (State::Text, rest.len().min(2)),
        State::Text if starts("\"") => (State::Code, 1),
        State::RawText { hashes } if ends_raw(rest, hashes) => (State::Code, 1 + hashes),
        State::Line | State::Block { .. } | State::Text | State::RawText { .. } => (state, 1),
    }
}

/// `r"`, `r#"` and so on, not at the end of another word.
fn raw_text(rest: &[char], before: Option<char>) -> Option<(State, usize)> {
    let in_word = before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_');
    if in_word || rest.first() != Some(&'r') {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some((State::RawText { hashes }, 2 + hashes))
}

fn ends_raw(rest: &[char], hashes: usize) -> bool {
    rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&c| c == '#')
}

/// The length of a character literal, or 1 for the tick of a lifetime.
fn char_literal(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), Some(_)) => {
            let end = rest[3.min(rest.len())..].iter().position(|&c| c == '\'');
            end.map_or(1, |end| end + 4)
        }
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

/// The code without its `#[cfg(test)]` items: what ships.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        let end = item_end(item);
        kept.extend(item[..end].chars().filter(|&c| c == '\n'));
        rest = &item[end..];
    }
    kept.push_str(rest);
    kept
}

/// Where the item at the start of `code` ends: after its `;` or its closing brace.
fn item_end(code: &str) -> usize {
    let mut depth = 0usize;
    for (position, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return position + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return position + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text =
            "let a = \"unsafe \\\" x\"; // unsafe\n/* a /* b */ unsafe */ let b = r#\"un\"safe\"#;";
        let views = split(text);
        assert!(
            !views.code.contains("unsafe") && !views.code.contains("safe"),
            "{}",
            views.code
        );
        assert!(views.code.contains("let b = r#\""));
        assert_eq!(views.comments.matches("unsafe").count(), 2);
        assert_eq!(views.code.lines().count(), text.lines().count());
    }

    #[test]
    fn ticks_of_lifetimes_and_characters_are_told_apart() {
        let views = split("fn f<'a>(x: &'a str) { if c == '\"' || c == '\\'' { unsafe_call() } }");
        assert!(views.code.contains("unsafe_call()"), "{}", views.code);
        let views = split("let q = '\\u{22}'; let s = \"hidden\"; shown();");
        assert!(views.code.contains("shown()") && !views.code.contains("hidden"));
    }

    #[test]
    fn test_items_are_cut_and_lines_stay() {
        let code = "a\n#[cfg(test)]\nmod tests {\n fn x() { y }\n}\nb\n#[cfg(test)]\nmod t;\nc";
        let kept = without_tests(code);
        assert!(!kept.contains('y') && !kept.contains("mod t"));
        assert!(kept.contains('b') && kept.contains('c'));
        assert_eq!(kept.lines().count(), code.lines().count());
    }
}
