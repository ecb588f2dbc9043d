//! What this node offers itself, and what it says of that.

use super::*;

#[test]
fn duplicates_are_refused_with_both_names() {
    let (registry, _) = registry();
    registry.add_local(local("math", &["add"], &[])).unwrap();
    let before = registry.snapshot();
    let error = registry.add_local(local("calc", &["mul", "add"], &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "action `add` of service `calc` is already offered by service `math`: rename one of them"
    );
    assert!(registry.add_local(local("calc", &["mul", "mul"], &[])).is_err());
    assert!(registry.add_local(local("math", &[], &[])).is_err());
    assert!(Arc::ptr_eq(&before, &registry.snapshot()));
}

#[test]
fn the_local_info_counts_changes_and_keeps_nodes_field_order() {
    let (registry, _) = registry();
    assert_eq!(registry.local_info().seq, 1);
    let mut math = local("math", &["math.add"], &[("user.*", "math")]);
    math.info.version = Some(crate::protocol::ServiceVersion::Number("2".into()));
    registry.add_local(math).unwrap();
    registry.add_local(local("$node", &["$node.list"], &[])).unwrap();
    let info = registry.local_info();
    assert_eq!(info.seq, 2);
    assert!(Arc::ptr_eq(&info, &registry.local_info()));
    let node = r#"{"name":"$node","fullName":"$node","settings":{},"metadata":{},"actions":{"$node.list":{"name":"$node.list"}},"events":{}}"#;
    let math = r#"{"name":"math","version":2,"fullName":"math","settings":{},"metadata":{},"actions":{"math.add":{"name":"math.add"}},"events":{"user.*":{"name":"user.*"}}}"#;
    let client = r#"{"type":"rust","version":"0.1.0","langVersion":"1.95","features":["cancel"]}"#;
    assert_eq!(
        std::str::from_utf8(&info.json).unwrap(),
        format!(
            r#"{{"services":[{node},{math}],"ipList":["192.0.2.2"],"hostname":"vm","client":{client},"config":{{}},"instanceID":"own","metadata":{{"zone":"z1"}},"seq":2}}"#
        )
    );
    assert_eq!(
        info.gossip.json(2),
        format!(
            r#"{{"ipList":["192.0.2.2"],"hostname":"vm","instanceID":"own","client":{client},"config":{{}},"port":null,"seq":2,"metadata":{{"zone":"z1"}},"services":[{node},{math}]}}"#
        )
    );
    assert_eq!(
        info.gossip.without_services().json(7),
        format!(
            r#"{{"ipList":["192.0.2.2"],"hostname":"vm","instanceID":"own","client":{client},"config":{{}},"port":null,"seq":7,"metadata":{{"zone":"z1"}},"services":[]}}"#
        )
    );
    registry.update(|catalog| catalog.set_local_place(None, Some(4000)));
    let info = registry.local_info();
    assert_eq!(info.seq, 3);
    assert!(std::str::from_utf8(&info.json).unwrap().ends_with(r#""seq":3,"port":4000}"#));
    registry.update(|catalog| catalog.outdo(120));
    assert_eq!(registry.local_info().seq, 121);
    assert_eq!(registry.load().node_by_id("me").unwrap().seq(), 121);
    let stopping = registry.stopping();
    assert_eq!(stopping.seq, 122);
    assert!(std::str::from_utf8(&stopping.json).unwrap().starts_with(r#"{"services":[],"#));
    assert_eq!(picked(&registry, "math.add").as_deref(), Some("me"));
    assert!(registry.remove_local("math"));
    assert!(!registry.remove_local("math"));
}

#[test]
fn private_actions_stay_out_of_the_local_info_but_can_be_called_here() {
    let (registry, _) = registry();
    let mut own = local("m", &["m.a"], &[]);
    Arc::get_mut(&mut own.actions[0]).unwrap().visibility = Visibility::Private;
    registry.add_local(own).unwrap();
    assert!(!std::str::from_utf8(&registry.local_info().json).unwrap().contains("m.a"));
    let snapshot = registry.load();
    let Some(Picked::Local(action)) = snapshot.action("m.a").unwrap().pick(&snapshot, true, None, &[]) else {
        panic!("not callable")
    };
    assert!(!action.callable_remotely());
}

#[test]
fn an_equal_definition_of_another_node_never_stands_for_the_local_handler() {
    let (registry, _, composed) = registry_of(100);
    let own = local("math", &["math.add"], &[]);
    assert_eq!(own.actions[0].definition.as_str(), r#"{"name":"math.add"}"#);
    registry.add_local(own).unwrap();
    let services = r#"[{"name":"math","actions":{"math.add":{"name":"math.add"}}}]"#;
    registry.apply_info(&id("a"), packet("i", 1, services), registry.base, parse).unwrap();
    assert_eq!(composed.load(Ordering::Relaxed), 1);
    let snapshot = registry.load();
    let entry = snapshot.action("math.add").unwrap();
    let Some(Picked::Remote(_, action)) = entry.pick_node(&snapshot, "a") else { panic!("not remote") };
    assert!(!Arc::ptr_eq(&action, entry.local().unwrap()));
}

#[test]
fn what_we_said_is_told_from_what_others_say_of_us() {
    let (registry, _) = registry();
    let said = |registry: &Registry| {
        let info = registry.local_info();
        let mut said = packet("own", info.seq, "[]");
        said.raw = Raw::new(info.json.clone());
        said
    };
    let mut all = vec![said(&registry)];
    for n in 0..63 {
        registry.add_local(local(&format!("s{n}"), &[], &[])).unwrap();
        all.push(said(&registry));
    }
    for ours in &all {
        assert_eq!(registry.heard_of_us(ours), OwnWords::Ours, "{}", ours.seq);
        let forged = InfoPacket { raw: Raw::from_static(r#"{"services":[]}"#), ..ours.clone() };
        assert_eq!(registry.heard_of_us(&forged), OwnWords::Forged, "{}", ours.seq);
    }
    for seq in [65, MAX_SEQ] {
        assert_eq!(registry.heard_of_us(&packet("own", seq, "[]")), OwnWords::Forged);
    }
    registry.remove_local("s0");
    registry.outdo(100);
    assert_eq!(said(&registry).seq, 101);
    assert_eq!(registry.heard_of_us(&all[0]), OwnWords::Unsure);
    assert_eq!(registry.heard_of_us(&all[1]), OwnWords::Ours);
    assert_eq!(registry.heard_of_us(&packet("own", 90, "[]")), OwnWords::Forged, "never said");
}
