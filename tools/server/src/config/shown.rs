//! What somebody wrote, as it can be shown: a terminal would obey its control characters, and
//! nobody reads a page of one word.

use std::fmt::Write as _;

/// `text` with its control characters as in a properties file (`\u001b`), cut after `chars_max`
/// of its characters.
pub(super) fn shown(text: &str, chars_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(chars_max));
    let mut chars = text.chars();
    for c in chars.by_ref().take(chars_max) {
        if c.is_control() {
            write!(shown, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
        } else {
            shown.push(c);
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_long_texts_cut() {
        assert_eq!(shown("num.partitions", 14), "num.partitions");
        assert_eq!(shown("num.partitions", 3), "num…");
        assert_eq!(
            shown("a\u{1b}[2J\0\u{9b}é\n", 99),
            r"a\u001b[2J\u0000\u009bé\u000a"
        );
        assert_eq!(shown(&"é".repeat(80_000), 4), "éééé…");
    }
}
