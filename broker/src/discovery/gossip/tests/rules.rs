//! One rule per test, on a single table.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Card, digest, id, ms, requests, responses, secs, seen, start};
use crate::discovery::conflict::Source;
use crate::discovery::gossip::digest::{MAX_CLAIM, MAX_SEQ};
use crate::discovery::gossip::{Change, Gossip, Options, ResponseRows, Row, Step, What};

fn table() -> Gossip<Card> {
    Gossip::new(id("me"), &Card::new("me", 4_000, "me-1"), Options::default())
}

fn card(host: &str, seq: u64) -> Card {
    Card { seq, ..Card::new(host, 4_000, &format!("{host}-1")) }
}

fn online(rows: &[(&str, Card)]) -> ResponseRows<Card> {
    let mut response = ResponseRows::default();
    for (node, info) in rows {
        response.online.insert(id(node), Row::Info { info: info.clone(), cpu_seq: 0, cpu: 0 });
    }
    response
}

fn offline(rows: &[(&str, u64)]) -> ResponseRows<Card> {
    let mut response = ResponseRows::default();
    response.offline.extend(rows.iter().map(|(node, seq)| (id(node), *seq)));
    response
}

/// A table that has `a` at 5 and `b` at 5 online, both told by themselves.
fn with_two(now: Instant) -> Gossip<Card> {
    let mut gossip = table();
    for node in ["a", "b"] {
        let _ = gossip.hello(&id(node), node, 4_000, remote("192.0.2.1"), now);
        let _ = gossip.response(&id(node), &online(&[(node, card(node, 5))]), now);
        assert!(gossip.is_online(&id(node)));
    }
    gossip
}

fn remote(ip: &str) -> Option<SocketAddr> {
    Some(format!("{ip}:50000").parse().unwrap())
}

fn sent_to(step: &Step<Card>) -> Vec<&str> {
    step.sends.iter().map(|send| send.to.as_str()).collect()
}

fn gone(step: &Step<Card>) -> Vec<&str> {
    let gone = step.changes.iter().filter_map(|change| match change {
        Change::Offline { node, .. } => Some(node.as_str()),
        _ => None,
    });
    gone.collect()
}

#[test]
fn a_sighted_peer_is_asked_at_once_and_copies_of_the_sighting_change_nothing() {
    let now = start();
    let mut gossip = table();
    let step = gossip.sighted(&id("a"), "192.0.2.7:4000", remote("192.0.2.7"), now);
    assert_eq!(requests(&step.sends), [("a", &digest(&[("me", 1)], &[]))]);
    for copy in 0..10 {
        let step = gossip.sighted(&id("a"), "192.0.2.7:4000", remote("192.0.2.7"), now + ms(copy * 10));
        assert!(step.sends.is_empty());
    }
    assert_eq!(gossip.address_of(&id("a")).as_deref(), Some("192.0.2.7:4000"));
}

#[test]
fn a_request_with_news_of_its_sender_is_answered_and_asked_back_once() {
    let now = start();
    let mut gossip = table();
    let _ = gossip.hello(&id("a"), "a", 4_000, None, now);
    let at = now + ms(300);
    let step = gossip.request(&id("a"), &digest(&[("a", 3)], &[]), at);
    assert_eq!(sent_to(&step), ["a", "a"], "the answer and the question");
    assert!(matches!(step.sends[0].what, What::Response(_)));
    let step = gossip.request(&id("a"), &digest(&[("a", 3)], &[]), at + ms(199));
    assert_eq!(sent_to(&step), ["a"], "the question is out already");
}

#[test]
fn two_that_cannot_agree_do_not_loop() {
    let now = start();
    let mut gossip = with_two(now);
    let mut questions = 0;
    for turn in 0..1_000u64 {
        // It states a higher number of itself and never sends the INFO that would settle it.
        let step =
            gossip.request(&id("a"), &digest(&[("a", 9), ("b", 5), ("me", 1)], &[]), now + ms(10 * turn));
        questions += requests(&step.sends).len();
    }
    assert!(questions <= 8, "{questions} in ten seconds");
}

