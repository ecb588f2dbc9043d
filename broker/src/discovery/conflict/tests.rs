use super::*;

fn conflict() -> Conflict {
    Conflict::new("me-1".into(), Options::default())
}

fn hello(address: &str) -> Evidence {
    Evidence { source: Source::Hello, address: Some(address.into()), instance: None }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_start_without_evidence_does_not_wait() {
    assert_eq!(conflict().start(Instant::now()), Start::Go);
}

#[test]
fn a_start_waits_half_a_second_for_an_answer_and_fails_naming_the_owner() {
    let now = Instant::now();
    let mut conflict = conflict();
    let probe = conflict.evidence(&hello("vm:4000"), "n1".into(), now).unwrap();
    assert_eq!(probe, Probe { address: Some("vm:4000".into()), nonce: "n1".into() });
    assert_eq!(conflict.start(now), Start::Wait(now + ms(500)));
    assert!(!conflict.ponged("guess"));
    assert!(conflict.ponged("n1"));
    assert_eq!(conflict.start(now + ms(20)), Start::Refuse { owner: "vm:4000".into() });
}

#[test]
fn more_evidence_does_not_lengthen_the_wait() {
    let now = Instant::now();
    let mut conflict = conflict();
    conflict.evidence(&hello("vm:1"), "n1".into(), now).unwrap();
    conflict.evidence(&hello("vm:2"), "n2".into(), now + ms(400)).unwrap();
    assert_eq!(conflict.start(now + ms(450)), Start::Wait(now + ms(500)));
    assert_eq!(conflict.start(now + ms(500)), Start::Go);
}

#[test]
fn our_own_answer_is_no_conflict() {
    let now = Instant::now();
    let mut conflict = conflict();
    conflict.evidence(&hello("127.0.0.1:4000"), "n1".into(), now).unwrap();
    assert!(conflict.pinged("n1", now), "it is our own probe and must not be answered");
    assert_eq!(conflict.start(now), Start::Go);
    assert!(!conflict.ponged("n1"), "it is settled");
    assert_eq!(conflict.poll(now + ms(5000)), []);
}

#[test]
fn a_probe_of_somebody_else_is_answered() {
    assert!(!conflict().pinged("theirs", Instant::now()));
}

#[test]
fn evidence_with_our_own_instance_or_without_an_address_is_none() {
    let mut conflict = conflict();
    let mut row = hello("vm:4000");
    row.instance = Some("me-1".into());
    assert_eq!(conflict.evidence(&row, "n".into(), Instant::now()), None);
    let bare = Evidence { source: Source::GossipRow, address: None, instance: None };
    assert_eq!(conflict.evidence(&bare, "n".into(), Instant::now()), None);
}

#[test]
fn an_earlier_run_of_ours_that_is_gone_is_no_conflict() {
    let now = Instant::now();
    let mut conflict = conflict();
    conflict.evidence(&hello("vm:3999"), "n1".into(), now).unwrap();
    conflict.unreachable("vm:4000");
    assert_eq!(conflict.start(now), Start::Wait(now + ms(500)), "that was another address");
    conflict.unreachable("vm:3999");
    assert_eq!(conflict.start(now), Start::Go);
    assert_eq!(conflict.poll(now + ms(5000)), []);
}

#[test]
fn an_owner_that_cannot_answer_is_a_warning_after_the_wait() {
    let now = Instant::now();
    let mut conflict = conflict();
    conflict.evidence(&hello("vm:4000"), "n1".into(), now).unwrap();
    assert_eq!(conflict.poll(now + ms(499)), []);
    assert_eq!(conflict.start(now + ms(500)), Start::Go);
    let report = Report { owner: "vm:4000".into(), proven: false, source: Source::Hello, others: 0 };
    assert_eq!(conflict.poll(now + ms(500)), [report]);
    assert_eq!(conflict.poll(now + ms(501)), []);
}

#[test]
fn a_later_conflict_is_reported_once_a_minute_however_many_owners_there_are() {
    let start = Instant::now();
    let mut conflict = conflict();
    let mut reports = Vec::new();
    for second in 0..180 {
        let now = start + ms(1000 * second);
        for owner in ["vm:1", "vm:2"] {
            let nonce = format!("{owner}-{second}");
            if conflict.evidence(&hello(owner), nonce.clone().into(), now).is_some() {
                assert!(conflict.ponged(&nonce));
            }
        }
        reports.extend(conflict.poll(now));
    }
    assert_eq!(reports.len(), 3, "{reports:?}");
    assert!(reports.iter().all(|report| report.proven && report.others == 1));
}

#[test]
fn a_bus_is_probed_before_ready_and_silence_there_is_good() {
    let now = Instant::now();
    let options = Options { addressed: false, ..Options::default() };
    let mut conflict = Conflict::new("me-1".into(), options);
    assert_eq!(conflict.probe_bus("n1".into(), now).unwrap().address, None);
    assert_eq!(conflict.start(now), Start::Wait(now + ms(500)));
    assert_eq!(conflict.start(now + ms(500)), Start::Go);
    assert_eq!(conflict.poll(now + ms(500)), []);

    let info = Evidence { source: Source::Info, address: None, instance: Some("other".into()) };
    assert!(conflict.evidence(&info, "n2".into(), now + ms(600)).is_some());
    assert!(conflict.pinged("n2", now), "our own copy of the probe");
    assert!(conflict.ponged("n2"), "and the answer of the other who got one");
    assert_eq!(conflict.start(now + ms(650)), Start::Refuse { owner: "other".into() });
}

#[test]
fn a_fast_bus_makes_for_a_short_wait() {
    let now = Instant::now();
    let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
    conflict.probe_bus("n1".into(), now).unwrap();
    for (at, again) in [(2, true), (4, true), (6, false), (8, false)] {
        assert_eq!(conflict.start(now + ms(5)), Start::Wait(now + ms(if at < 8 { 500 } else { 66 })));
        assert!(conflict.pinged("n1", now + ms(at)));
        assert_eq!(conflict.asks_again(), again, "after {at} ms");
    }
    assert_eq!(conflict.start(now + ms(66)), Start::Go);
}

#[test]
fn a_bus_that_is_slow_once_makes_for_a_longer_wait() {
    let now = Instant::now();
    let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
    conflict.probe_bus("n1".into(), now).unwrap();
    for at in [1, 41, 42] {
        conflict.pinged("n1", now + ms(at));
    }
    assert_eq!(conflict.start(now + ms(50)), Start::Wait(now + ms(42 + 160)));
}

#[test]
fn where_the_probe_itself_never_comes_back_its_echo_tells_how_fast_the_bus_is() {
    let now = Instant::now();
    let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
    conflict.probe_bus("n1".into(), now).unwrap();
    assert_eq!((conflict.echo_of("n1", now), conflict.echo_of("n2-echo", now)), (None, None));
    assert_eq!(conflict.start(now), Start::Wait(now + ms(500)));
    for at in [20, 40, 60] {
        assert_eq!(conflict.echo_of(&Conflict::echo("n1"), now + ms(at)), Some("n1"));
    }
    assert!(conflict.echo_of(&Conflict::echo("n1"), now + ms(400)).is_some(), "one more changes nothing");
    assert_eq!(conflict.start(now + ms(60)), Start::Wait(now + ms(140)));
    assert_eq!(conflict.start(now + ms(140)), Start::Go);
    assert!(conflict.ponged("n1"), "the answer itself still counts");
    assert!(matches!(conflict.start(now + ms(150)), Start::Refuse { .. }));
}

#[test]
fn a_bus_that_was_lost_is_probed_anew() {
    let now = Instant::now();
    let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
    conflict.probe_bus("n1".into(), now).unwrap();
    assert!(conflict.pinged("n1", now + ms(1)));
    let later = now + ms(50);
    assert_eq!(conflict.probe_bus("n2".into(), later).unwrap().nonce, "n2");
    assert_eq!(conflict.start(later), Start::Wait(later + ms(500)));
    assert!(!conflict.ponged("n1") && conflict.ponged("n2"));
    conflict.probe_bus("n3".into(), later);
    assert!(matches!(conflict.start(later), Start::Refuse { .. }), "what was proven stays so");
}

#[test]
fn evidence_against_an_id_that_stands_has_its_own_time() {
    let now = Instant::now();
    let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
    conflict.probe_bus("n1".into(), now).unwrap();
    for _ in 0..3 {
        conflict.pinged("n1", now);
    }
    assert_eq!(conflict.start(now + ms(60)), Start::Go);
    conflict.claimed();
    let later = now + ms(100);
    let info = Evidence { source: Source::Info, address: None, instance: Some("other".into()) };
    conflict.evidence(&info, "n2".into(), later).unwrap();
    assert_eq!(conflict.start(later), Start::Wait(later + ms(500)));
}

#[test]
fn owners_that_change_share_one_report_and_do_not_hide_one_that_answers() {
    let start = Instant::now();
    let options = Options { addressed: false, ..Options::default() };
    let mut conflict = Conflict::new("me-1".into(), options);
    let mut reports = Vec::new();
    for second in 0..120 {
        let now = start + ms(1000 * second);
        let info =
            Evidence { source: Source::Info, address: None, instance: Some(format!("i{second}").into()) };
        let nonce = format!("n{second}");
        conflict.evidence(&info, nonce.clone().into(), now).unwrap();
        if second == 30 {
            assert!(conflict.ponged(&nonce));
        }
        reports.extend(conflict.poll(now + ms(500)).into_iter().map(|r| (second, r.proven, r.others)));
    }
    assert_eq!(reports, [(0, false, 0), (30, true, 0), (60, false, 58)]);
}

#[test]
fn floods_of_evidence_stay_bounded() {
    let now = Instant::now();
    let mut conflict = conflict();
    let probes = (0..10_000)
        .filter(|i| conflict.evidence(&hello(&format!("vm:{i}")), format!("{i}").into(), now).is_some());
    assert_eq!(probes.count(), 64);
    assert_eq!(conflict.poll(now + ms(600)).iter().map(|report| report.others).collect::<Vec<_>>(), [63]);
    for i in 0..10_000 {
        let _ = conflict.evidence(&hello(&format!("xm:{i}")), format!("{i}").into(), now + ms(700));
    }
    assert_eq!(conflict.owners.len(), 64);
}
