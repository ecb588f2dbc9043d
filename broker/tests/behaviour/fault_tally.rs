//! The arithmetic of `scripts/faults`, whose own program runs no unit tests.

#[path = "../faults/tally.rs"]
mod tally;

use ligand::Outcome;
use std::time::Duration;
use tally::{End, Made, Tally};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn ok(id: u64, sent: u64, settled: u64, node: &str) -> Made {
    Made { id, sent: ms(sent), settled: Some((ms(settled), End::Ok(node.to_owned()))) }
}

fn failed(id: u64, sent: u64, settled: u64, outcome: Outcome, node: Option<&str>) -> Made {
    let end = End::Failed { name: "E".to_owned(), outcome, node: node.map(ToOwned::to_owned) };
    Made { id, sent: ms(sent), settled: Some((ms(settled), end)) }
}

fn tally() -> Tally {
    let calls = vec![
        ok(1, 0, 5, "a"),
        ok(2, 10, 20, "b"),
        failed(3, 20, 120, Outcome::MayHaveRun, Some("a")),
        failed(4, 30, 31, Outcome::NotRun, None),
        failed(5, 40, 60, Outcome::NotRun, None),
        Made { id: 6, sent: ms(50), settled: None },
        failed(7, 55, 155, Outcome::MayHaveRun, Some("a")),
        ok(8, 70, 72, "b"),
        ok(9, 80, 89, "a"),
    ];
    Tally { calls, handled: vec![1, 2, 3, 5, 8, 9, 9, 9] }
}

#[test]
fn calls_are_counted_by_how_they_ended() {
    let tally = tally();
    assert_eq!((tally.never_settled(), tally.failed()), (1, 4));
    assert_eq!(
        tally.reasons(),
        "2 E MayHaveRun at a (0.0 s to 0.1 s), 2 E NotRun at no node (0.0 s to 0.0 s)"
    );
}

#[test]
fn what_ran_twice_counts_once_and_what_ran_after_all_is_found() {
    assert_eq!((tally().handled_twice(), tally().ran_after_all()), (1, 1));
}

#[test]
fn the_first_success_counts_from_a_moment_and_for_one_worker() {
    let tally = tally();
    assert_eq!(tally.first_success(ms(21), None), Some(ms(51)));
    assert_eq!(tally.first_success(ms(21), Some("a")), Some(ms(68)));
    assert_eq!(tally.first_success(ms(90), None), None);
}

#[test]
fn in_an_outage_only_failures_that_did_not_run_are_right() {
    assert_eq!(tally().outage(&(ms(30)..ms(45))), (0, ms(20)));
    assert_eq!(tally().outage(&(ms(20)..ms(45))), (1, ms(100)));
    assert_eq!(tally().outage(&(ms(45)..ms(60))), (2, Duration::MAX));
}

#[test]
fn failures_are_told_apart_by_node() {
    let tally = tally();
    let all = ms(0)..ms(100);
    assert_eq!(tally.failures(&all, "a"), (2, 2));
    assert_eq!((tally.in_flight(ms(25), "a"), tally.in_flight(ms(60), "a")), (1, 2));
    assert_eq!(tally.last_lost_on("a", &(ms(22)..ms(100))), ms(33));
    assert_eq!(tally.last_lost_on("b", &all), Duration::ZERO);
}

#[test]
fn a_node_that_is_sent_calls_to_the_end_was_never_left_whatever_became_of_them() {
    let tally = tally();
    assert_eq!(tally.went_to("a", &(ms(15)..ms(90)), ms(20)), None, "the last of them went well");
    assert_eq!(tally.went_to("a", &(ms(15)..ms(79)), ms(20)), Some(ms(40)));
    assert_eq!(tally.went_to("a", &(ms(15)..ms(79)), ms(24)), None);
    assert_eq!(tally.went_to("nobody", &(ms(15)..ms(90)), ms(20)), Some(ms(0)));
}

#[test]
fn the_99th_of_100_is_their_p99() {
    let calls = (1..=200).map(|n| ok(n, n, n + n, "a")).collect();
    let tally = Tally { calls, handled: Vec::new() };
    assert_eq!(tally.p99(&(ms(0)..ms(101))), Some(ms(99)));
    assert_eq!(tally.p99(&(ms(0)..ms(1000))), Some(ms(198)));
    assert_eq!(tally.p99(&(ms(500)..ms(1000))), None);
    assert!(tally.all_well(&(ms(0)..ms(101)), ms(99)) && !tally.all_well(&(ms(0)..ms(101)), ms(98)));
    assert!(!tally.all_well(&(ms(500)..ms(1000)), ms(99)), "no calls are not well");
}
