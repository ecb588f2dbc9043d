//! Compares the table of TCP's options in `docs/transporters.md` with the actual options.

use std::fmt::Debug;
use std::time::Duration;

use super::{TcpOptions, UdpBroadcast};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/transporters.md"));

/// A row of the table.
struct Row {
    name: &'static str,
    default: &'static str,
    unit: &'static str,
    meaning: &'static str,
}

fn table() -> Vec<Row> {
    let (_, section) = PAGE.split_once("\n## TCP\n").expect("the page has a section about TCP");
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" |").map(str::trim).collect();
        let [name, default, unit, meaning] = cells[..] else { panic!("not four cells: {line}") };
        Row { name: name.trim_matches('`'), default, unit, meaning }
    };
    rows.map(row).collect()
}

fn bytes(count: usize) -> String {
    match count {
        count if count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
        count => format!("{} KiB", count >> 10),
    }
}

fn number(count: usize) -> String {
    match count {
        0..1000 => count.to_string(),
        _ => format!("{},{:03}", count / 1000, count % 1000),
    }
}

fn time(time: Duration) -> String {
    format!("{time:?}").replace('s', " s")
}

fn code(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("`{}`", value.to_string()))
}

/// A default as the page writes it.
fn default_of(name: &str) -> String {
    let options = TcpOptions::default();
    match name {
        "port" => code(options.port),
        "bind" => code(Some(options.bind)),
        "hostname" => code(options.hostname.as_deref()),
        "advertisedPort" => code(options.advertised_port),
        "useHostname" => options.use_hostname.to_string(),
        "urls" => code((options.urls != super::Urls::default()).then_some("urls")),
        "udpDiscovery" => options.udp_discovery.to_string(),
        "udpPort" => options.udp_port.to_string(),
        "udpBindAddress" => code(options.udp_bind_address),
        "udpPeriod" => time(options.udp_period),
        "udpMaxDiscovery" => options.udp_max_discovery.to_string(),
        "udpReuseAddr" => options.udp_reuse_addr.to_string(),
        "udpMulticast" => code(options.udp_multicast),
        "udpMulticastTTL" => options.udp_multicast_ttl.to_string(),
        "udpBroadcast" => (options.udp_broadcast != UdpBroadcast::Off).to_string(),
        "gossipPeriod" => time(options.gossip_period),
        "maxConnections" => number(options.max_connections),
        "maxPacketSize" => bytes(options.max_packet_size),
        "debug" => options.debug.to_string(),
        "maxSendSize" => bytes(options.max_send_size),
        "sendBufferBytes" => bytes(options.send_buffer_bytes),
        "sendBufferFrames" => number(options.send_buffer_frames),
        "maxInboundConnections" => number(options.max_inbound_connections),
        "maxInboundPerAddress" => number(options.max_inbound_per_address),
        "connectTimeout" => time(options.connect_timeout),
        "writeTimeout" => time(options.write_timeout),
        "frameTimeout" => time(options.frame_timeout),
        "closeTimeout" => time(options.close_timeout),
        _ => panic!("say here what the default of `{name}` is"),
    }
}

/// The unit of a plain number, found out by setting the option.
fn unit_of(name: &str) -> &'static str {
    let set = |value: &str| {
        let mut options = TcpOptions::default();
        let taken = options.set(name, value).is_ok();
        (taken, format!("{options:?}"))
    };
    match set("7") {
        plain if plain == set("7s") && plain.0 => "seconds",
        plain if plain == set("7ms") && plain.0 => "milliseconds",
        _ if default_of(name).ends_with("iB") => "bytes",
        _ => "",
    }
}

fn assert_same<T: PartialEq + Debug + ?Sized>(what: &str, page: &T, code: &T) {
    assert_eq!(page, code, "{what} in docs/transporters.md (left) and in the code (right)");
}

#[test]
fn the_page_names_every_option_with_its_default_and_unit() {
    let rows = table();
    let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
    assert_same("the options", &*names, TcpOptions::NAMES);
    for Row { name, default, unit, meaning } in rows {
        assert_same(&format!("the default of `{name}`"), default, &default_of(name));
        assert_same(&format!("the unit of `{name}`"), unit, unit_of(name));
        assert!(!meaning.is_empty(), "docs/transporters.md does not say what `{name}` is");
    }
}
