//! What holds for any packets in any order.

use ligand_transporters::NodeId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Instant;

use super::node::NodeJs;
use super::{Card, Dice, Digest, ResponseRows, id, responses, secs, start};
use crate::discovery::gossip::digest::MAX_SEQ;
use crate::discovery::gossip::{Gossip, Options, Row, Seen, What};

const NAMES: [&str; 6] = ["me", "a", "b", "c", "d", "e"];

fn name() -> impl Strategy<Value = NodeId> {
    prop::sample::select(&NAMES[..]).prop_map(id)
}

fn card(node: &NodeId, seq: u64, run: u8) -> Card {
    Card { seq, ..Card::new(node.as_str(), 4_000 + u16::from(run), &format!("{node}-{run}")) }
}

/// Small numbers, so that they meet, and dangerous ones.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..8, 1 => MAX_SEQ - 2..MAX_SEQ + 2, 1 => any::<u64>()]
}

fn any_digest() -> impl Strategy<Value = Digest> {
    let seen = (number(), number(), any::<u32>()).prop_map(|(seq, cpu_seq, cpu)| Seen { seq, cpu_seq, cpu });
    let online = prop::collection::btree_map(name(), seen, 0..6);
    (online, prop::collection::btree_map(name(), number(), 0..6))
        .prop_map(|(online, offline)| Digest { online, offline })
}

/// `runs` is how many instances of a node may appear.
fn rows(
    names: impl Strategy<Value = NodeId>,
    seq: impl Strategy<Value = u64>,
    runs: u8,
) -> impl Strategy<Value = ResponseRows<Card>> {
    let row = (names, seq, 0..runs, number(), any::<u32>(), 0..4);
    prop::collection::vec(row, 0..6).prop_map(|rows| {
        let mut response = ResponseRows::default();
        for (node, seq, run, cpu_seq, cpu, kind) in rows {
            match kind {
                0 => drop(response.offline.insert(node, seq)),
                1 => drop(response.online.insert(node, Row::Cpu { cpu_seq, cpu })),
                _ => {
                    let info = card(&node, seq, run);
                    response.online.insert(node, Row::Info { info, cpu_seq, cpu });
                }
            }
        }
        response
    })
}

#[derive(Debug, Clone)]
enum Input {
    Sighted(NodeId, bool),
    Hello(NodeId, u16),
    Request(NodeId, Digest),
    Response(NodeId, ResponseRows<Card>),
    Heard(NodeId),
    Lost(NodeId),
    Changed,
    Leaving,
    Tick,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        2 => (name(), any::<bool>()).prop_map(|(node, fixed)| Input::Sighted(node, fixed)),
        2 => (name(), 3_999u16..4_003).prop_map(|(node, port)| Input::Hello(node, port)),
        4 => (name(), any_digest()).prop_map(|(node, digest)| Input::Request(node, digest)),
        4 => (name(), rows(name(), number(), 3)).prop_map(|(node, rows)| Input::Response(node, rows)),
        1 => name().prop_map(Input::Heard),
        2 => name().prop_map(Input::Lost),
        1 => Just(Input::Changed),
        1 => Just(Input::Leaving),
        3 => Just(Input::Tick),
    ]
}

fn apply(gossip: &mut Gossip<Card>, input: Input, now: Instant, dice: &mut Dice) -> super::super::Step<Card> {
    let addr = Some("192.0.2.3:5".parse().unwrap());
    match input {
        Input::Sighted(node, fixed) => gossip.sighted(&node, "192.0.2.3:4000", addr.filter(|_| !fixed), now),
        Input::Hello(node, port) => gossip.hello(&node, "host", port, addr, now),
        Input::Request(node, digest) => gossip.request(&node, &digest, now),
        Input::Response(node, rows) => gossip.response(&node, &rows, now),
        Input::Heard(node) => gossip.heard(&node, now),
        Input::Lost(node) => gossip.lost(&node, true, now),
        Input::Changed => {
            let card = gossip.own().clone();
            gossip.own_changed(&card, &mut |n| dice.below(n))
        }
        Input::Leaving => gossip.leaving(),
        Input::Tick => gossip.tick(now, &mut |n| dice.below(n)),
    }
}

fn table() -> Gossip<Card> {
    Gossip::new(id("me"), &Card::new("me", 4_000, "me-0"), Options::default())
}

