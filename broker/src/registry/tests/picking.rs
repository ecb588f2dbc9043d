//! Who answers a call, and what is said when nobody does.

use super::*;

#[test]
fn local_comes_first_unless_told_otherwise() {
    let (registry, _) = registry();
    registry.add_local(local("math", &["math.add", "$node.list"], &[])).unwrap();
    for node in ["a", "b"] {
        learn(&registry, node, node, 1, &[service("math", &["math.add", "$node.list"], &[])]);
    }
    let snapshot = registry.load();
    let pick = |action: &str, prefer, exclude: &[NodeIx]| match snapshot
        .action(action)
        .unwrap()
        .pick(&snapshot, prefer, None, exclude)?
    {
        Picked::Local(_) => Some("me".to_owned()),
        Picked::Remote(node, _) => Some(node.id().to_string()),
        Picked::Bus(_) => None,
    };
    assert!((0..9).all(|_| pick("math.add", true, &[]).unwrap() == "me"));
    assert!((0..9).all(|_| pick("$node.list", false, &[]).unwrap() == "me"));
    let mut turns = BTreeMap::new();
    for _ in 0..9 {
        *turns.entry(pick("math.add", false, &[]).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(turns, [("a", 3), ("b", 3), ("me", 3)].map(|(k, v)| (k.to_owned(), v)).into());
    let ix = |node: &str| snapshot.node_by_id(node).unwrap().ix();
    for _ in 0..4 {
        assert_eq!(pick("math.add", true, &[ix("me"), ix("a")]).unwrap(), "b");
    }
    assert_eq!(pick("math.add", true, &[ix("me"), ix("a"), ix("b")]), None);
    let entry = snapshot.action("math.add").unwrap();
    assert!(matches!(entry.pick_node(&snapshot, "me"), Some(Picked::Local(_))));
    assert!(matches!(entry.pick_node(&snapshot, "a"), Some(Picked::Remote(node, _)) if node.id() == "a"));
    assert!(entry.pick_node(&snapshot, "z").is_none());
}

#[test]
fn turns_go_on_when_the_list_changes() {
    let (registry, _) = registry();
    for node in ["a", "b", "c"] {
        learn(&registry, node, node, 1, &[service("m", &["m.x"], &[])]);
    }
    assert_eq!(picked(&registry, "m.x").as_deref(), Some("a"));
    learn(&registry, "d", "d", 1, &[service("m", &["m.x"], &[])]);
    assert_eq!(picked(&registry, "m.x").as_deref(), Some("b"));
}

#[test]
fn a_definition_may_name_its_strategy() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("m", &[r#"m.x="strategy":"Random""#, "m.y"], &[])]);
    let snapshot = registry.load();
    let strategy = |action| format!("{:?}", snapshot.action(action).unwrap().strategy);
    assert_eq!(strategy("m.x"), "Random");
    assert!(strategy("m.y").starts_with("RoundRobin"));
}

#[test]
fn similar_names_are_suggested() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("m", &["math.add", "math.mul", "users.list"], &[])]);
    let near = |name| registry.load().nearest_actions(name).iter().map(Name::to_string).collect::<Vec<_>>();
    assert_eq!(near("math.ad"), ["math.add"]);
    assert_eq!(near("maths.mull"), ["math.mul"]);
    assert!(near("something.else").is_empty());
}
