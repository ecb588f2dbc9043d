//! Ride requests as JSON lines.
//!
//! An invalid line is reported with its number and skipped. The size of an input is limited, so that no input
//! can exhaust the memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::events::Place;

/// The rides that run without an input.
const SAMPLE: &str = include_str!("../rides.jsonl");

/// The longest line, in bytes.
const LONGEST: u64 = 16 * 1024;

/// The largest number of rides in one run. What happened to each is kept until the end.
const MOST: usize = 100_000;

/// An input that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot read the input `{}`: {source} (`--input -` reads standard input)", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("there is no ride to run: {0} has no line that could be used")]
    Empty(String),
    #[error("{0} has more than {MOST} rides: split it")]
    TooLong(String),
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Input {
    /// The name of the input.
    pub(crate) name: String,
    /// In the order of the input.
    pub(crate) rides: Vec<Request>,
    /// How many lines were skipped.
    pub(crate) skipped: usize,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// The number of its line.
    pub(crate) line: usize,
    pub(crate) trip: Trip,
    /// A mark in its meta, which travels along with all that it causes.
    pub(crate) mark: Option<&'static str>,
}

/// The content of a line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trip {
    pub(crate) rider: String,
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) card: String,
}

impl Input {
    /// Reads a file, standard input for `-`, or the sample.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, InputError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| InputError::Unreadable { path, source }
        };
        match path {
            None => Self::parse("the bundled sample", SAMPLE.as_bytes()),
            Some(path) if path.as_os_str() == "-" => Self::parse("standard input", io::stdin().lock()),
            Some(path) => {
                let file = File::open(path).map_err(unreadable(path))?;
                Self::parse(&path.display().to_string(), BufReader::new(file))
            }
        }
    }

    fn parse(name: &str, mut reader: impl BufRead) -> Result<Self, InputError> {
        let mut input = Self { name: name.to_owned(), rides: Vec::new(), skipped: 0 };
        for line in 1.. {
            let read = next_line(&mut reader);
            let text = read.map_err(|source| InputError::Unreadable { path: name.into(), source })?;
            let Some(text) = text else { break };
            if text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty()) {
                continue;
            }
            match text.and_then(|text| trip(&text)) {
                Ok(_) if input.rides.len() == MOST => return Err(InputError::TooLong(input.name)),
                Ok(trip) => input.rides.push(Request { line, trip, mark: None }),
                Err(why) => {
                    eprintln!("line {line} skipped: {why}");
                    input.skipped += 1;
                }
            }
        }
        if input.rides.is_empty() { Err(InputError::Empty(input.name)) } else { Ok(input) }
    }
}

/// The next line, or why it cannot be used. `None` at the end.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Result<Vec<u8>, String>>> {
    let mut line = Vec::new();
    let mut part = |line: &mut Vec<u8>| {
        line.clear();
        reader.take(LONGEST).read_until(b'\n', line)
    };
    let read = part(&mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if !is_cut(&line) {
        return Ok(Some(Ok(line)));
    }
    // Its remaining parts are read and dropped, one at a time.
    while is_cut(&line) {
        part(&mut line)?;
    }
    Ok(Some(Err(format!("it is longer than {LONGEST} bytes"))))
}

fn is_cut(part: &[u8]) -> bool {
    part.len() as u64 == LONGEST && !part.ends_with(b"\n")
}

/// The trip that a line describes, or the error in it.
fn trip(line: &[u8]) -> Result<Trip, String> {
    let trip: Trip = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        // Each line is a document of its own, so serde's "at line 1" would mislead.
        let what = text.split(" at line ").next().unwrap_or(&text);
        format!("{what} (column {})", error.column())
    })?;
    for (field, text) in [("rider", &trip.rider), ("card", &trip.card)] {
        if text.trim().is_empty() || text.chars().count() > 64 {
            return Err(format!("`{field}` must have 1 to 64 characters"));
        }
    }
    for (field, place) in [("from", trip.from), ("to", trip.to)] {
        if !(-90.0..=90.0).contains(&place.lat) || !(-180.0..=180.0).contains(&place.lon) {
            return Err(format!("`{field}` is no place on earth: lat {}, lon {}", place.lat, place.lon));
        }
    }
    Ok(trip)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"rider":"Mina","from":{"lat":37.5,"lon":127},"to":{"lat":37.6,"lon":127.1},"card":"visa-4242"}"#;

    #[test]
    fn bad_lines_are_skipped_and_the_others_keep_their_numbers() {
        let text = format!("{GOOD}\n\nnonsense\n{}\n\u{feff}\n{GOOD}", "x".repeat(40_000));
        let input = Input::parse("a test", text.as_bytes()).unwrap();
        assert_eq!(input.rides.iter().map(|ride| ride.line).collect::<Vec<_>>(), [1, 6]);
        assert_eq!(input.skipped, 3);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        let wrong = |from: &str, to: &str| trip(GOOD.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(wrong(r#","card":"visa-4242""#, ""), "missing field `card` (column 76)");
        assert_eq!(wrong("37.6", "97.6"), "`to` is no place on earth: lat 97.6, lon 127.1");
        assert_eq!(wrong("Mina", " "), "`rider` must have 1 to 64 characters");
        assert!(wrong("card", "kard").starts_with("unknown field `kard`"));
    }

    #[test]
    fn the_sample_is_whole_and_has_declined_cards() {
        let input = Input::read(None).unwrap();
        assert_eq!(input.skipped, 0);
        assert!(input.rides.len() >= 100);
        assert!(input.rides.iter().any(|ride| ride.trip.card.ends_with("0002")));
    }

    #[test]
    fn an_input_without_rides_is_a_mistake() {
        assert!(matches!(Input::parse("a test", "\n\n".as_bytes()), Err(InputError::Empty(_))));
    }
}
