//! Finds the known key that is nearest to a misspelt one.

/// `unknown option \`tiemout\`, did you mean \`timeout\`? supported options are: …`
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(found, known) {
        Some(near) => {
            format!("unknown {what} `{found}`, did you mean `{near}`? supported {what}s are: {list}")
        }
        None => format!("unknown {what} `{found}`, supported {what}s are: {list}"),
    }
}

/// The candidate with the fewest edits, if they are few for a word of this length.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (found.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (distance(found, candidate), *candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The number of edits that turn `a` into `b`: insert, delete, replace, or swap two neighbours (the most
/// frequent typo).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // `rows[i][j]` is the distance between the first i characters of `a` and the first j of `b`.
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_are_one_edit() {
        assert_eq!(distance("tiemout", "timeout"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("group", "group"), 0);
    }

    #[test]
    fn the_nearest_key_is_suggested_and_all_are_listed() {
        assert_eq!(
            unknown("option", "tiemout", &["name", "timeout"]),
            "unknown option `tiemout`, did you mean `timeout`? supported options are: name, timeout"
        );
    }

    #[test]
    fn nothing_is_suggested_when_nothing_is_near() {
        assert_eq!(nearest("colour", &["name", "timeout"]), None);
    }
}
