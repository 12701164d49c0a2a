//! The name that was probably meant.

/// The one of `names` that `written` was probably meant to be: at most two letters away. Names of
/// another length are not looked at, so that a written one of any length costs nothing.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names = names
        .into_iter()
        .filter(|name| name.len().abs_diff(written.len()) <= LETTERS_WRONG_MAX);
    let distances = names.map(|name| (edit_distance(written, name), name));
    distances
        .filter(|(distance, _)| *distance <= LETTERS_WRONG_MAX)
        .min()
        .map(|(_, name)| name)
}

const LETTERS_WRONG_MAX: usize = 2;

/// Letters to insert, delete or change to make `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the bound this does not end: it would be 10^14 steps.
    #[test]
    fn a_name_of_another_length_is_not_compared() {
        let written = "a".repeat(8 << 20);
        let names = std::iter::repeat_n("num.partitions", 1 << 20);
        assert_eq!(nearest(&written, names), None);
    }

    #[test]
    fn two_letters_may_be_wrong_and_no_more() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(nearest("kitten", ["sitting"]), None);
        assert_eq!(nearest("kittin", ["sitting", "mitten"]), Some("mitten"));
    }
}
