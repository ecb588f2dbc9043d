//! Whatever happens, those who watch over nodes and the registry know the same ones.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::discovery::record_names::Beat;
use crate::membership::records::StoreEvent;
use crate::protocol::ProtocolVersion;

#[derive(Debug, Clone)]
enum Step {
    /// What a node says of itself, or what cannot be read.
    Info {
        node: usize,
        run: u64,
        seq: u64,
        readable: bool,
    },
    Beat(usize),
    Farewell(usize),
    Stranger(usize),
    Lost(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..6_usize;
    prop_oneof![
        6 => (node.clone(), 0..2_u64, 1..6_u64, prop::bool::weighted(0.8))
            .prop_map(|(node, run, seq, readable)| Step::Info { node, run, seq, readable }),
        2 => node.clone().prop_map(Step::Beat),
        2 => node.clone().prop_map(Step::Farewell),
        1 => node.clone().prop_map(Step::Stranger),
        1 => node.prop_map(Step::Lost),
        3 => (0..30_000_u64).prop_map(Step::Wait),
    ]
}

fn instance(run: u64) -> String {
    format!("{run:08}-rest")
}

impl Stage {
    fn go(&mut self, step: &Step) {
        let name = |node: &usize| format!("n{node}");
        let id = |node: &usize| NodeId::new(name(node)).unwrap();
        match step {
            Step::Wait(millis) => return self.wait(Duration::from_millis(*millis)),
            Step::Stranger(node) => {
                return self.take(Message::Stranger { node: id(node), version: ProtocolVersion::V5 });
            }
            Step::Lost(node) => return self.take(Message::Lost { node: id(node) }),
            _ => {}
        }
        let offers = |readable: &bool, seq| {
            if *readable { json!([{ "name": format!("s{seq}") }]) } else { json!([5]) }
        };
        match (self.way, step) {
            (Way::Bus, Step::Info { node, run, seq, readable }) => {
                let info = info(&instance(*run), *seq, &offers(readable, *seq));
                self.packet(&name(node), PacketKind::Info, info);
            }
            (Way::Bus, Step::Beat(node)) => {
                self.packet(&name(node), PacketKind::Heartbeat, json!({ "cpu": 5 }));
            }
            (Way::Bus | Way::Records, Step::Farewell(node)) => {
                self.packet(&name(node), PacketKind::Disconnect, json!({}));
            }
            (Way::Records, Step::Info { node, run, seq, readable }) => {
                let mut info = info(&instance(*run), *seq, &offers(readable, *seq));
                info["ver"] = json!("5");
                info["sender"] = json!(name(node));
                let value = Some(info.to_string().into());
                self.take(Message::Discovered(StoreEvent::Info { node: id(node), value }));
            }
            (Way::Records, Step::Beat(node)) => {
                let beat = Beat { node: id(node), instance: instance(0)[..8].into(), seq: 1 };
                self.take(Message::Discovered(StoreEvent::Beats(vec![(beat, None)])));
            }
            (Way::Tcp, Step::Info { node, run, seq, readable }) => {
                let mut rows = serde_json::Map::new();
                let info = info(&instance(*run), *seq, &offers(readable, *seq));
                rows.insert(name(node), json!([info, 1, 5]));
                self.packet(&name(node), PacketKind::GossipResponse, json!({ "online": rows }));
            }
            (Way::Tcp, Step::Beat(node)) => {
                let hello = json!({ "host": "127.0.0.1", "port": 9 });
                self.packet(&name(node), PacketKind::GossipHello, hello);
            }
            (Way::Tcp, Step::Farewell(node)) => {
                let (gone, author) = (name(node), name(&((node + 1) % 6)));
                let claim = json!({ "online": { &author: [1, 1, 5] }, "offline": { gone: 9 } });
                self.packet(&author, PacketKind::GossipRequest, claim);
            }
            (_, Step::Wait(_) | Step::Stranger(_) | Step::Lost(_)) => {}
        }
    }
}

fn run(
    stage: impl Future<Output = Stage>,
    paused: bool,
    steps: &[Step],
    agree: impl Fn(&View, &View) -> bool,
) -> Result<(), TestCaseError> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(paused).build().unwrap();
    runtime.block_on(async {
        let mut stage = stage.await;
        for step in steps {
            stage.go(step);
            stage.ordered();
            let (known, watched) = (stage.known_to_the_registry(), stage.known_to_membership());
            prop_assert!(known.len() <= MAX_NODES, "{known:?} after {step:?}");
            prop_assert!(agree(&known, &watched), "{known:?} {watched:?} after {step:?}");
        }
        // All that are silent are forgotten in the end, by both.
        stage.wait(Duration::from_secs(200));
        let forgotten = match stage.way {
            // Its records tell who lives.
            Way::Records => true,
            _ => stage.known_to_the_registry().is_empty(),
        };
        let (known, watched) = (stage.known_to_the_registry(), stage.known_to_membership());
        prop_assert!(agree(&known, &watched), "{known:?} {watched:?} in the end");
        prop_assert!(forgotten || stage.way == Way::Tcp, "{known:?}");
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn on_a_bus_exactly_the_nodes_are_watched_that_the_registry_knows(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Stage::bus(), true, &steps, |known, watched| known == watched)?;
    }

    #[test]
    fn with_a_discoverer_exactly_the_nodes_are_watched_that_the_registry_knows(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Stage::records(), true, &steps, |known, watched| known == watched)?;
    }

    /// Between peers others' rows are passed on although they cannot be read here.
    #[test]
    fn between_peers_exactly_the_rows_are_listed_that_the_registry_knows(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Stage::tcp(), false, &steps, |known, watched| {
            known.keys().eq(watched.keys()) && known.iter().all(|(node, online)| !online || watched[node])
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_is_online_once_its_services_could_be_read_and_not_before() {
    let mut stage = Stage::bus().await;
    let node = NodeId::new("n").unwrap();
    for (seq, services, online) in
        [(1, json!([5]), None), (2, json!([]), Some(&true)), (3, json!([5]), Some(&true))]
    {
        stage.packet("n", PacketKind::Info, info("i", seq, &services));
        assert_eq!(stage.known_to_membership().get(&node), online, "{seq}");
        assert_eq!(stage.known_to_the_registry().get(&node), online, "{seq}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_offline_is_forgotten_in_a_full_table_too() {
    let mut stage = Stage::bus().await;
    let mut removed = stage.broker.local_events("$node.removed");
    let says = |stage: &mut Stage, node: &str| stage.packet(node, PacketKind::Info, info("i", 1, &json!([])));
    for node in ["a", "b", "c"] {
        says(&mut stage, node);
        stage.wait(Duration::from_millis(1));
    }
    // The last to go was the first to come.
    for node in ["c", "b", "a"] {
        stage.packet(node, PacketKind::Disconnect, json!({}));
        stage.packet(node, PacketKind::Heartbeat, json!({}));
        stage.wait(Duration::from_millis(1));
    }
    for node in ["d", "e"] {
        says(&mut stage, node);
    }
    assert_eq!(stage.known_to_the_registry(), stage.known_to_membership());
    stage.wait(Duration::from_secs(100));
    assert_eq!((stage.known_to_the_registry(), stage.known_to_membership()), (View::new(), View::new()));
    assert_eq!(std::iter::from_fn(|| removed.try_recv()).count(), 5, "each is told of once");
}
