//! What the tests of `ride_sharing` have in common: its command, some input, and what it prints of that.

use tokio::process::Command;

use crate::support::{Ended, program};

const SAMPLE: &str = include_str!("../../ride_sharing/rides.jsonl");

/// `ride_sharing`, not started yet.
pub(crate) fn rides(arguments: &[&str]) -> Command {
    let mut rides = program("ride_sharing");
    rides.args(arguments);
    rides
}

/// The first rides of the sample.
pub(crate) fn some(rides: usize) -> String {
    SAMPLE.lines().take(rides).flat_map(|line| [line, "\n"]).collect()
}

/// A ride that is paid for, and one with a card that is declined.
pub(crate) fn paid_and_declined() -> String {
    let declined =
        r#"{"rider":"Sora","from":{"lat":37.5,"lon":127},"to":{"lat":37.6,"lon":127},"card":"visa-0002"}"#;
    format!("{}{declined}\n", some(1))
}

/// What it prints of those two, as [`golden`] has it.
pub(crate) const PAID_AND_DECLINED: &str = "\
ride 1, Jun (line 1, request ID)
before users-1 login
T ms rides-1 rideRequested $14.31 for Jun
T ms rides-1 rideAccepted Dami drives
T ms payments-1 paymentSuccess $14.31
T ms notifications-1 notificationSent \"Dami is on the way, $14.31 paid\"

ride 2, Sora (line 2, request ID)
before users-1 login
T ms rides-1 rideRequested $18.07 for Sora
T ms rides-1 rideAccepted Bo drives
T ms payments-1 paymentFailed card declined
T ms rides-1 rideCancelled card declined
T ms notifications-1 notificationSent \"ride cancelled: card declined\"

2 rides from standard input: 1 paid, 1 declined, 0 incomplete
rideRequested 2 rides-1 2
rideAccepted 2 rides-1 2
paymentSuccess 1 payments-1 1
paymentFailed 1 payments-1 1
rideCancelled 1 rides-1 1
notificationSent 2 notifications-1 2
from request to notification: median T ms, slowest T ms; all within T s
every flow was complete: each event once, in order, under one request id
";

/// The output without what differs from run to run: times become `T`, request ids `ID`, and runs of spaces
/// one space.
pub(crate) fn golden(out: &str) -> String {
    let word = |word: &str| match word {
        word if is_request_id(word) => format!("ID{}", &word[36..]),
        word if word.contains('.') && word.parse::<f64>().is_ok() => "T".to_owned(),
        word => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n";
    out.lines().map(line).collect()
}

fn is_request_id(word: &str) -> bool {
    word.len() >= 36
        && word.bytes().take(36).enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// It went well, and nothing was complained about.
pub(crate) fn assert_complete(ended: &Ended) {
    let last = ended.out.lines().last();
    assert_eq!(
        last,
        Some("every flow was complete: each event once, in order, under one request id"),
        "{ended:?}"
    );
    assert_eq!((ended.err.as_str(), ended.code), ("", Some(0)));
}