/// All that later behaviour depends on, limits aside.
type View = (BTreeMap<NodeId, (u64, bool, Option<Card>, u64, u32)>, BTreeMap<NodeId, Option<u64>>);

fn view(gossip: &Gossip<Card>) -> View {
    let peers = gossip.peers.iter().map(|(node, peer)| {
        (node.clone(), (peer.seq, peer.available, peer.info.clone(), peer.cpu_seq, peer.cpu))
    });
    let suspects = gossip.suspects.iter().map(|(node, suspicion)| (node.clone(), suspicion.claim));
    (peers.collect(), suspects.collect())
}

/// The same state in our table and in the model of Node: offline nodes and online ones.
fn same_state(states: &[(NodeId, bool, u64, u64)], own: u64, now: Instant) -> (Gossip<Card>, NodeJs) {
    let me = Card { seq: own, ..Card::new("me", 4_000, "me-0") };
    let mut ours = Gossip::new(id("me"), &me.clone(), Options::default());
    let mut js = NodeJs::new(id("me"), me);
    for (node, online, seq, cpu_seq) in states {
        let _ = ours.sighted(node, &format!("{node}:4000"), None, now);
        let mut rows = ResponseRows::default();
        if *online {
            rows.online
                .insert(node.clone(), Row::Info { info: card(node, *seq, 0), cpu_seq: *cpu_seq, cpu: 5 });
        } else {
            rows.offline.insert(node.clone(), *seq);
        }
        let _ = ours.response(node, &rows, now);
        js.add_offline(node, node.as_str(), 4_000, None);
        js.response(&rows);
    }
    (ours, js)
}