#[test]
fn a_node_that_spoke_and_is_gone_is_not_dialled_again_and_again() {
    let now = start();
    let mut gossip = with_two(now);
    let node = id("a");
    let _ = gossip.lost(&node, true, now + ms(1));
    let _ = gossip.heard(&node, now + ms(2));
    // Each attempt is refused at once, and reported as one more loss.
    let sent: usize = (3..500).map(|at| gossip.lost(&node, false, now + ms(at)).sends.len()).sum();
    assert!(sent <= 4, "{sent}");
}

#[test]
fn an_offline_claim_about_ourselves_is_refuted_with_a_higher_number() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.request(&id("a"), &digest(&[("a", 5), ("b", 5)], &[("me", 120)]), now);
    let answers = responses(&step.sends);
    let Row::Info { info, .. } = &answers[0].1.online[&id("me")] else { panic!("no INFO") };
    assert_eq!((info.seq, gossip.own().seq), (121, 121));
}

#[test]
fn a_claim_too_high_to_be_exceeded_is_no_claim() {
    let now = start();
    let mut gossip = with_two(now);
    let _ = gossip.request(&id("a"), &digest(&[], &[("me", MAX_CLAIM)]), now);
    assert_eq!(gossip.own().seq, MAX_CLAIM + 1);
    let step = gossip.request(&id("a"), &digest(&[], &[("me", u64::MAX), ("b", u64::MAX)]), now);
    assert_eq!(gossip.own().seq, MAX_CLAIM + 1);
    assert!(responses(&step.sends)[0].1.online.contains_key(&id("b")));
    assert!(gossip.suspects.is_empty());
}

#[test]
fn a_higher_online_claim_about_ourselves_stems_from_an_earlier_run_and_is_refuted() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.request(&id("a"), &digest(&[("a", 5), ("me", 9), ("b", 5)], &[]), now);
    assert_eq!(gossip.own().seq, 10);
    assert!(responses(&step.sends)[0].1.online.contains_key(&id("me")));
}

#[test]
fn a_claim_that_a_node_is_gone_is_first_put_to_that_node() {
    let now = start();
    let mut gossip = with_two(now);
    let at = now + secs(5);
    let step = gossip.request(&id("a"), &digest(&[("a", 5), ("me", 1)], &[("b", 6)]), at);
    assert_eq!(requests(&step.sends), [("b", &digest(&[("a", 5), ("me", 1)], &[("b", 6)]))]);
    assert!(gossip.is_online(&id("b")));

    let step = gossip.response(&id("b"), &online(&[("b", card("b", 7))]), at + ms(5));
    assert_eq!(gone(&step), [""; 0]);
    let step = gossip.tick(at + secs(10), &mut |_| 0);
    assert_eq!(gone(&step), [""; 0], "it refuted the claim");
}

#[test]
fn a_node_that_does_not_answer_a_claim_goes_offline_at_the_claimed_number() {
    let now = start();
    let mut gossip = with_two(now);
    let at = now + secs(5);
    let step = gossip.response(&id("a"), &offline(&[("b", 9)]), at);
    assert_eq!(sent_to(&step), ["b"]);
    assert_eq!(gone(&gossip.tick(at + ms(1_999), &mut |_| 0)), [""; 0]);
    assert_eq!(gone(&gossip.tick(at + secs(2), &mut |_| 0)), ["b"]);
    assert_eq!(gossip.digest().offline[&id("b")], 9);
}

#[test]
fn a_node_that_still_talks_to_us_is_asked_again_instead_of_dropped() {
    let now = start();
    let mut gossip = with_two(now);
    let mut at = now + secs(5);
    let _ = gossip.response(&id("a"), &offline(&[("b", 9)]), at);
    for _ in 0..5 {
        let _ = gossip.heard(&id("b"), at + secs(1));
        at += secs(2);
        let step = gossip.tick(at, &mut |_| 0);
        assert_eq!(gone(&step), [""; 0]);
        assert!(sent_to(&step).contains(&"b"));
    }
}

#[test]
fn offline_rows_about_unknown_nodes_and_with_number_zero_are_ignored() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.response(&id("a"), &offline(&[("ghost", 7), ("b", 0), ("me", 99)]), now);
    assert!(step.changes.is_empty() && step.sends.is_empty());
    assert_eq!((gossip.len(), gossip.own().seq), (2, 1));
}

