//! Reading a configuration as a program does: sources, precedence, and what mistakes are answered with.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use ligand::config::{
    BrokerConfig, ConfigError, ConfigLoader, OnIdConflict, Origin, Protocol, SerializerKind, StrategyKind,
    Timeout, TransporterConfig,
};
use serde_json::{Value, json};
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

const PAGE: &str = include_str!("../../docs/configuration.md");

/// A directory with one configuration file in it.
fn file(name: &str, text: &str) -> Result<(TempDir, PathBuf), std::io::Error> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join(name);
    std::fs::write(&path, text)?;
    Ok((directory, path))
}

fn no_env() -> [(&'static str, &'static str); 0] {
    []
}

/// The message of the error, with the file called `FILE`.
fn message(result: Result<BrokerConfig, ConfigError>, path: Option<&PathBuf>) -> String {
    let text = result.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
    path.map_or(text.clone(), |path| text.replace(&path.display().to_string(), "FILE"))
}

/// The text of the page's first code block in this language.
fn example(language: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("```")?.0)
}

#[test]
fn a_serializer_is_named_in_any_case_alone_or_in_an_object_and_by_a_variable() -> Outcome {
    for (value, kind) in [
        (json!("msgpack"), SerializerKind::MsgPack),
        (json!("JSONEXT"), SerializerKind::JsonExt),
        (json!({ "type": "Notepack" }), SerializerKind::Notepack),
        (json!({ "type": "cbor", "options": {} }), SerializerKind::Cbor),
        (json!({ "type": "JSON", "options": null }), SerializerKind::Json),
    ] {
        assert_eq!(BrokerConfig::from_value(json!({ "serializer": value }))?.serializer, kind);
    }
    for text in ["CBOR", "cbor", "{\"type\":\"CBOR\"}"] {
        let config = ConfigLoader::new().env_from([("LIGAND_SERIALIZER", text)]).load()?;
        assert_eq!(config.serializer, SerializerKind::Cbor, "{text}");
    }
    Ok(())
}

#[test]
fn the_three_formats_and_the_environment_of_the_page_give_the_same_configuration() -> Outcome {
    let mut configs = Vec::new();
    for (name, language) in [("a.toml", "toml"), ("b.json", "json"), ("c.yaml", "yaml"), ("d.YML", "yaml")] {
        let (_directory, path) = file(name, example(language).ok_or(language)?)?;
        configs.push(BrokerConfig::from_file(&path)?);
    }
    let variables = example("sh").ok_or("sh")?.lines().filter_map(|line| line.split_once('='));
    configs.push(ConfigLoader::new().env_from(variables).load()?);

    let first = &configs[0];
    assert!(configs.iter().all(|config| config == first), "{configs:#?}");
    assert_eq!(first.node_id.as_deref(), Some("pricing-1"));
    assert_eq!(first.request_timeout, Timeout::After(Duration::from_secs(5)));
    assert_eq!(first.heartbeat_interval, Duration::from_secs(5));
    assert_eq!(first.registry.strategy, StrategyKind::Random);
    assert_eq!(first.registry.stop_delay, Duration::from_millis(250));
    assert_eq!(first.metadata.get("zone"), Some(&json!("eu")));
    let Some(TransporterConfig::Options { kind, options }) = &first.transporter else {
        return Err("no transporter".into());
    };
    assert_eq!((kind.as_str(), options.get("port")), ("TCP", Some(&json!(4000))));
    Ok(())
}

#[test]
fn code_wins_over_environment_over_file_over_default() -> Outcome {
    let (_directory, path) = file(
        "ligand.toml",
        "namespace = 'file'\nrequestTimeout = '1s'\npingTimeout = '1s'\n[metadata]\na = 1\nb = 1\nc = 1\n",
    )?;
    let environment = [
        ("LIGAND_NAMESPACE", "environment"),
        ("LIGAND_REQUEST_TIMEOUT", "2s"),
        ("LIGAND_METADATA__B", "2"),
        ("LIGAND_METADATA__C", "2"),
        ("UNRELATED", "x"),
    ];
    let code = json!({ "namespace": "code", "metadata": { "c": 3 } });
    // The order of the calls must not matter.
    let config = ConfigLoader::new().value(code).env_from(environment).file(&path).load()?;
    assert_eq!(config.namespace, "code");
    assert_eq!(config.request_timeout, Duration::from_secs(2).into());
    assert_eq!(config.ping_timeout, Duration::from_secs(1));
    assert_eq!(config.heartbeat_timeout, Duration::from_secs(30));
    assert_eq!(Value::Object(config.metadata), json!({ "a": 1, "b": 2, "c": 3 }));
    Ok(())
}

