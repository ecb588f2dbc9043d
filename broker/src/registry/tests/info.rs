//! What an INFO changes, and what it must not (protocol chapters 5.4 and 8.1).

use super::*;

#[test]
fn an_info_of_the_same_seq_and_instance_changes_no_service() {
    let (registry, _) = registry();
    let first = learn(&registry, "a", "i", 1, &[service("math", &["math.add"], &[])]);
    assert_eq!(first, InfoChange { kind: InfoKind::New, services_changed: true, evicted: None });
    let before = registry.snapshot();
    let again = learn(&registry, "a", "i", 1, &[service("math", &["math.sub"], &[])]);
    assert!(!again.services_changed);
    assert!(registry.load().action("math.sub").is_none());
    assert!(Arc::ptr_eq(before.action("math.add").unwrap(), registry.load().action("math.add").unwrap()));
    // The very same INFO does not even make a new snapshot.
    let before = registry.snapshot();
    let same = registry.apply_info(
        &id("a"),
        packet("i", 1, &format!("[{}]", service("math", &["math.sub"], &[]))),
        registry.base,
        |_| -> Result<Services, Problem> { panic!("services were parsed") },
    );
    assert_eq!(same.unwrap().kind, InfoKind::Unchanged);
    assert!(Arc::ptr_eq(&before, &registry.snapshot()));
}