#[test]
fn a_row_is_about_its_key_and_not_about_its_sender() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.response(&id("a"), &online(&[("c", card("c", 2))]), now);
    assert!(matches!(&step.changes[..], [Change::Online { node, .. }] if *node == id("c")));
    assert_eq!(gossip.address_of(&id("c")).as_deref(), Some("c:4000"));
    assert_eq!(sent_to(&step), ["c"], "it is introduced to us, so we introduce ourselves");
}

#[test]
fn a_node_that_states_a_smaller_number_than_ours_learns_ours() {
    let now = start();
    let mut gossip = with_two(now);
    let at = now + secs(1);
    let step = gossip.request(&id("b"), &digest(&[("b", 2), ("me", 1)], &[]), at);
    let asked = requests(&step.sends);
    assert_eq!(asked, [("b", &digest(&[("a", 5), ("me", 1)], &[("b", 5)]))]);
    assert!(gossip.is_online(&id("b")), "nobody is dropped for a forged packet");
    let fresh = Card { seq: 6, ..Card::new("b", 4_001, "b-2") };
    let step = gossip.response(&id("b"), &online(&[("b", fresh)]), at + ms(2));
    assert!(matches!(&step.changes[..], [Change::Updated { replaced: true, .. }]));
    assert!(gossip.suspects.is_empty());
}

#[test]
fn a_relayed_info_of_another_instance_does_not_replace_an_online_node_unasked() {
    let now = start();
    let mut gossip = with_two(now);
    let at = now + secs(1);
    let thief = Card { seq: 999, ..Card::new("evil", 666, "b-2") };
    let step = gossip.response(&id("a"), &online(&[("b", thief.clone())]), at);
    assert!(step.changes.is_empty());
    assert_eq!(requests(&step.sends), [("b", &digest(&[("a", 5), ("me", 1)], &[]))]);
    let step = gossip.response(&id("b"), &online(&[("b", card("b", 5))]), at + ms(5));
    assert!(step.changes.is_empty() && gossip.suspects.is_empty(), "the node itself answered");

    // If the old instance is gone instead, the other one is believed.
    let _ = gossip.lost(&id("b"), false, at + secs(1));
    let _ = gossip.response(&id("b"), &online(&[("b", thief)]), at + secs(1));
    assert_eq!(gossip.info_of(&id("b")).unwrap().seq, 999);
}

#[test]
fn a_datagram_does_not_move_an_online_node_until_its_address_fails() {
    let now = start();
    let mut gossip = with_two(now);
    let before = gossip.address_of(&id("a"));
    let step = gossip.sighted(&id("a"), "198.51.100.6:666", remote("198.51.100.6"), now);
    assert!(step.sends.is_empty());
    assert_eq!(gossip.address_of(&id("a")), before);
    let _ = gossip.lost(&id("a"), true, now);
    assert_eq!(gossip.address_of(&id("a")).as_deref(), Some("198.51.100.6:666"));
}

#[test]
fn sightings_with_impossible_addresses_leave_no_trace() {
    let mut gossip = table();
    for bad in ["a:0", "a:70000", "a:-1", "a:1e3", ":4000", "a", "", "a\n:1"] {
        let step = gossip.sighted(&id("x"), bad, remote("192.0.2.1"), start());
        assert!(step.sends.is_empty());
    }
    let _ = gossip.hello(&id("x"), "x", 0, None, start());
    assert_eq!(gossip.len(), 0);
}

#[test]
fn a_flood_of_random_ids_keeps_the_table_and_the_questions_bounded() {
    let now = start();
    let mut gossip = with_two(now);
    let _ = gossip.sighted(&id("fixed"), "192.0.2.9:4000", None, now);
    let mut questions = 0;
    for i in 0..30_000 {
        let step = gossip.sighted(&id(&format!("ghost-{i}")), "192.0.2.66:1", remote("192.0.2.66"), now);
        questions += step.sends.len();
    }
    assert_eq!(gossip.len(), 10_000);
    assert!(questions <= 128, "{questions}");
    assert!(gossip.is_online(&id("a")) && gossip.address_of(&id("fixed")).is_some());
    assert!(gossip.address_of(&id("ghost-29999")).is_some(), "the newest is there");
    assert!(gossip.address_of(&id("ghost-0")).is_none(), "the oldest made room");
}