#[test]
fn what_was_set_in_code_survives_the_environment_it_does_not_mention() -> Outcome {
    let mut base = BrokerConfig::default();
    base.transporter = Some("nats://user:canary@localhost".into());
    base.request_timeout = Timeout::Never;
    base.internal_services.remote_options = true;
    base.protocol = Protocol::V4;
    base.on_id_conflict = OnIdConflict::Stop;
    base.advertise.ip_list = Some(vec!["10.0.0.1".into()]);
    let same = ConfigLoader::over(base.clone()).env_from(no_env()).load()?;
    assert_eq!(same, base);

    let changed = ConfigLoader::over(base.clone()).env_from([("LIGAND_PROTOCOL", "5")]).load()?;
    assert_eq!(changed.transporter, base.transporter);
    assert_eq!(changed.protocol, Protocol::V5);
    Ok(())
}

#[test]
fn moleculers_spellings_are_accepted() -> Outcome {
    let config = BrokerConfig::from_value(json!({
        "nodeID": "a", "transporter": null, "serializer": "json", "requestTimeout": 0, "cacher": null,
        "heartbeatInterval": 5, "heartbeatTimeout": 15, "internalServices": false,
        "registry": { "strategy": "random", "preferLocal": false, "cleanOfflineNodesTimeout": 60 },
        "tracking": { "enabled": true, "shutdownTimeout": 5000 }, "contextParamsCloning": true,
        "transit": { "disableVersionCheck": true, "maxQueueSize": 10, "serviceChangedDebounceTime": 0 },
        "dependencyInterval": 1000, "dependencyTimeout": 0,
    }))?;
    assert_eq!(config.request_timeout, Timeout::Never);
    assert_eq!(config.heartbeat_timeout, Duration::from_secs(15));
    assert_eq!(config.registry.clean_offline_nodes_timeout, Duration::from_secs(60));
    assert_eq!(config.tracking.shutdown_timeout, Duration::from_secs(5));
    assert!(!config.internal_services.enabled);
    assert_eq!(BrokerConfig::from_value(json!({ "nodeId": "a" }))?.node_id.as_deref(), Some("a"));
    assert!(
        BrokerConfig::from_value(json!({ "internalServices": { "remote": true } }))?
            .internal_services
            .remote_options
    );
    Ok(())
}

#[test]
fn a_typo_names_the_key_the_file_and_the_nearest_option() -> Outcome {
    for (toml, expected) in [
        (
            "[registry]\npreferLocl = true",
            "unknown option `registry.preferLocl` in file `FILE`: did you mean `registry.preferLocal`? (valid in `registry`: strategy, preferLocal, stopDelay, stopDelayLimit, cleanOfflineNodesTimeout, maxNodes, discoverer)",
        ),
        (
            "[tracking]\nx = 1",
            "unknown option `tracking.x` in file `FILE` (valid in `tracking`: enabled, shutdownTimeout)",
        ),
        (
            "cacher = 'redis://:canary@host'",
            "`cacher` in file `FILE` is a Moleculer option that ligand does not support yet: remove it",
        ),
        (
            "[registry]\nstrategyOptions = 'x'",
            "`registry.strategyOptions` in file `FILE` is a Moleculer option that ligand does not support yet: remove it",
        ),
        (
            "nodeID = 'a'\nnodeId = 'b'",
            "`nodeID` is set twice, by `nodeID` and by `nodeId`: keep one of them",
        ),
    ] {
        let (_directory, path) = file("ligand.toml", toml)?;
        assert_eq!(message(BrokerConfig::from_file(&path), Some(&path)), expected);
    }
    for (key, nearest) in [
        ("request_timeout", "requestTimeout"),
        ("nodeid", "nodeID"),
        ("shutdownTimeout", "tracking.shutdownTimeout"),
        ("preferlocal", "registry.preferLocal"),
        ("tranporter", "transporter"),
    ] {
        let error = message(BrokerConfig::from_value(json!({ key: 1 })), None);
        let start = format!(
            "unknown option `{key}` in the configuration given in code: did you mean `{nearest}`? (valid on the top level: namespace, nodeID, "
        );
        assert!(error.starts_with(&start), "{error}");
    }
    Ok(())
}

