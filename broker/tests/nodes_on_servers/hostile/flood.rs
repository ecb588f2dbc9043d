//! Many packets that are almost right.

use super::stage::{Manner, Stage};
use tests_support::outsider::captured;
use tests_support::outsider::dice::Dice;

const MUTATIONS: usize = 20_000;
/// So many are under way at most: who is flooded may turn callers away, and here none is to be.
const AT_ONCE: usize = 250;
const SEED: u64 = 0x5eed;

pub(crate) async fn on(url: &str) {
    let stage = Stage::set(url, Manner::default()).await;
    println!("the seed of the mutations is {SEED:#x}");
    let mut dice = Dice(SEED);
    let packets: Vec<_> = captured::packets()
        .into_iter()
        .filter_map(|(kind, packet)| {
            let routes: Vec<_> = stage.topics.iter().filter(|(_, own)| *own == kind).collect();
            (!routes.is_empty()).then_some((routes, packet))
        })
        .collect();
    for n in 0..MUTATIONS {
        let (routes, packet) = dice.pick(&packets);
        let (route, kind) = dice.pick(routes);
        stage.attacker.push(route, *kind, &dice.mutated(packet)).await.unwrap();
        if (n + 1) % AT_ONCE == 0 {
            stage.caught_up(n).await;
        }
    }
    stage.counted("mutations", MUTATIONS as u64 / 10).await;
    stage.is_calm("mutations").await;
    stage.end().await;
}