#[test]
fn info_rows_of_one_owner_are_limited_whoever_relays_them() {
    let now = start();
    let mut gossip = with_two(now);
    let mut taken = 0;
    for seq in 6..200 {
        let relay = if seq % 2 == 0 { "a" } else { "c" };
        taken += gossip.response(&id(relay), &online(&[("b", card("b", seq))]), now).changes.len();
    }
    assert_eq!(taken, 9, "one of ten was used when it came");
    let step = gossip.response(&id("a"), &online(&[("b", card("b", 300))]), now + secs(1));
    assert_eq!(step.changes.len(), 1);
}

#[test]
fn offline_nodes_are_forgotten_unless_configured() {
    let now = start();
    let mut gossip = with_two(now);
    let _ = gossip.sighted(&id("fixed"), "192.0.2.9:4000", None, now);
    let _ = gossip.sighted(&id("ghost"), "192.0.2.8:4000", remote("192.0.2.8"), now);
    let _ = gossip.lost(&id("a"), false, now + secs(100));
    let step = gossip.tick(now + secs(600), &mut |_| 0);
    assert_eq!(step.changes, [Change::Forgotten { node: id("ghost") }]);
    let step = gossip.tick(now + secs(700), &mut |_| 0);
    assert_eq!(step.changes, [Change::Forgotten { node: id("a") }]);
    assert_eq!(gossip.len(), 2);
}

#[test]
fn who_leaves_tells_every_online_peer_and_asks_nobody_any_more() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.leaving();
    assert_eq!(sent_to(&step), ["a", "b"]);
    for (_, rows) in responses(&step.sends) {
        let Row::Info { info, .. } = &rows.online[&id("me")] else { panic!("no INFO") };
        assert_eq!((info.seq, info.services), (2, 0));
    }
    assert!(gossip.tick(now + secs(2), &mut |_| 0).sends.is_empty());
    let step = gossip.request(&id("a"), &digest(&[("a", 9)], &[]), now + secs(2));
    assert_eq!((requests(&step.sends).len(), responses(&step.sends).len()), (0, 1));
}

#[test]
fn only_a_changed_load_counts() {
    let mut gossip = table();
    for cpu in [0, 0, 7, 7, 8] {
        gossip.measured(cpu);
    }
    let own = gossip.digest().online[&id("me")];
    assert_eq!((own.cpu_seq, own.cpu), (3, 8));
}

#[test]
fn loads_travel_with_requests_and_in_short_rows() {
    let now = start();
    let mut gossip = with_two(now);
    let mut theirs = digest(&[("a", 5), ("b", 5), ("me", 1)], &[]);
    theirs.online.insert(id("b"), crate::discovery::gossip::Seen { cpu_seq: 4, cpu: 40, ..seen(5) });
    let step = gossip.request(&id("a"), &theirs, now);
    assert_eq!(step.changes, [Change::Cpu { node: id("b"), cpu: 40 }]);
    let step = gossip.request(&id("a"), &digest(&[("a", 5), ("b", 5), ("me", 1)], &[]), now);
    assert_eq!(responses(&step.sends)[0].1.online[&id("b")], Row::Cpu { cpu_seq: 4, cpu: 40 });
}

#[test]
fn the_version_is_that_of_the_last_packet_else_what_the_info_tells() {
    let now = start();
    let mut gossip = with_two(now);
    assert_eq!(gossip.version_of(&id("a")), Some(5));
    gossip.stamped(&id("a"), 4);
    assert_eq!(gossip.version_of(&id("a")), Some(4));
    assert_eq!(gossip.version_of(&id("nobody")), None);
}

#[test]
fn packets_and_rows_under_our_own_id_are_evidence_and_nothing_else() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.hello(&id("me"), "other", 5_000, None, now);
    assert_eq!(step.evidence[0].address.as_deref(), Some("other:5000"));
    let step = gossip.hello(&id("me"), "me", 4_000, None, now);
    assert!(step.evidence.is_empty(), "it came over a connection to ourselves");
    let step = gossip.sighted(&id("me"), "192.0.2.5:5000", remote("192.0.2.5"), now);
    assert_eq!(step.evidence[0].source, Source::Datagram);
    let step = gossip.sighted(&id("me"), "192.0.2.5:5000", None, now);
    assert_eq!(step.evidence[0].source, Source::Configured);
    let step = gossip.response(&id("a"), &online(&[("me", Card::new("other", 5_000, "me-2"))]), now);
    assert_eq!(step.evidence[0].instance.as_deref(), Some("me-2"));
    let step = gossip.response(&id("a"), &online(&[("me", Card::new("me", 4_000, "me-1"))]), now);
    assert!(step.evidence.is_empty());
    let step = gossip.request(&id("me"), &digest(&[("me", 99)], &[]), now);
    assert!(step.sends.is_empty() && gossip.own().seq == 1);
}