#[test]
fn a_wrong_value_says_what_was_expected_and_how_to_write_it() {
    let here = "in the configuration given in code is";
    let duration = "expected a duration above zero such as \"5s\", \"100ms\" or \"1m30s\", or a number of";
    for (options, expected) in [
        (json!({ "namespace": 5 }), format!("`namespace` {here} 5: expected a text")),
        (
            json!({ "disableBalancer": "yes" }),
            format!("`disableBalancer` {here} \"yes\": expected true or false"),
        ),
        (
            json!({ "heartbeatInterval": "5" }),
            format!(
                "`heartbeatInterval` {here} \"5\": {duration} seconds (a text needs a unit, such as 5s; a number without quotes is seconds)"
            ),
        ),
        (
            json!({ "pingTimeout": "5 parsecs" }),
            format!(
                "`pingTimeout` {here} \"5 parsecs\": {duration} milliseconds (the units are d, h, m, s, ms, us and ns)"
            ),
        ),
        (json!({ "pingTimeout": -5 }), format!("`pingTimeout` {here} -5: {duration} milliseconds")),
        (json!({ "pingTimeout": 1e300 }), format!("`pingTimeout` {here} 1e+300: {duration} milliseconds")),
        (
            json!({ "requestTimeout": "soon" }),
            format!(
                "`requestTimeout` {here} \"soon\": expected a duration such as \"5s\", \"100ms\" or \"1m30s\", a number of milliseconds, or \"never\" (each unit follows a number, as in 1m30s)"
            ),
        ),
        (
            json!({ "registry": { "maxNodes": 2.5 } }),
            format!("`registry.maxNodes` {here} 2.5: expected a whole number of nodes from 1 to 100000000"),
        ),
        (
            json!({ "maxCallLevel": 5_000_000_000_u64 }),
            format!(
                "`maxCallLevel` {here} 5000000000: expected a whole number of calls from 0 to 4294967295"
            ),
        ),
        (
            json!({ "serializer": "xml" }),
            format!(
                "`serializer` {here} \"xml\": expected \"JSON\" or \"JSONExt\" or \"MsgPack\" or \"Notepack\" or \"CBOR\""
            ),
        ),
        (
            json!({ "serializer": "avro" }),
            format!(
                "`serializer` {here} \"avro\": expected \"JSON\" or \"JSONExt\" or \"MsgPack\" or \"Notepack\" or \"CBOR\" (`Avro` is a serializer that Moleculer 0.15 has removed)"
            ),
        ),
        (
            json!({ "serializer": { "type": "thrift" } }),
            format!(
                "`serializer` {here} an object: expected \"JSON\" or \"JSONExt\" or \"MsgPack\" or \"Notepack\" or \"CBOR\" (`Thrift` is a serializer that Moleculer 0.15 has removed)"
            ),
        ),
        (
            json!({ "serializer": { "type": "CBOR", "options": { "useRecords": true } } }),
            format!(
                "`serializer` {here} an object: expected \"JSON\" or \"JSONExt\" or \"MsgPack\" or \"Notepack\" or \"CBOR\" (no options can be set, such as `useRecords`)"
            ),
        ),
        (json!({ "protocol": "6" }), format!("`protocol` {here} \"6\": expected \"5\" or \"4\" or \"both\"")),
        (
            json!({ "onIdConflict": "panic" }),
            format!("`onIdConflict` {here} \"panic\": expected \"keep\" or \"stop\""),
        ),
        (
            json!({ "registry": { "strategy": "CpuUsage" } }),
            format!(
                "`registry.strategy` {here} \"CpuUsage\": expected \"RoundRobin\" or \"Random\" (`CpuUsage` is a strategy of Moleculer that is planned, not there yet)"
            ),
        ),
        (
            json!({ "registry": 5 }),
            format!(
                "`registry` {here} 5: expected an object with keys of strategy, preferLocal, stopDelay, stopDelayLimit, cleanOfflineNodesTimeout, maxNodes, discoverer"
            ),
        ),
        (
            json!({ "internalServices": "on" }),
            format!(
                "`internalServices` {here} \"on\": expected true, false, or an object with keys of enabled, remote"
            ),
        ),
        (
            json!({ "advertise": { "ipList": ["::1", 5] } }),
            format!(
                "`advertise.ipList` {here} a list: expected a list of texts, such as [\"10.0.0.1\", \"10.0.0.2\"]"
            ),
        ),
        (
            json!({ "transporter": { "type": "TCP", "option": {} } }),
            format!(
                "`transporter` {here} an object: expected a URL such as \"tcp://\", or an object such as {{ \"type\": \"TCP\", \"options\": {{}} }} (its keys are `type` and `options`, not `option`)"
            ),
        ),
        (json!(["a"]), format!("`configuration` {here} a list: expected an object with options")),
    ] {
        assert_eq!(message(BrokerConfig::from_value(options), None), expected);
    }
}

