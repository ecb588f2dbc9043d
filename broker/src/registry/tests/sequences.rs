//! Any sequence of changes ends like a registry built from scratch.

use super::*;
use proptest::prelude::*;

const NODES: [&str; 4] = ["a", "b", "c", "d"];
const SERVICES: [&str; 3] = ["s", "t", "u"];

#[derive(Debug, Clone)]
enum Step {
    Info { node: usize, instance: u8, seq: u64, offer: Vec<(u8, u8)> },
    Lost(usize),
    Remove(usize),
    AddLocal { service: usize, actions: u8 },
    RemoveLocal(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let offer = proptest::collection::vec((any::<u8>(), any::<u8>()), 0..=SERVICES.len());
    prop_oneof![
        6 => (0..NODES.len(), 0_u8..2, 1_u64..6, offer)
            .prop_map(|(node, instance, seq, offer)| Step::Info { node, instance, seq, offer }),
        2 => (0..NODES.len()).prop_map(Step::Lost),
        1 => (0..NODES.len()).prop_map(Step::Remove),
        2 => (0..SERVICES.len(), any::<u8>()).prop_map(|(service, actions)| Step::AddLocal { service, actions }),
        1 => (0..SERVICES.len()).prop_map(Step::RemoveLocal),
    ]
}

/// Names and definitions by the bits of a number. Names are shared by services, so they can collide.
fn names(bits: u8) -> Vec<String> {
    (0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| format!("x.{bit}")).collect()
}

fn offered(offer: &[(u8, u8)]) -> Vec<String> {
    SERVICES
        .iter()
        .zip(offer)
        .map(|(name, (actions, events))| {
            let define = |name: String| format!(r#"{name}="d":{}"#, actions >> 6);
            let actions: Vec<_> = names(*actions).into_iter().map(define).collect();
            let events = names(*events);
            service(
                name,
                &actions.iter().map(String::as_str).collect::<Vec<_>>(),
                &events.iter().map(String::as_str).collect::<Vec<_>>(),
            )
        })
        .collect()
}

type Model = BTreeMap<&'static str, (String, u64, bool, Vec<String>)>;

/// All that can be found in a snapshot, in a form that can be compared.
fn content(snapshot: &Snapshot) -> BTreeMap<String, BTreeSet<String>> {
    let mut content = BTreeMap::new();
    for entry in snapshot.actions().filter(|entry| entry.available() > 0) {
        let endpoints: Vec<_> = entry
            .endpoints(snapshot)
            .map(|(node, action)| format!("{} {} {:?}", node.id(), action.service, action.definition))
            .collect();
        assert_eq!(endpoints.len(), entry.available(), "an endpoint without node or definition");
        content.insert(format!("action {}", entry.name()), endpoints.into_iter().collect());
    }
    for list in snapshot.event_lists().filter(|list| !list.available.is_empty()) {
        let nodes = list.available.iter().map(|target| snapshot.node(target.node).unwrap().id().to_string());
        let own = list.local.iter().map(|sub| format!("local {}", sub.service));
        content.insert(format!("event {:?}", list.key), nodes.chain(own).collect());
    }
    content
}

fn check(snapshot: &Snapshot) {
    for entry in snapshot.actions() {
        let mut seen = BTreeSet::new();
        for (node, action) in entry.endpoints(snapshot) {
            assert!(seen.insert(node.ix()), "{} lists {} twice", entry.name(), node.id());
            assert!(node.is_available(), "{} lists {}, which is offline", entry.name(), node.id());
            assert!(
                node.services()
                    .actions()
                    .any(|a| a.name == *entry.name() && a.definition == action.definition),
                "{} lists {}, which does not offer it so",
                entry.name(),
                node.id()
            );
        }
        assert_eq!(entry.available() == 0, entry.idle != 0);
    }
    for node in snapshot.nodes() {
        assert!(Arc::ptr_eq(snapshot.node_by_id(node.id().as_str()).unwrap(), node));
        for action in node.services().actions() {
            assert!(snapshot.action(&action.name).unwrap().available.of_node(node.ix()).is_some());
        }
        for event in node.services().events() {
            let list = snapshot.event_lists().find(|list| *list.key == *event.key()).unwrap();
            assert!(list.available.of_node(node.ix()).is_some());
        }
        assert_eq!(node.is_available(), node.offline_since().is_none());
    }
}

fn model_info(model: &mut Model, node: &'static str, instance: &str, seq: u64, services: Vec<String>) {
    let known = model.entry(node).or_insert_with(|| (String::new(), 0, false, Vec::new()));
    let counts = !known.2 || known.0 != instance || seq > known.1;
    if counts {
        *known = (instance.to_owned(), seq, true, services);
    }
}

fn run(steps: &[Step]) {
    let (registry, now, _) = registry_of(100);
    let mut model = Model::new();
    let mut own: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Info { node, instance, seq, offer } => {
                let (node, instance) = (NODES[*node], format!("i{instance}"));
                let services = offered(offer);
                learn(&registry, node, &instance, *seq, &services);
                model_info(&mut model, node, &instance, *seq, services);
            }
            Step::Lost(node) => {
                registry.node_lost(NODES[*node], now);
                if let Some(known) = model.get_mut(NODES[*node]).filter(|known| known.2) {
                    *known = (known.0.clone(), known.1 + 1, false, Vec::new());
                }
            }
            Step::Remove(node) => {
                registry.remove_node(NODES[*node]);
                model.remove(NODES[*node]);
            }
            Step::AddLocal { service, actions } => {
                let (name, actions) = (SERVICES[*service], names(*actions));
                let texts: Vec<_> = actions.iter().map(String::as_str).collect();
                let events: Vec<_> = texts.iter().map(|name| (*name, "t")).collect();
                let taken = own.contains_key(name) || own.values().flatten().any(|a| actions.contains(a));
                assert_eq!(registry.add_local(local(name, &texts, &events)).is_err(), taken);
                if !taken {
                    own.insert(name, actions);
                }
            }
            Step::RemoveLocal(service) => {
                assert_eq!(
                    registry.remove_local(SERVICES[*service]),
                    own.remove(SERVICES[*service]).is_some()
                );
            }
        }
        check(&registry.load());
    }

    let (fresh, ..) = registry_of(100);
    for (name, actions) in &own {
        let texts: Vec<_> = actions.iter().map(String::as_str).collect();
        let events: Vec<_> = texts.iter().map(|name| (*name, "t")).collect();
        fresh.add_local(local(name, &texts, &events)).unwrap();
    }
    for (node, (instance, seq, _, services)) in model.iter().filter(|(_, known)| known.2) {
        learn(&fresh, node, instance, *seq, services);
    }
    assert_eq!(content(&registry.load()), content(&fresh.load()));
    for (node, (_, seq, available, _)) in &model {
        let node = registry.load().node_by_id(node).unwrap().clone();
        assert_eq!((node.seq(), node.is_available()), (*seq, *available));
    }
    assert_eq!(registry.load().nodes().count(), model.len() + 1);
    registry.update(|catalog| {
        let distinct: BTreeSet<_> = model.values().filter(|known| known.2).map(|known| &known.3).collect();
        assert_eq!(catalog.shared_values(), distinct.len());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_changes_ends_like_a_registry_built_from_scratch(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        run(&steps);
    }
}
