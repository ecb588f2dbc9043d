//! The timeout of a request.

use super::Problem;

/// The largest number of milliseconds.
const MAX: f64 = (1_u64 << 53) as f64;

const WRONG: Problem =
    Problem::Wrong { field: "timeout", expected: "a number of milliseconds from 0 to 2^53" };

/// A number of milliseconds.
pub(super) fn milliseconds(timeout: f64) -> Result<f64, Problem> {
    if (0.0..=MAX).contains(&timeout) { Ok(timeout) } else { Err(WRONG) }
}

/// A number of milliseconds that is written as a string. Node compares it with 0 and passes it to
/// `setTimeout`, and both convert it to a number (`middlewares/timeout.js`).
#[cold]
pub(super) fn numeric_text(timeout: &str) -> Result<f64, Problem> {
    // All other texts that Rust reads as a number contain letters or begin with a plus.
    let plain =
        timeout.len() <= 64 && timeout.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = plain.then(|| timeout.parse().ok()).flatten();
    number.map_or(Err(WRONG), milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_number_that_it_spells_or_nothing() {
        for (text, timeout) in [
            ("5000", Some(5000.0)),
            ("0", Some(0.0)),
            ("1.5", Some(1.5)),
            ("2e3", Some(2000.0)),
            ("", None),
            ("NaN", None),
            ("inf", None),
            ("-inf", None),
            ("-1", None),
            ("1e308", None),
            ("1e400", None),
            ("5s", None),
            ("0x10", None),
            (" 5", None),
        ] {
            assert_eq!(numeric_text(text).ok(), timeout, "{text:?}");
        }
    }
}
