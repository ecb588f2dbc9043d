//! Clusters under faults.

use super::network::Network;
use super::{Card, ResponseRows, ms, secs};
use crate::discovery::gossip::digest::MAX_CLAIM;
use crate::discovery::gossip::{Change, Row};

fn five(seed: u64) -> Network {
    let mut network = Network::new(seed);
    for slot in 0..5 {
        network.ours(if slot == 0 { &[] } else { &[0] });
    }
    network.converge(secs(10));
    network
}

#[test]
fn a_partition_of_two_and_three_is_whole_again_within_five_seconds() {
    for seed in 0..60 {
        let mut network = five(seed);
        for slot in [3, 4] {
            network.slots[slot].side = 1;
        }
        network.converge(secs(30));
        network.run(secs(40 * (seed % 3)));
        for slot in &mut network.slots {
            slot.side = 0;
        }
        network.converge(secs(5));
    }
}

#[test]
fn healing_drops_nobody_who_was_on_our_side() {
    for seed in 0..10 {
        let mut network = five(seed);
        network.slots[3].side = 1;
        network.slots[4].side = 1;
        network.converge(secs(30));
        for slot in &mut network.slots {
            slot.side = 0;
        }
        let healed = network.now;
        network.converge(secs(5));
        network.run(secs(10));
        for slot in &network.slots {
            // A connection attempt that was under way while the network was cut may still fail.
            assert_eq!(slot.departures(healed + secs(1)), 0, "{:?} in {:#?}", slot.id, slot.changes);
        }
    }
}

#[test]
fn a_hundred_nodes_cut_in_half_are_whole_again_within_five_rounds() {
    let mut network = Network::new(3);
    for slot in 0..100 {
        network.ours(if slot == 0 { &[] } else { &[0] });
    }
    network.converge(secs(20));
    for slot in 50..100 {
        network.slots[slot].side = 1;
    }
    network.run(secs(60));
    for slot in &mut network.slots {
        slot.side = 0;
    }
    network.converge(secs(10));
}

#[test]
fn a_crashed_node_is_gone_for_everybody_within_a_few_rounds() {
    for seed in 0..10 {
        let mut network = five(seed);
        network.run(secs(20));
        network.crash(2);
        network.converge(secs(8));
    }
}

#[test]
fn a_restarted_node_with_a_lower_number_replaces_its_former_self() {
    for seed in 0..20 {
        for pause in [ms(0), ms(50), secs(30)] {
            let mut network = five(seed);
            for _ in 0..6 {
                network.change_services(2);
            }
            network.run(secs(10));
            network.crash(2);
            network.run(pause);
            network.restart(2, &[0]);
            network.converge(secs(8));
        }
    }
}

#[test]
fn a_restarted_node_replaces_its_former_self_beside_node_peers_too() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        network.ours(&[]);
        network.node_js(&[0]);
        network.ours(&[0]);
        network.ours(&[0, 1]);
        network.converge(secs(20));
        network.change_services(2);
        network.run(secs(20));
        network.crash(2);
        network.run(secs(3));
        network.restart(2, &[0]);
        network.converge(secs(40));
    }
}

#[test]
fn fifty_restarts_leave_no_trace_of_the_former_runs() {
    let mut network = five(9);
    for _ in 0..50 {
        network.crash(2);
        let pause = ms(network.dice.next() % 3_000);
        network.run(pause);
        network.restart(2, &[0]);
        let pause = ms(network.dice.next() % 3_000);
        network.run(pause);
    }
    network.converge(secs(8));
}

#[test]
fn who_leaves_says_so_to_every_online_peer() {
    let mut network = five(1);
    network.leave(4);
    network.run(ms(20));
    let leaver = Network::name(4);
    for slot in 0..4 {
        assert!(network.gossip(slot).is_online(&leaver));
        assert_eq!(network.gossip(slot).info_of(&leaver).unwrap().services, 0);
    }
    network.crash(4);
    network.converge(secs(8));
}

#[test]
fn a_node_that_only_some_can_reach_does_not_come_and_go() {
    // Nodes 1 and 3 cannot connect to each other; 0 and 2 see everybody.
    for seed in 0..5 {
        let mut network = five(seed);
        network.cut = Some((1, 3));
        let from = network.now;
        network.run(secs(300));
        let count = |network: &Network, slot: usize, of: usize| {
            let of = Network::name(of);
            let came = |change: &Change<_>| matches!(change, Change::Online { node, .. } if *node == of);
            network.slots[slot].changes.iter().filter(|(at, change)| *at > from && came(change)).count()
        };
        for (slot, of) in [(1, 3), (3, 1), (0, 1), (0, 3), (2, 1), (2, 3)] {
            assert!(count(&network, slot, of) <= 1, "seed {seed}: {slot} saw {of} come back");
        }
        network.cut = None;
        network.converge(secs(5));
    }
}

#[test]
fn a_row_that_was_forged_in_a_nodes_name_does_not_stay() {
    for (seed, ahead) in [(1, 1), (2, 1_000), (3, MAX_CLAIM)] {
        let mut network = five(seed);
        let truth = network.gossip(2).own().clone();
        for (believer, author) in [(0, 1), (3, 2)] {
            let mut rows = ResponseRows::default();
            let info = Card { seq: truth.seq + ahead, services: 0, ..truth.clone() };
            rows.online.insert(Network::name(2), Row::Info { info, cpu_seq: 0, cpu: 0 });
            let now = network.instant();
            // Whoever sends it says who it is.
            let step = network.gossip(believer).response(&Network::name(author), &rows, now);
            network.take(believer, step);
        }
        assert!(!network.disagreements().is_empty(), "it is believed at first");
        network.converge(secs(20));
    }
}
