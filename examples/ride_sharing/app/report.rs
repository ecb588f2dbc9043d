//! The final report: a timeline of each ride if there are few, and a summary. Both show what was observed.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use super::flow::{Flow, Step};
use super::journal::{Journal, Seen, steps};
use super::{Input, Ride, Verdict};
use crate::events::RideId;

/// Up to this many rides, each gets a timeline.
pub(crate) const FEW: usize = 10;

/// A finished ride, with everything that was observed about it.
struct Told<'a> {
    ride: &'a Ride,
    seen: Vec<Seen>,
    flow: Flow,
}

/// The report, and whether every flow was complete.
pub(crate) fn write(
    input: &Input,
    rides: &[Ride],
    journal: &Journal,
    killed: &[String],
    took: Duration,
) -> (String, Verdict) {
    let told: Vec<_> = rides.iter().map(|ride| tell(ride, journal)).collect();
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = report(&mut out, input, &told, journal, killed, took);
    let is_complete = journal.strays() == 0 && told.iter().all(|told| told.flow.is_complete());
    (out, if is_complete { Verdict::Complete } else { Verdict::Incomplete })
}

fn tell<'a>(ride: &'a Ride, journal: &Journal) -> Told<'a> {
    let seen = journal.seen(&ride.request_id);
    let mut flow = Flow::of(&steps(&seen));
    let alien: Vec<_> =
        seen.iter().filter(|seen| Some(seen.ride) != ride.number).map(|seen| seen.step).collect();
    if !alien.is_empty() && flow.is_complete() {
        // All events are there, but some of them were about another ride.
        flow = Flow::Incomplete { missing: alien.clone(), surplus: alien };
    }
    Told { ride, seen, flow }
}

fn report(
    out: &mut String,
    input: &Input,
    told: &[Told<'_>],
    journal: &Journal,
    killed: &[String],
    took: Duration,
) -> fmt::Result {
    if told.len() <= FEW {
        for told in told {
            timeline(out, told)?;
        }
    }
    let count = |wanted: fn(&Flow) -> bool| told.iter().filter(|told| wanted(&told.flow)).count();
    let (paid, declined) = (count(|flow| *flow == Flow::Paid), count(|flow| *flow == Flow::Declined));
    let incomplete = told.len() - paid - declined;
    let rides = if told.len() == 1 { "ride" } else { "rides" };
    writeln!(
        out,
        "{} {rides} from {}: {paid} paid, {declined} declined, {incomplete} incomplete",
        told.len(),
        input.name
    )?;
    if input.skipped > 0 {
        let lines = if input.skipped == 1 { "line" } else { "lines" };
        writeln!(out, "{} {lines} of the input skipped", input.skipped)?;
    }
    for (step, nodes) in journal.counts() {
        let sum: usize = nodes.values().sum();
        writeln!(out, "  {:<16} {sum:>6}  {}", step.event(), by_node(&nodes))?;
    }
    speed(out, told, took)?;
    for node in killed {
        writeln!(out, "{node} was killed")?;
    }
    for told in told {
        problem(out, told)?;
    }
    if journal.strays() > 0 {
        writeln!(out, "{} events had the request id of no ride", journal.strays())?;
    }
    if incomplete == 0 && journal.strays() == 0 {
        writeln!(out, "every flow was complete: each event once, in order, under one request id")?;
    }
    Ok(())
}

/// Which node did what, and how long after the request.
fn timeline(out: &mut String, told: &Told<'_>) -> fmt::Result {
    let Ride { request, asked, .. } = told.ride;
    let Ride { number, request_id, logged_in_by, .. } = told.ride;
    writeln!(out, "{}, {} (line {}, request {request_id})", name(*number), request.trip.rider, request.line)?;
    if let Some(node) = logged_in_by {
        writeln!(out, "  {:>9}  {node:<16} login", "before")?;
    }
    for (seen, at) in told.seen.iter().zip(happened(&told.seen)) {
        let after = at.saturating_duration_since(*asked);
        writeln!(out, "  {:>9}  {:<16} {:<16} {}", millis(after), seen.node, seen.step.event(), seen.what)?;
    }
    writeln!(out)
}

/// The time by which each event had happened: when it arrived, or when something that it caused arrived.
fn happened(seen: &[Seen]) -> Vec<Instant> {
    let mut times: Vec<Instant> = seen.iter().map(|seen| seen.at).collect();
    for later in (1..times.len()).rev() {
        times[later - 1] = times[later - 1].min(times[later]);
    }
    times
}

fn speed(out: &mut String, told: &[Told<'_>], took: Duration) -> fmt::Result {
    let mut times: Vec<Duration> =
        told.iter().filter(|told| told.flow.is_complete()).filter_map(duration).collect();
    times.sort_unstable();
    let (Some(median), Some(slowest)) = (times.get(times.len() / 2), times.last()) else { return Ok(()) };
    writeln!(
        out,
        "from request to notification: median {}, slowest {}; all within {:.1} s",
        millis(*median),
        millis(*slowest),
        took.as_secs_f64()
    )
}

/// The time from the request until the rider was notified.
fn duration(told: &Told<'_>) -> Option<Duration> {
    let last = told.seen.iter().find(|seen| seen.step == Step::Notified)?;
    Some(last.at.saturating_duration_since(told.ride.asked))
}

/// What is wrong with a ride, if anything.
fn problem(out: &mut String, told: &Told<'_>) -> fmt::Result {
    let Flow::Incomplete { missing, surplus } = &told.flow else { return Ok(()) };
    let ride = told.ride;
    write!(
        out,
        "{} (line {}, {}) is incomplete:",
        name(ride.number),
        ride.request.line,
        ride.request.trip.rider
    )?;
    if let Some(refused) = &ride.refused {
        write!(out, " the request failed: {refused};")?;
    }
    match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => write!(out, " the order was {}", events(&steps(&told.seen)))?,
        (false, _) => write!(out, " without {}", events(missing))?,
        (true, false) => {}
    }
    if !surplus.is_empty() {
        write!(out, " with another {}", events(surplus))?;
    }
    match told.seen.last() {
        Some(last) => writeln!(out, ", the last was {} from {}", last.step.event(), last.node),
        None => writeln!(out, ", no event was seen"),
    }
}

fn events(steps: &[Step]) -> String {
    steps.iter().map(|step| step.event()).collect::<Vec<_>>().join(", ")
}

fn by_node(nodes: &BTreeMap<String, usize>) -> String {
    nodes.iter().map(|(node, count)| format!("{node} {count}")).collect::<Vec<_>>().join("  ")
}

fn name(ride: Option<RideId>) -> String {
    ride.map_or_else(|| "a ride without number".to_owned(), |number| format!("ride {number}"))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
