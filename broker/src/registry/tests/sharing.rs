//! What is not done twice: parsing, composing, copying, publishing.

use super::*;

#[test]
fn equal_services_are_parsed_and_composed_once() {
    let (registry, now, composed) = registry_of(100);
    let text = format!("[{}]", service("math", &["math.add", "math.sub"], &["x"]));
    let parsed = AtomicUsize::new(0);
    for node in ["a", "b", "c"] {
        let counted = |raw: &Raw| {
            parsed.fetch_add(1, Ordering::Relaxed);
            parse(raw)
        };
        registry.apply_info(&id(node), packet(node, 1, &text), now, counted).unwrap();
    }
    assert_eq!((parsed.load(Ordering::Relaxed), composed.load(Ordering::Relaxed)), (1, 2));
    // Other text, the same actions: parsed, but composed only where the definition is new.
    let other = [service("math", &["math.add", r#"math.sub="x":2"#], &["x"])];
    learn(&registry, "d", "d", 1, &other);
    assert_eq!(composed.load(Ordering::Relaxed), 3);
    let snapshot = registry.load();
    let (a, b) = (snapshot.node_by_id("a").unwrap(), snapshot.node_by_id("b").unwrap());
    assert!(Arc::ptr_eq(a.services(), b.services()));
    assert_eq!(snapshot.action("math.sub").unwrap().available(), 4);
}

#[test]
fn untouched_actions_are_shared_by_snapshots() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("m", &["m.x", "m.y"], &[])]);
    let before = registry.snapshot();
    learn(&registry, "b", "b", 1, &[service("n", &["n.x"], &[])]);
    learn(&registry, "a", "a", 2, &[service("m", &["m.x", r#"m.y="x":2"#], &[])]);
    let after = registry.snapshot();
    assert!(Arc::ptr_eq(before.action("m.x").unwrap(), after.action("m.x").unwrap()));
    assert!(!Arc::ptr_eq(before.action("m.y").unwrap(), after.action("m.y").unwrap()));
}

#[test]
fn several_changes_can_be_published_as_one() {
    let (registry, now) = registry();
    let before = registry.snapshot();
    registry.update(|catalog| {
        for node in ["a", "b"] {
            let services = format!("[{}]", service("m", &["m.x"], &[]));
            catalog.apply_info(&id(node), packet("i", 1, &services), now, parse).unwrap();
            assert!(Arc::ptr_eq(&before, &registry.snapshot()));
        }
    });
    assert_eq!(registry.load().action("m.x").unwrap().available(), 2);
}

#[test]
fn a_heartbeat_needs_no_new_snapshot() {
    let (registry, now) = registry();
    learn(&registry, "a", "i", 1, &[]);
    let before = registry.snapshot();
    assert!(registry.heartbeat("a", Some(42.0), now + Duration::from_millis(1_500)));
    assert!(!registry.heartbeat("b", None, now));
    let node = before.node_by_id("a").unwrap();
    assert_eq!(node.cpu(), (Some(42.0), 1));
    assert!(Arc::ptr_eq(&before, &registry.snapshot()));
}