fn states() -> impl Strategy<Value = Vec<(NodeId, bool, u64, u64)>> {
    let other = prop::sample::select(&NAMES[1..]).prop_map(id);
    let state = (any::<bool>(), 1u64..8, 0u64..4);
    prop::collection::btree_map(other, state, 1..6)
        .prop_map(|map| map.into_iter().map(|(node, (on, seq, cpu))| (node, on, seq, cpu)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_packets_break_a_table(inputs in prop::collection::vec((input(), 0u64..3_000), 1..80)) {
        let options = Options { max_nodes: 4, max_suspects: 2, ..Options::default() };
        let mut gossip = Gossip::new(id("me"), &Card::new("me", 4_000, "me-0"), options);
        let (mut now, mut dice, mut own) = (start(), Dice(1), 1);
        for (input, wait) in inputs {
            now += super::ms(wait);
            let step = apply(&mut gossip, input, now, &mut dice);
            prop_assert!(gossip.len() <= 4 && gossip.suspects.len() <= 2);
            prop_assert!(gossip.suspects.keys().all(|node| gossip.is_online(node)));
            prop_assert!(gossip.own().seq >= own && gossip.own().seq <= MAX_SEQ);
            own = gossip.own().seq;
            for send in &step.sends {
                prop_assert!(send.to != "me" && gossip.peers.contains_key(&send.to));
                match &send.what {
                    What::Request(digest) => {
                        prop_assert!(digest.online.contains_key("me") && !digest.offline.contains_key("me"));
                        let seqs = digest.online.values().map(|seen| seen.seq);
                        prop_assert!(seqs.chain(digest.offline.values().copied()).all(|seq| seq <= MAX_SEQ));
                    }
                    What::Response(rows) => {
                        prop_assert!(!rows.is_empty() && !rows.offline.contains_key("me"));
                    }
                }
            }
        }
    }

    #[test]
    fn a_response_taken_twice_is_a_response_taken_once(
        inputs in prop::collection::vec(input(), 0..10),
        sender in name(),
        rows in rows(name(), number(), 3),
    ) {
        let (now, mut dice) = (start(), Dice(2));
        let mut gossip = table();
        for input in inputs {
            let _ = apply(&mut gossip, input, now, &mut dice);
        }
        // Limits of rate have nothing to do with this.
        let now = now + secs(100);
        let _ = gossip.response(&sender, &rows, now);
        let once = view(&gossip);
        let step = gossip.response(&sender, &rows, now);
        prop_assert_eq!(step.changes, []);
        prop_assert_eq!(view(&gossip), once);
    }

    #[test]
    fn responses_about_different_nodes_commute(
        inputs in prop::collection::vec(input(), 0..10),
        sender in name(),
        first in rows(prop::sample::select(&NAMES[1..3]).prop_map(id), number(), 3),
        second in rows(prop::sample::select(&NAMES[3..]).prop_map(id), number(), 3),
    ) {
        let (now, mut dice) = (start(), Dice(3));
        let mut gossip = table();
        for input in inputs {
            let _ = apply(&mut gossip, input, now, &mut dice);
        }
        let now = now + secs(100);
        let mut other = gossip.clone();
        let _ = gossip.response(&sender, &first, now);
        let _ = gossip.response(&sender, &second, now);
        let _ = other.response(&sender, &second, now);
        let _ = other.response(&sender, &first, now);
        prop_assert_eq!(view(&gossip), view(&other));
    }

    #[test]
    fn the_newest_statement_wins_in_whatever_order_statements_come(
        statements in prop::collection::btree_map(2u64..50, any::<bool>(), 1..9),
        keys in prop::collection::vec(any::<u32>(), 9),
    ) {
        let mut now = start();
        let a = id("a");
        let mut gossip = table();
        let mut rows = ResponseRows::default();
        rows.online.insert(a.clone(), Row::Info { info: card(&a, 1, 0), cpu_seq: 0, cpu: 0 });
        let _ = gossip.response(&id("b"), &rows, now);

        let mut order: Vec<_> = statements.iter().zip(keys).collect();
        order.sort_by_key(|(_, key)| *key);
        for ((&seq, &online), _) in order {
            let mut rows = ResponseRows::default();
            if online {
                rows.online.insert(a.clone(), Row::Info { info: card(&a, seq, 0), cpu_seq: 0, cpu: 0 });
            } else {
                rows.offline.insert(a.clone(), seq);
            }
            let _ = gossip.response(&id("b"), &rows, now);
        }
        for _ in 0..4 {
            now += secs(2);
            let _ = gossip.tick(now, &mut |_| 0);
        }
        let (newest, online) = statements.last_key_value().unwrap();
        let peer = &gossip.peers[&a];
        prop_assert_eq!((peer.seq, peer.available), (*newest, *online));
    }

    #[test]
    fn our_answers_are_those_of_node(
        states in states(),
        own in 1u64..8,
        asked in any_digest(),
        sender in prop::sample::select(&NAMES[1..]).prop_map(id),
    ) {
        let now = start();
        let (mut ours, mut js) = same_state(&states, own, now);
        prop_assume!(states.iter().any(|(node, ..)| *node == sender));
        let mut asked = asked;
        // The differences that the module documents: ceilings, and higher claims about ourselves.
        asked.online.retain(|node, seen| {
            seen.seq < 100 && seen.cpu_seq < 100 && (node != "me" || seen.seq <= own)
        });
        asked.offline.retain(|_, seq| *seq < 100);
        let expected = js.request(&asked);
        let step = ours.request(&sender, &asked, now + secs(1));
        let answer = responses(&step.sends).pop().map(|(_, rows)| (*rows).clone());
        prop_assert_eq!(answer, expected);
        prop_assert_eq!(ours.own().seq, js.own().seq);
        for (node, peer) in &ours.peers {
            if !ours.suspects.contains_key(node) {
                let theirs = &js.nodes[node];
                prop_assert_eq!((peer.seq, peer.available), (theirs.seq, theirs.available));
                prop_assert_eq!((peer.cpu_seq, peer.cpu), (theirs.cpu_seq, theirs.cpu));
            }
        }
    }

    #[test]
    fn we_take_from_responses_what_node_takes(
        states in states(),
        sender in name(),
        rows in rows(name(), 0u64..12, 1),
    ) {
        let now = start();
        let (mut ours, mut js) = same_state(&states, 3, now);
        let mut rows = rows;
        rows.online.retain(|_, row| match row {
            Row::Info { info, cpu_seq, .. } => info.seq > 0 && *cpu_seq < 100,
            Row::Cpu { cpu_seq, .. } => *cpu_seq < 100,
        });
        js.response(&rows);
        let _ = ours.response(&sender, &rows, now + secs(1));
        prop_assert_eq!(ours.peers.len() + 1, js.nodes.len());
        for (node, peer) in &ours.peers {
            if !ours.suspects.contains_key(node) {
                let theirs = &js.nodes[node];
                prop_assert_eq!((peer.seq, peer.available), (theirs.seq, theirs.available));
                prop_assert_eq!(&peer.info, &theirs.info);
            }
        }
    }
}