#[test]
fn a_response_stays_below_its_weight_and_always_holds_our_own_row() {
    let now = start();
    let options = Options { response_weight: 10_500, ..Options::default() };
    let mut gossip = Gossip::new(id("me"), &Card::new("me", 4_000, "me-1"), options);
    let _ = gossip.hello(&id("a"), "a", 4_000, None, now);
    for i in 0..50 {
        let node = format!("n{i}");
        let _ = gossip.response(&id("a"), &online(&[(&node, card(&node, 2))]), now);
    }
    let step = gossip.request(&id("a"), &digest(&[("a", 1)], &[]), now);
    let (_, rows) = responses(&step.sends).remove(0);
    assert_eq!(rows.online.len(), 10);
    assert!(rows.online.contains_key(&id("me")));
}

#[test]
fn a_packet_of_a_node_that_we_hold_offline_brings_a_question() {
    let now = start();
    let mut gossip = with_two(now);
    let _ = gossip.lost(&id("b"), true, now);
    assert_eq!(sent_to(&gossip.heard(&id("b"), now + secs(1))), ["b"]);
    assert!(gossip.heard(&id("a"), now + secs(1)).sends.is_empty());
    assert!(gossip.heard(&id("nobody"), now + secs(1)).sends.is_empty());
}

#[test]
fn lost_and_configured_nodes_are_retried_each_round_whatever_the_dice_say() {
    let now = start();
    let mut gossip = with_two(now);
    let _ = gossip.sighted(&id("fixed"), "192.0.2.9:4000", None, now);
    let _ = gossip.sighted(&id("ghost"), "192.0.2.8:4000", remote("192.0.2.8"), now);
    let _ = gossip.lost(&id("b"), false, now);
    let mut round = |after| {
        let step = gossip.tick(now + secs(after), &mut |n| n - 1);
        let mut sent: Vec<_> = step.sends.iter().map(|send| send.to.to_string()).collect();
        sent.sort();
        sent
    };
    // Three offline and one online make Node's rule certain; the highest draw gives it the ghost.
    assert_eq!(round(2), ["a", "b", "fixed", "ghost"]);
    assert_eq!(round(118), ["a", "b", "fixed", "ghost"]);
    assert_eq!(round(120), ["a", "fixed", "ghost"], "given up, but for chance");
}

#[test]
fn a_peer_that_speaks_while_our_connection_to_it_fails_is_told_and_asked_once_more() {
    let now = start();
    let mut gossip = table();
    let step = gossip.sighted(&id("a"), "192.0.2.1:4000", None, now);
    assert_eq!(requests(&step.sends).len(), 1);
    // It came up just after that connection was refused, which we learn only after its HELLO.
    let step = gossip.hello(&id("a"), "192.0.2.1", 4_000, remote("192.0.2.1"), now + ms(1));
    assert_eq!(sent_to(&step), [""; 0], "it has been asked a moment ago");
    let step = gossip.lost(&id("a"), false, now + ms(2));
    assert_eq!(sent_to(&step), ["a", "a"]);
    assert_eq!((requests(&step.sends).len(), responses(&step.sends).len()), (1, 1));
    // When that fails as well, there is nothing new that speaks for it.
    let step = gossip.lost(&id("a"), false, now + ms(3));
    assert!(step.sends.is_empty());
}

#[test]
fn news_go_to_peers_that_have_only_said_hello_so_far_and_not_to_those_that_are_silent() {
    let now = start();
    let mut gossip = with_two(now);
    let _ = gossip.hello(&id("c"), "192.0.2.3", 4_000, remote("192.0.2.3"), now);
    let _ = gossip.sighted(&id("d"), "192.0.2.4:4000", None, now);
    let _ = gossip.lost(&id("b"), false, now + ms(1));
    let step = gossip.own_changed(&Card::new("me", 4_000, "me-1"), &mut |_| 0);
    assert_eq!(sent_to(&step), ["a", "c"]);
}