#[test]
fn the_source_that_won_is_blamed() -> Outcome {
    let (_directory, path) =
        file("ligand.yaml", "requestTimeout: soon\nheartbeatTimeout: 5\nnamespace: a b\n")?;
    let load = |variables: &[(&str, &str)]| {
        message(ConfigLoader::new().file(&path).env_from(variables.iter().copied()).load(), Some(&path))
    };
    assert!(load(&[]).starts_with("`requestTimeout` in file `FILE` is \"soon\""));
    assert!(
        load(&[("LIGAND_REQUEST_TIMEOUT", "later")])
            .starts_with("`requestTimeout` in environment variable `LIGAND_REQUEST_TIMEOUT` is \"later\"")
    );
    let fixed = ("LIGAND_REQUEST_TIMEOUT", "5s");
    assert!(load(&[fixed]).starts_with("`namespace` in file `FILE` cannot work"));
    assert!(
        load(&[fixed, ("LIGAND_NAMESPACE", "a*")])
            .starts_with("`namespace` in environment variable `LIGAND_NAMESPACE` cannot work")
    );
    assert!(
        load(&[fixed, ("LIGAND_NAMESPACE", "a")])
            .starts_with("`heartbeatTimeout` in file `FILE` cannot work: it must be longer")
    );
    assert_eq!(load(&[fixed, ("LIGAND_NAMESPACE", "a"), ("LIGAND_HEARTBEAT_TIMEOUT", "30")]), "accepted");

    let error = ConfigLoader::new().env_from([("LIGAND_PING_TIMEOUT", "x")]).load().err();
    assert!(matches!(
        error,
        Some(ConfigError::InvalidValue { origin: Origin::Variable(name), .. }) if name == "LIGAND_PING_TIMEOUT"
    ));
    Ok(())
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_one() {
    let load = |name: &str| message(ConfigLoader::new().env_from([(name, "1")]).load(), None);
    assert_eq!(
        load("LIGAND_TRACKING__SHUTDOWN"),
        "unknown environment variable `LIGAND_TRACKING__SHUTDOWN` (valid on this level: LIGAND_TRACKING__ENABLED, LIGAND_TRACKING__SHUTDOWN_TIMEOUT)"
    );
    assert!(
        load("LIGAND_NAMESPAC")
            .starts_with("unknown environment variable `LIGAND_NAMESPAC`: did you mean `LIGAND_NAMESPACE`? (valid on this level: LIGAND_NAMESPACE, LIGAND_NODE_ID")
    );
    assert_eq!(
        load("LIGAND_METRICS"),
        "`metrics` in environment variable `LIGAND_METRICS` is a Moleculer option that ligand does not support yet: remove it"
    );
    assert_eq!(load("LIGAND_LOG"), "accepted");
}

#[test]
fn files_that_cannot_be_read_say_why() -> Outcome {
    let missing = BrokerConfig::from_file("no-such-directory/ligand.toml");
    assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));

    for (name, text, expected) in [
        ("ligand.ini", "", "cannot tell the format of `FILE`: name it .toml, .json, .yaml or .yml"),
        (
            "ligand.json",
            "{",
            "the configuration file `FILE` is no valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("ligand.toml", "", "accepted"),
        ("ligand.yaml", "# nothing\n", "accepted"),
        (
            "ligand.toml",
            "requestTimeout = nan",
            "the configuration file `FILE` is no valid TOML: a number is not finite",
        ),
    ] {
        let (_directory, path) = file(name, text)?;
        assert_eq!(message(BrokerConfig::from_file(&path), Some(&path)), expected, "{name}");
    }
    for (name, text) in [
        ("a.json", "[1]"),
        ("a.yaml", "- 1"),
        ("a.yaml", "a: b: c"),
        ("a.toml", "a = 1\na = 2"),
        ("a.toml", "a"),
    ] {
        let (_directory, path) = file(name, text)?;
        let error = message(BrokerConfig::from_file(&path), Some(&path));
        assert!(error.starts_with("the configuration file `FILE` is no valid "), "{error}");
    }
    Ok(())
}