#[test]
fn what_an_equal_info_says_about_the_node_is_taken_over_but_an_older_one_is_ignored() {
    let (registry, now) = registry();
    learn(&registry, "a", "i", 5, &[]);
    let mut moved = packet("i", 5, "[]");
    moved.hostname = Some("elsewhere".into());
    moved.raw = Raw::new(Bytes::from_static(br#"{"hostname":"elsewhere"}"#));
    let change = registry.apply_info(&id("a"), moved.clone(), now, parse).unwrap();
    assert_eq!(change, InfoChange { kind: InfoKind::Updated, services_changed: false, evicted: None });
    assert_eq!(registry.load().node_by_id("a").unwrap().hostname().unwrap(), "elsewhere");
    moved.seq = 4;
    moved.hostname = None;
    assert_eq!(registry.apply_info(&id("a"), moved, now, parse).unwrap().kind, InfoKind::Unchanged);
    assert_eq!(registry.load().node_by_id("a").unwrap().hostname().unwrap(), "elsewhere");
}

#[test]
fn a_restart_with_a_lower_seq_and_another_instance_replaces_the_services() {
    let (registry, _) = registry();
    learn(&registry, "a", "first", 120, &[service("math", &["math.add"], &["x"])]);
    let change = learn(&registry, "a", "second", 1, &[service("math", &["math.sub"], &["y"])]);
    assert_eq!(change, InfoChange { kind: InfoKind::Restarted, services_changed: true, evicted: None });
    assert_eq!(picked(&registry, "math.add"), None);
    assert_eq!(picked(&registry, "math.sub").as_deref(), Some("a"));
    assert_eq!(registry.load().node_by_id("a").unwrap().seq(), 1);
    assert!(registry.load().emit("x", &[], true, None).remote.is_empty());
    assert_eq!(registry.load().emit("y", &[], true, None).remote.len(), 1);
}

#[test]
fn a_lost_node_keeps_its_name_and_comes_back_with_any_seq() {
    let (registry, now) = registry();
    learn(&registry, "a", "i", 3, &[service("math", &["math.add"], &[])]);
    let lost = registry.node_lost("a", now + Duration::from_secs(1)).unwrap();
    assert_eq!((lost.seq(), lost.is_available(), lost.services().list().len()), (4, false, 0));
    assert!(registry.node_lost("a", now).is_none());
    assert!(registry.node_lost("me", now).is_none());
    assert_eq!(registry.load().action("math.add").unwrap().available(), 0);
    assert!(!registry.heartbeat("a", Some(7.0), now));
    let back = learn(&registry, "a", "i", 3, &[service("math", &["math.add"], &[])]);
    assert_eq!(back, InfoChange { kind: InfoKind::Reconnected, services_changed: true, evicted: None });
    assert_eq!(picked(&registry, "math.add").as_deref(), Some("a"));
    assert_eq!(registry.load().node_by_id("a").unwrap().seq(), 3);
}

#[test]
fn our_own_info_tells_a_conflict_from_an_echo() {
    let (registry, now) = registry();
    let kind = |instance| registry.apply_info(&id("me"), packet(instance, 9, "[]"), now, parse).unwrap().kind;
    assert_eq!(kind("own"), InfoKind::Own);
    assert_eq!(kind("other"), InfoKind::Conflict);
    assert_eq!(kind(""), InfoKind::Conflict);
}

#[test]
fn services_that_cannot_be_read_change_nothing() {
    let (registry, now) = registry();
    assert!(registry.apply_info(&id("a"), packet("i", 1, "7"), now, parse).is_err());
    assert!(registry.load().node_by_id("a").is_none());
    learn(&registry, "a", "i", 1, &[service("math", &["math.add"], &[])]);
    assert!(registry.apply_info(&id("a"), packet("i", 2, "7"), now, parse).is_err());
    assert_eq!(picked(&registry, "math.add").as_deref(), Some("a"));
    assert_eq!(registry.load().node_by_id("a").unwrap().seq(), 1);
}

#[test]
fn protected_and_private_actions_of_other_nodes_do_not_exist() {
    let (registry, _) = registry();
    let actions = [
        r#"m.a="visibility":"protected""#,
        r#"m.b="visibility":"private""#,
        r#"m.c="visibility":"public""#,
        r#"m.d="visibility":"published""#,
    ];
    learn(&registry, "a", "i", 1, &[service("m", &actions, &[])]);
    let known: BTreeSet<_> = registry.load().actions().map(|entry| entry.name().to_string()).collect();
    assert_eq!(known, BTreeSet::from(["m.c".to_owned(), "m.d".to_owned()]));
}

#[test]
fn a_full_registry_forgets_the_node_that_is_offline_longest_or_refuses() {
    let (registry, now, _) = registry_of(3);
    for node in ["a", "b", "c"] {
        assert_eq!(learn(&registry, node, node, 1, &[]).kind, InfoKind::New);
    }
    assert_eq!(learn(&registry, "d", "d", 1, &[]).kind, InfoKind::Refused);
    registry.node_lost("b", now + Duration::from_secs(1));
    registry.node_lost("a", now + Duration::from_secs(2));
    assert!(registry.apply_info(&id("d"), packet("i", 1, "7"), now, parse).is_err());
    assert!(registry.load().node_by_id("b").is_some(), "who cannot be read takes nobody's place");
    let came = learn(&registry, "d", "d", 1, &[]);
    assert_eq!((came.kind, came.evicted), (InfoKind::New, Some(id("b"))));
    assert!(registry.load().node_by_id("b").is_none());
    assert!(registry.load().node_by_id("a").is_some());
    assert_eq!(learn(&registry, "e", "e", 1, &[]).evicted, Some(id("a")));
    assert!(registry.load().node_by_id("a").is_none());
}

#[test]
fn the_version_is_that_of_the_last_packet_or_a_guess() {
    let (registry, _) = registry();
    learn(&registry, "a", "i", 1, &[]);
    let version = || registry.load().node_by_id("a").unwrap().version().unwrap();
    assert_eq!(version(), ProtocolVersion::V4);
    registry.seen_version("a", ProtocolVersion::V5);
    assert_eq!(version(), ProtocolVersion::V5);
    learn(&registry, "a", "i", 2, &[]);
    assert_eq!(version(), ProtocolVersion::V5);
    learn(&registry, "a", "next process", 1, &[]);
    assert_eq!(version(), ProtocolVersion::V4);
}

#[test]
fn who_is_offline_for_long_is_swept_unless_a_packet_came_since() {
    let (registry, now) = registry();
    let secs = Duration::from_secs;
    for node in ["a", "b", "c", "d"] {
        learn(&registry, node, "i", 1, &[]);
    }
    for (node, at) in [("a", 0), ("b", 0), ("c", 50)] {
        registry.node_lost(node, now + secs(at));
    }
    let heard = |node: &NodeId| (node == "b").then_some(now + secs(60));
    assert!(registry.sweep(now + secs(100), secs(100), heard).is_empty());
    assert_eq!(registry.sweep(now + secs(101), secs(100), heard), [id("a")]);
    assert_eq!(registry.sweep(now + secs(161), secs(100), heard), [id("b"), id("c")]);
    assert!(registry.sweep(now + secs(999), secs(100), heard).is_empty(), "the last one is online");
    assert!(registry.load().node_by_id("a").is_none() && registry.load().node_by_id("d").is_some());
}

#[test]
fn among_numbers_that_nobody_can_exceed_the_last_word_counts() {
    let (registry, _) = registry();
    let math = || [service("math", &["math.add"], &[])];
    learn(&registry, "a", "i", 5, &math());
    let forged = learn(&registry, "a", "i", MAX_SEQ, &[]);
    assert_eq!((forged.kind, picked(&registry, "math.add")), (InfoKind::Updated, None));
    for seq in [6, MAX_SEQ, MAX_SEQ - 1] {
        learn(&registry, "a", "i", MAX_SEQ, &[]);
        assert_eq!(learn(&registry, "a", "i", seq, &math()).kind, InfoKind::Updated);
        assert_eq!(picked(&registry, "math.add").as_deref(), Some("a"), "{seq}");
        assert_eq!(learn(&registry, "a", "i", seq, &math()).kind, InfoKind::Unchanged);
    }
    learn(&registry, "a", "i", 6, &math());
    assert_eq!(learn(&registry, "a", "i", 5, &[]).kind, InfoKind::Unchanged, "numbers count again");
}