/// As `me` says of itself, with another number and without services.
fn forged(seq: u64) -> ResponseRows<Card> {
    online(&[("me", Card { seq, services: 0, ..Card::new("me", 4_000, "me-1") })])
}

#[test]
fn a_row_about_us_that_we_did_not_make_is_outdone_and_told() {
    let now = start();
    let mut gossip = with_two(now);
    for (seq, told, own) in [(2, Some(2), 3), (3, None, 3), (1, None, 3), (9, Some(9), 10)] {
        let step = gossip.response(&id("a"), &forged(seq), now);
        assert_eq!((step.forged, gossip.own().seq), (told, own), "{seq}");
        assert!(step.changes.is_empty() && step.evidence.is_empty());
    }
    let step = gossip.response(&id("a"), &forged(MAX_SEQ), now);
    assert_eq!((step.forged, gossip.own().seq), (Some(MAX_SEQ), 10), "that cannot be exceeded");
}

#[test]
fn whoever_states_a_number_of_ours_that_cannot_be_exceeded_is_told_our_own_row() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.request(&id("a"), &digest(&[("me", MAX_SEQ), ("a", 5), ("b", 5)], &[]), now);
    assert!(responses(&step.sends)[0].1.online.contains_key(&id("me")));
    assert_eq!(gossip.own().seq, 1);
}

#[test]
fn above_the_ceiling_only_a_node_itself_is_believed_and_its_last_word_counts() {
    let now = start();
    let mut gossip = with_two(now);
    let step = gossip.response(&id("b"), &online(&[("a", card("a", MAX_CLAIM + 1))]), now);
    assert_eq!((step.changes.len(), gossip.peers["a"].seq), (0, 5), "somebody else's word");
    let step = gossip.request(&id("b"), &digest(&[("b", 5), ("a", MAX_CLAIM + 1), ("me", 1)], &[]), now);
    assert_eq!(requests(&step.sends), [], "and no news either");
    // Whoever said this said it was `a`.
    let _ = gossip.response(&id("a"), &online(&[("a", card("a", MAX_SEQ))]), now);
    assert_eq!(gossip.peers["a"].seq, MAX_SEQ);
    let step = gossip.response(&id("b"), &online(&[("a", card("a", 6))]), now);
    assert_eq!((step.changes.len(), gossip.peers["a"].seq), (0, MAX_SEQ));
    for seq in [6, 7] {
        let _ = gossip.response(&id("a"), &online(&[("a", card("a", seq))]), now);
        assert_eq!(gossip.peers["a"].seq, seq);
    }
    let _ = gossip.response(&id("a"), &online(&[("a", card("a", 6))]), now);
    assert_eq!(gossip.peers["a"].seq, 7, "numbers count again");
}

#[test]
fn in_a_full_table_the_node_that_is_offline_longest_makes_room_and_configured_ones_do_not() {
    let now = start();
    let options = Options { max_nodes: 3, ..Options::default() };
    let mut gossip = Gossip::new(id("me"), &Card::new("me", 4_000, "me-1"), options);
    let _ = gossip.sighted(&id("a"), "192.0.2.9:4000", None, now);
    let _ = gossip.response(
        &id("x"),
        &online(&[("a", card("a", 5)), ("b", card("b", 5)), ("c", card("c", 5))]),
        now,
    );
    let step = gossip.response(&id("x"), &online(&[("d", card("d", 5))]), now);
    assert!(step.changes.is_empty() && gossip.len() == 3, "all are online");
    for (at, node) in ["a", "c", "b"].iter().enumerate() {
        let _ = gossip.lost(&id(node), true, now + secs(at as u64));
    }
    let later = now + secs(10);
    let step = gossip.response(&id("x"), &online(&[("d", card("d", 5))]), later);
    assert_eq!(step.changes[0], Change::Forgotten { node: id("c") });
    assert!(gossip.is_online(&id("d")) && gossip.len() == 3);
    let step = gossip.response(&id("x"), &online(&[("e", card("e", 5))]), later);
    assert_eq!(step.changes[0], Change::Forgotten { node: id("b") });
    let step = gossip.response(&id("x"), &online(&[("f", card("f", 5))]), later);
    assert!(step.changes.is_empty(), "the only offline one is configured");
}