#[test]
fn passwords_are_printed_nowhere() -> Outcome {
    let mut printed = Vec::new();
    for transporter in [
        json!("nats://user:canary@localhost:4222"),
        json!({ "type": "NATS", "options": { "pass": "canary", "servers": ["nats://u:canary@h"], "token": "canary" } }),
    ] {
        let config = BrokerConfig::from_value(json!({ "transporter": transporter }))?;
        printed.push(format!("{config:?} {config:#?}"));
        printed.push(serde_json::to_string(&config)?);
        printed.push(format!("{:?}", ConfigLoader::over(config)));
    }
    for wrong in [
        json!({ "transporter": { "type": "NATS", "url": "nats://user:canary@h" } }),
        json!({ "transporter": ["nats://user:canary@h"] }),
        json!({ "transporter": { "type": ["canary"] } }),
        json!({ "tranporter": "nats://user:canary@h" }),
        json!({ "namespace": "nats://user:canary@h" }),
        json!({ "requestTimeout": "nats://user:canary@h" }),
        json!({ "serializer": "nats://user:canary@h" }),
        json!({ "nodeID": { "a": "canary" } }),
        json!({ "cacher": "redis://:canary@h" }),
        json!("nats://user:canary@h"),
    ] {
        let error = BrokerConfig::from_value(wrong).err().ok_or("accepted")?;
        printed.push(format!("{error} {error:?}"));
    }
    for (name, text) in [
        ("a.toml", "transporter = \"nats://user:canary@h"),
        ("a.toml", "transporter = \"nats://user:canary@h\" trailing"),
        ("a.toml", "transporter = nats://user:canary@h"),
        ("a.json", "{\"transporter\": \"nats://user:canary@h\" x"),
        ("a.json", "\"nats://user:canary@h\""),
        ("a.yaml", "nats://user:canary@h"),
        ("a.yaml", "transporter: \"nats://user:canary@h"),
        ("a.yaml", "transporter: {nats://user:canary@h: ["),
    ] {
        let (_directory, path) = file(name, text)?;
        let error = BrokerConfig::from_file(&path).err().ok_or(text)?;
        printed.push(format!("{error} {error:?}"));
    }
    for pair in [
        ("LIGAND_TRANSPORTER", "{\"canary\""),
        ("LIGAND_TRANSPORTER__TYPE", "[\"canary\"]"),
        ("LIGAND_TRANSPORTR", "nats://user:canary@h"),
        ("LIGAND_TRANSPORTER__OPTIONS__PASS", "canary"),
    ] {
        let loader = ConfigLoader::new().env_from([pair]);
        printed.push(format!("{loader:?}"));
        match loader.load() {
            Ok(config) => printed.push(format!("{config:?}")),
            Err(error) => printed.push(format!("{error} {error:?}")),
        }
    }
    for text in printed {
        assert!(!text.contains("canary"), "{text}");
    }
    Ok(())
}

#[test]
fn what_main_returns_is_printed_as_text() {
    let wrong = ConfigLoader::new().env_from([("LIGAND_REQUEST_TIMEOUT", "soon")]).load();
    let error = wrong.expect_err("it is no duration");
    assert!(
        format!("{error:?}")
            .starts_with("`requestTimeout` in environment variable `LIGAND_REQUEST_TIMEOUT` is")
    );
    let error = ligand::ServiceBroker::builder().request_timeout(Timeout::Never).node_id("a b").build();
    let error: Box<dyn Error> = error.expect_err("it holds a blank").into();
    assert_eq!(format!("{error:?}"), error.to_string());
    let stop = ligand::StopError { failures: vec!["drain: one handler still ran".into()] };
    assert_eq!(format!("{stop:?}"), "stopping failed in part: drain: one handler still ran");
    let run = ligand::RunError::from(ligand::StartError::AlreadyDone("started"));
    assert_eq!(format!("{run:?}"), "the broker has been started already: build another one");
}

#[test]
fn a_transporter_that_cannot_be_is_blamed_on_the_file_that_names_it() -> Outcome {
    let (_directory, path) = file("a.toml", "transporter = \"nast://a:4222\"")?;
    let error = ligand::ServiceBroker::builder().from_file(&path).build().expect_err("there is none");
    let said = error.to_string().replace(&path.display().to_string(), "FILE");
    assert!(said.starts_with("`transporter` in file `FILE` cannot work: "), "{said}");
    assert!(said.contains("did you mean `nats`?"), "{said}");
    // What code says instead is blamed on nobody else.
    let builder = ligand::ServiceBroker::builder().from_file(&path);
    let error = builder.configure(|config| config.transporter = Some("ampq://a".into())).build();
    let said = error.expect_err("there is none").to_string();
    assert!(said.contains("did you mean `amqp`?") && !said.contains("file"), "{said}");
    Ok(())
}
