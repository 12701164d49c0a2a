//! The name that was probably meant.

/// The one of `names` that `written` was probably meant to be: at most two letters away.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names = names.into_iter();
    let distances = names.map(|name| (edit_distance(written, name), name));
    distances
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

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

    #[test]
    fn two_letters_may_be_wrong_and_no_more() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(nearest("kitten", ["sitting"]), None);
        assert_eq!(nearest("kittin", ["sitting", "mitten"]), Some("mitten"));
    }
}
