//! Java's `.properties` format, as `java.util.Properties` reads it, with line numbers.
//!
//! Owns the grammar and nothing else: what a key means is `keys`' business. Runs once, before any
//! shard exists. Never touches a file: it is given bytes.
//!
//! Bytes are ISO 8859-1, as in Java; other characters are written `\u00e9`.

use std::fmt;

/// One `key=value` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The line on which the key stands, from one.
    pub(crate) line: u32,
    /// The key, unescaped.
    pub(crate) key: String,
    /// The value, unescaped; trailing blanks belong to it, as in Java.
    pub(crate) value: String,
}

/// The one thing Java itself refuses in such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MalformedEscape {
    /// The line on which the faulty entry starts, from one.
    pub(crate) line: u32,
}

impl fmt::Display for MalformedEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("has a '\\u' without four hexadecimal digits")
    }
}

/// Reads the whole text, one result for each entry, in file order. A key that appears twice appears
/// twice.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Result<Entry, MalformedEscape>> {
    let text: Vec<char> = bytes.iter().map(|&byte| char::from(byte)).collect();
    let lines = natural_lines(&text);
    let mut entries = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let first_line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let mut logical = trim_start(lines[index]).to_vec();
        let comment = matches!(logical.first(), Some('#' | '!'));
        // A comment is never continued; an entry is, by an odd number of backslashes at its end.
        while !comment && ends_in_continuation(&logical) {
            logical.pop();
            index += 1;
            let Some(next) = lines.get(index) else { break };
            logical.extend_from_slice(trim_start(next));
        }
        index += 1;
        if comment || logical.is_empty() {
            continue;
        }
        entries.push(split_entry(&logical, first_line));
    }
    entries
}

/// Lines end at `\n`, `\r` or `\r\n`.
fn natural_lines(text: &[char]) -> Vec<&[char]> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut position = 0;
    while position < text.len() {
        if !matches!(text[position], '\n' | '\r') {
            position += 1;
            continue;
        }
        lines.push(&text[start..position]);
        let crlf = text[position] == '\r' && text.get(position + 1) == Some(&'\n');
        position += if crlf { 2 } else { 1 };
        start = position;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn trim_start(line: &[char]) -> &[char] {
    let start = line.iter().position(|&c| !is_blank(c));
    start.map_or(&[], |start| &line[start..])
}

fn ends_in_continuation(line: &[char]) -> bool {
    let backslashes = line.iter().rev().take_while(|&&c| c == '\\').count();
    backslashes % 2 == 1
}

/// The key ends at the first unescaped `=`, `:` or blank; around the sign blanks do not count.
fn split_entry(line: &[char], number: u32) -> Result<Entry, MalformedEscape> {
    let mut key_end = line.len();
    let mut escaped = false;
    for (position, &c) in line.iter().enumerate() {
        if !escaped && (is_blank(c) || c == '=' || c == ':') {
            key_end = position;
            break;
        }
        escaped = !escaped && c == '\\';
    }
    let mut rest = trim_start(&line[key_end..]);
    if matches!(rest.first(), Some('=' | ':')) {
        rest = trim_start(&rest[1..]);
    }
    let error = || MalformedEscape { line: number };
    Ok(Entry {
        line: number,
        key: unescape(&line[..key_end]).ok_or_else(error)?,
        value: unescape(rest).ok_or_else(error)?,
    })
}

/// `None` for a malformed `\u`. A pair of `\u` surrogates makes one character; half a pair
/// becomes U+FFFD.
fn unescape(text: &[char]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.iter().copied();
    while let Some(c) = chars.next() {
        let plain = if c == '\\' {
            match chars.next() {
                Some('u') => {
                    units.push(hex_unit(&mut chars)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(other) => other,
                None => break,
            }
        } else {
            c
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

fn hex_unit(chars: &mut impl Iterator<Item = char>) -> Option<u16> {
    let mut unit = 0u16;
    for _ in 0..4 {
        let digit = chars.next()?.to_digit(16)?;
        unit = unit << 4 | u16::try_from(digit).ok()?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(u32, String, String)> {
        let entries = parse(text.as_bytes()).into_iter();
        entries
            .map(Result::unwrap)
            .map(|e| (e.line, e.key, e.value))
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        let (_, key, value) = all.remove(0);
        (key, value)
    }

    fn owned(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn separates_key_and_value_by_equals_colon_or_blank() {
        for text in [
            "k=v", "k:v", "k v", "  k = v", "k\t:\tv", "k   v", "\x0ck=v",
        ] {
            assert_eq!(one(text), owned("k", "v"), "{text:?}");
        }
        assert_eq!(one("k==v"), owned("k", "=v"));
        assert_eq!(one("k = : v"), owned("k", ": v"));
        assert_eq!(
            one("listeners=PLAINTEXT://:9092"),
            owned("listeners", "PLAINTEXT://:9092")
        );
    }

    #[test]
    fn keeps_trailing_blanks_and_reads_empty_values() {
        assert_eq!(one("k=v  "), owned("k", "v  "));
        assert_eq!(one("k="), owned("k", ""));
        assert_eq!(one("k"), owned("k", ""));
        assert_eq!(one("=v"), owned("", "v"));
    }

    #[test]
    fn skips_comments_and_blank_lines_but_counts_them() {
        let text = "# one\n!two \\\n\n   # three\nk=v\r\rj=w\r\n";
        assert_eq!(
            pairs(text),
            vec![(5, "k".into(), "v".into()), (7, "j".into(), "w".into())]
        );
    }

    #[test]
    fn joins_continuation_lines_without_their_indent() {
        assert_eq!(one("k=a,\\\n   b,\\\r\n\tc"), owned("k", "a,b,c"));
        assert_eq!(one("ke\\\n  y=v"), owned("key", "v"));
        // The second line is part of the value, not a comment.
        assert_eq!(one("k=a\\\n#b"), owned("k", "a#b"));
        // An even number of backslashes is escaped backslashes.
        assert_eq!(pairs("k=a\\\\\nj=b").len(), 2);
        assert_eq!(one("k=a\\"), owned("k", "a"));
    }

    #[test]
    fn a_continued_entry_has_the_number_of_its_first_line() {
        assert_eq!(pairs("a=1\\\n2\nb=3")[1].0, 3);
    }

    #[test]
    fn unescapes_as_java_does() {
        assert_eq!(one("k\\ e\\=y\\:=v"), owned("k e=y:", "v"));
        assert_eq!(one(r"k=\t\n\r\f\q\\"), owned("k", "\t\n\r\x0cq\\"));
        assert_eq!(one(r"k=\u00e9\u20AC"), owned("k", "é€"));
        assert_eq!(one(r"k=\uD83D\uDE00"), owned("k", "😀"));
        assert_eq!(parse(b"k=\xe9")[0].as_ref().unwrap().value, "é");
    }

    #[test]
    fn names_the_line_of_a_malformed_escape() {
        for text in [r"k=\u12", r"k=\u12G4", r"\u=v", r"k=\u 123"] {
            let text = format!("a=b\n{text}\nc=d");
            let parsed = parse(text.as_bytes());
            assert_eq!(parsed[1], Err(MalformedEscape { line: 2 }), "{text}");
            assert!(parsed[0].is_ok() && parsed[2].is_ok(), "{text}");
        }
    }
}
