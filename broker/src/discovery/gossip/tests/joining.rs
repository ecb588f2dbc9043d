//! Clusters come together.

use super::network::Network;
use super::{ms, secs};

/// Every node knows the one started before it.
fn chain(seed: u64, nodes: usize) -> Network {
    let mut network = Network::new(seed);
    for slot in 0..nodes {
        let peers: Vec<usize> = slot.checked_sub(1).into_iter().collect();
        network.ours(&peers);
    }
    network
}

/// Every node knows the first.
fn star(seed: u64, nodes: usize) -> Network {
    let mut network = Network::new(seed);
    for slot in 0..nodes {
        network.ours(if slot == 0 { &[] } else { &[0] });
    }
    network
}

#[test]
fn two_nodes_know_each_other_within_a_few_round_trips() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        network.ours(&[]);
        network.run(secs(3));
        network.ours(&[0]);
        let took = network.converge(ms(300));
        assert!(took <= ms(100), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_node_started_before_the_peer_it_is_configured_with_finds_it_by_the_next_round() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        network.ours(&[1]);
        network.run(secs(7));
        network.ours(&[]);
        network.converge(ms(2_100));
    }
}

#[test]
fn a_change_reaches_the_others_without_waiting_for_a_round() {
    let mut network = star(7, 5);
    network.converge(secs(10));
    network.change_services(3);
    network.converge(ms(100));
}

#[test]
fn nodes_that_start_together_know_each_others_services_without_waiting_for_a_round() {
    for seed in 0..100 {
        let mut network = Network::new(seed);
        for slot in 0..5 {
            let others: Vec<usize> = (0..5).filter(|other| *other != slot).collect();
            network.ours(&others);
        }
        // Each announces its services when they have started, at whatever stage the others are.
        for slot in 0..5 {
            network.run(ms(seed % 7));
            network.change_services(slot);
        }
        let took = network.converge(secs(5));
        assert!(took <= ms(300), "seed {seed}: {took:?}");
    }
}

#[test]
fn chains_and_stars_of_any_size_converge_within_their_rounds() {
    for (nodes, rounds) in [(2, 0), (5, 1), (20, 2), (100, 4)] {
        for seed in 0..if nodes == 100 { 2 } else { 5 } {
            for mut network in [chain(seed, nodes), star(seed, nodes)] {
                network.converge(secs(2) * rounds + ms(200));
            }
        }
    }
}

#[test]
fn converged_nodes_exchange_nothing_outside_their_rounds() {
    for nodes in [2, 5] {
        let mut network = star(11, nodes);
        network.converge(secs(10));
        network.run(secs(5));
        let before: usize = network.slots.iter().map(|slot| slot.sent).sum();
        network.run(secs(20));
        let sent: usize = network.slots.iter().map(|slot| slot.sent).sum::<usize>() - before;
        assert_eq!(sent, nodes * 10, "one request per node and round, none of them answered");
    }
}

#[test]
fn clusters_of_ours_and_node_converge_whoever_knows_whom() {
    for seed in 0..20 {
        let mut network = Network::new(seed);
        for slot in 0..6 {
            let peers: &[usize] = if slot == 0 { &[] } else { &[0] };
            if (slot + usize::try_from(seed).unwrap()) % 2 == 0 {
                network.ours(peers);
            } else {
                network.node_js(peers);
            }
        }
        network.converge(secs(20));
        network.change_services(0);
        network.change_services(1);
        network.converge(secs(20));
    }
}

#[test]
fn loss_copies_and_reordering_only_slow_a_cluster_down() {
    for seed in 0..10 {
        let mut network = Network::new(seed);
        network.loss = 20;
        network.copies = 20;
        network.latency = ms(400);
        network.reorder = true;
        for slot in 0..8 {
            let peers: &[usize] = if slot == 0 { &[] } else { &[slot - 1] };
            if slot == 5 {
                network.node_js(peers)
            } else {
                network.ours(peers)
            };
        }
        network.run(secs(60));
        network.loss = 0;
        network.copies = 0;
        network.reorder = false;
        network.converge(secs(20));
    }
}
