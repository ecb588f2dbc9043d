//! Who gets an event (protocol chapter 7).

use super::*;
use crate::registry::plan::Emission;

fn remotes(emission: &Emission) -> BTreeMap<String, Vec<String>> {
    let groups = |groups: &[Name]| groups.iter().map(Name::to_string).collect();
    emission.remote.iter().map(|(node, all)| (node.id().to_string(), groups(all))).collect()
}

#[test]
fn each_group_gets_an_emitted_event_once_and_in_turn() {
    let (registry, _) = registry();
    for node in ["a", "b"] {
        learn(
            &registry,
            node,
            node,
            1,
            &[
                service("mail", &[], &["user.created"]),
                service("log", &[], &["user.*", r#"user.**="group":"audit""#]),
            ],
        );
    }
    let snapshot = registry.load();
    let first = remotes(&snapshot.emit("user.created", &[], true, None));
    assert_eq!(
        first,
        [("a".to_owned(), ["mail", "log", "audit"].iter().map(|g| g.to_string()).collect())].into()
    );
    let second = remotes(&snapshot.emit("user.created", &[], true, None));
    assert_eq!(second.keys().collect::<Vec<_>>(), ["b"]);
    let only = remotes(&snapshot.emit("user.created", &["audit".into()], true, None));
    assert_eq!(only, [("a".to_owned(), vec!["audit".to_owned()])].into());
    assert!(snapshot.emit("user", &[], true, None).remote.is_empty());
}

#[test]
fn a_group_is_named_twice_if_two_of_its_patterns_chose_the_same_node() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("svc", &[], &["x.y", "x.*"])]);
    let emission = registry.load().emit("x.y", &[], true, None);
    assert_eq!(remotes(&emission), [("a".to_owned(), vec!["svc".to_owned(); 2])].into());
}

#[test]
fn local_subscribers_come_first_and_for_internal_events_always() {
    let (registry, _) = registry();
    registry.add_local(local("l", &[], &[("x", "g"), ("$x", "g")])).unwrap();
    learn(&registry, "a", "a", 1, &[service("r", &[], &[r#"x="group":"g""#, r#"$x="group":"g""#])]);
    let snapshot = registry.load();
    for _ in 0..4 {
        let emission = snapshot.emit("x", &[], true, None);
        assert_eq!((emission.local.len(), emission.remote.len()), (1, 0));
        let emission = snapshot.emit("$x", &[], false, None);
        assert_eq!((emission.local.len(), emission.remote.len()), (1, 0));
    }
    let turns: Vec<_> = (0..4).map(|_| snapshot.emit("x", &[], false, None).local.len()).collect();
    assert_eq!(turns, [1, 0, 1, 0]);
}

#[test]
fn a_broadcast_reaches_every_node_once_and_every_local_subscriber() {
    let (registry, _) = registry();
    registry.add_local(local("one", &[], &[("x.y", "g"), ("x.*", "g")])).unwrap();
    registry.add_local(local("two", &[], &[("x.y", "g")])).unwrap();
    learn(&registry, "a", "a", 1, &[service("r", &[], &["x.y", "x.*"])]);
    learn(&registry, "b", "b", 1, &[service("s", &[], &["x.**"])]);
    let snapshot = registry.load();
    let all = snapshot.broadcast("x.y", &[]);
    assert_eq!((all.local.len(), all.remote.len()), (3, 2));
    let some = snapshot.broadcast("x.y", &["s".into()]);
    assert_eq!((some.local.len(), some.remote.len()), (0, 1));
}

#[test]
fn a_received_event_goes_to_one_subscriber_per_list_or_to_all() {
    let (registry, _) = registry();
    registry.add_local(local("one", &[], &[("x.y", "g"), ("x.*", "g"), ("x.y", "h")])).unwrap();
    registry.add_local(local("two", &[], &[("x.y", "g")])).unwrap();
    let snapshot = registry.load();
    assert_eq!(snapshot.local_handlers("x.y", &[], false).len(), 3);
    assert_eq!(snapshot.local_handlers("x.y", &["g".into()], false).len(), 2);
    assert_eq!(snapshot.local_handlers("x.y", &[], true).len(), 4);
    assert_eq!(snapshot.local_handlers("z", &[], true).len(), 0);
    let first = snapshot.local_handlers("x.y", &["g".into()], false)[0].service.clone();
    let second = snapshot.local_handlers("x.y", &["g".into()], false)[0].service.clone();
    assert_ne!(first, second);
}

#[test]
fn names_that_peers_invent_are_forgotten_again() {
    let (registry, _) = registry();
    registry.add_local(local("one", &[], &[("x.*", "g")])).unwrap();
    let snapshot = registry.load();
    for n in 0..10_000 {
        assert_eq!(snapshot.local_handlers(&format!("x.{n}"), &[], false).len(), 1);
    }
    assert_eq!(snapshot.local_handlers(&"x".repeat(10_000), &[], false).len(), 0);
}

#[test]
fn peers_cannot_make_every_event_name_expensive() {
    let (registry, _) = registry();
    let patterns: Vec<String> = (0..900).map(|n| format!("**{n}*x")).collect();
    let texts: Vec<_> = patterns.iter().map(String::as_str).collect();
    for node in ["a", "b", "c", "d", "e", "f"] {
        let own: Vec<_> = texts.iter().map(|text| format!("{node}{text}")).collect();
        learn(
            &registry,
            node,
            node,
            1,
            &[service("s", &[], &own.iter().map(String::as_str).collect::<Vec<_>>())],
        );
    }
    registry.add_local(local("one", &[], &[("**.mine.*x", "g")])).unwrap();
    assert_eq!(registry.load().event_lists().count(), 4_096 + 1);
    assert_eq!(registry.load().local_handlers("a.mine.yx", &[], false).len(), 1);
    for node in ["a", "b", "c", "d", "e", "f"] {
        registry.node_lost(node, registry.base);
    }
    assert_eq!(registry.load().broadcast("a0x", &[]).remote.len(), 0);
}

#[test]
fn an_info_of_another_node_leaves_what_is_known_of_local_subscribers_alone() {
    let (registry, _) = registry();
    registry.add_local(local("one", &[], &[("x", "g")])).unwrap();
    let before = registry.snapshot();
    learn(&registry, "a", "a", 1, &[service("s", &[], &[r#"x="group":"g""#, "y"])]);
    assert!(Arc::ptr_eq(&before.local_events, &registry.snapshot().local_events));
    assert_eq!(registry.load().local_handlers("x", &[], false).len(), 1);
    assert_eq!(registry.load().broadcast("x", &[]).remote.len(), 1);
}

#[test]
fn a_subscription_made_later_is_seen() {
    let (registry, _) = registry();
    assert!(registry.load().local_handlers("x", &[], true).is_empty());
    registry.add_local(local("one", &[], &[("x", "g")])).unwrap();
    assert_eq!(registry.load().local_handlers("x", &[], true).len(), 1);
    registry.remove_local("one");
    assert!(registry.load().local_handlers("x", &[], true).is_empty());
}
