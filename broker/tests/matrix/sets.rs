//! Which sets there are, as data.

use crate::js::{Version, derives_keys};
use crate::layers::{self, Layer};

/// How many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// One serializer per transporter and a few variations: what every change is checked with.
    Few,
    /// All.
    All,
}

/// One live set: where its nodes meet and how they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) transporter: &'static str,
    /// Of `js-1` and of `js-2`.
    pub(crate) versions: [Version; 2],
    pub(crate) serializer: &'static str,
    pub(crate) variation: Variation,
}

/// What a set has besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variation {
    /// Nothing: nodes balance by themselves, and find each other the transporter's way.
    Plain,
    /// `disableBalancer` on all nodes.
    Balanced,
    /// Layers on the wire, in the order in which a broker is given them.
    Layered(&'static [Layer]),
    /// Nodes find each other by Redis.
    RedisDiscoverer,
}

const TRANSPORTERS: [&str; 6] = ["TCP", "NATS", "Redis", "MQTT", "AMQP", "Kafka"];
const SERIALIZERS: [&str; 5] = ["JSON", "JSONExt", "MsgPack", "Notepack", "CBOR"];
const VERSIONS: [Version; 2] = [Version::V015, Version::V014];

/// The few of the main ones: each serializer once.
const FEW: [(&str, &str); 6] = [
    ("TCP", "JSON"),
    ("NATS", "MsgPack"),
    ("Redis", "Notepack"),
    ("MQTT", "CBOR"),
    ("AMQP", "JSONExt"),
    ("Kafka", "JSON"),
];

pub(crate) fn sets(which: Which) -> Vec<Set> {
    match which {
        Which::Few => few(),
        Which::All => main().chain(further()).collect(),
    }
}

/// Transporter × version × serializer.
pub(crate) fn main() -> impl Iterator<Item = Set> {
    let places = TRANSPORTERS.into_iter().flat_map(|place| VERSIONS.map(|version| (place, version)));
    places.flat_map(|(place, version)| SERIALIZERS.map(|serializer| plain(place, version, serializer)))
}

/// One thing varied at a time.
pub(crate) fn further() -> impl Iterator<Item = Set> {
    let twice = |make: fn(&'static str, Version) -> Set, places: &'static [&'static str]| {
        places.iter().flat_map(move |place| VERSIONS.map(|version| make(place, version)))
    };
    let layered = VERSIONS
        .into_iter()
        .flat_map(|version| layers::of(version).iter().map(move |list| layered(version, list)));
    twice(balanced, &["NATS", "AMQP"])
        .chain(TRANSPORTERS.map(mixed))
        .chain(layered)
        .chain(twice(discovered, &["NATS", "Redis"]))
}

fn few() -> Vec<Set> {
    let main = FEW.into_iter().flat_map(|(place, serializer)| {
        VERSIONS.map(|version| {
            let wanted = plain(place, version, serializer);
            if wanted.lacks().is_some() { plain(place, version, "JSON") } else { wanted }
        })
    });
    let further = [
        balanced("NATS", Version::V014),
        balanced("AMQP", Version::V015),
        mixed("NATS"),
        layered(Version::V015, layers::COMPRESSED_AND_ENCRYPTED),
        discovered("NATS", Version::V015),
    ];
    main.chain(further).collect()
}

fn plain(transporter: &'static str, version: Version, serializer: &'static str) -> Set {
    Set { transporter, versions: [version; 2], serializer, variation: Variation::Plain }
}

fn balanced(transporter: &'static str, version: Version) -> Set {
    Set { variation: Variation::Balanced, ..plain(transporter, version, "JSON") }
}

fn mixed(transporter: &'static str) -> Set {
    Set { versions: VERSIONS, ..plain(transporter, Version::V015, "JSON") }
}

fn layered(version: Version, layers: &'static [Layer]) -> Set {
    Set { variation: Variation::Layered(layers), ..plain("TCP", version, "JSON") }
}

fn discovered(transporter: &'static str, version: Version) -> Set {
    Set { variation: Variation::RedisDiscoverer, ..plain(transporter, version, "JSON") }
}

impl Set {
    /// `NATS 0.15.2 MsgPack`, `TCP 0.15.2 JSON, gzip`.
    pub(crate) fn name(&self) -> String {
        let name = format!("{} {} {}", self.transporter, self.moleculer(), self.serializer);
        match self.varied() {
            Some(varied) => format!("{name}, {varied}"),
            None => name,
        }
    }

    /// `0.15.2`, `0.15.2 + 0.14.36`.
    pub(crate) fn moleculer(&self) -> String {
        let [first, second] = self.versions.map(Version::full);
        if self.is_mixed() { format!("{first} + {second}") } else { first.to_owned() }
    }

    fn varied(&self) -> Option<String> {
        match self.variation {
            Variation::Plain => None,
            Variation::Balanced => Some("balanced by the bus".to_owned()),
            Variation::Layered(list) => Some(layers::name(list)),
            Variation::RedisDiscoverer => Some("Redis discoverer".to_owned()),
        }
    }

    /// Whether it is one of transporter × version × serializer.
    pub(crate) fn is_main(&self) -> bool {
        self.variation == Variation::Plain && !self.is_mixed()
    }

    /// Whether the stock nodes are of both versions, with their checks at the defaults: then they hear ours
    /// and not each other.
    pub(crate) fn is_mixed(&self) -> bool {
        self.versions[0] != self.versions[1]
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.transporter == "TCP"
    }

    /// Whether the message server chooses who gets a call or an event.
    pub(crate) fn is_balanced_by_bus(&self) -> bool {
        self.variation == Variation::Balanced
    }

    /// Whether a subscription with a wildcard gets emitted events: an AMQP queue has one name, and Node
    /// declares one for the pattern as it is written.
    pub(crate) fn emits_to_wildcards(&self) -> bool {
        !(self.is_balanced_by_bus() && self.transporter == "AMQP")
    }

    /// Whether stock nodes spread calls and events over all nodes, or keep what they can do themselves.
    /// Over TCP those of two versions know each other and do not hear each other, so there they keep it.
    pub(crate) fn spreads(&self) -> bool {
        !(self.is_mixed() && self.is_tcp())
    }

    /// What our nodes stamp on packets for everybody.
    pub(crate) fn protocol(&self) -> &'static str {
        match self.versions {
            _ if self.is_mixed() && !self.is_tcp() => "both",
            [Version::V014, Version::V014] => "4",
            _ => "5",
        }
    }

    pub(crate) fn layers(&self) -> &'static [Layer] {
        match self.variation {
            Variation::Layered(list) => list,
            _ => &[],
        }
    }

    /// Why stock nodes cannot make up this set.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        if self.serializer == "JSONExt" && self.versions.contains(&Version::V014) {
            return Some("Moleculer 0.14 has no JSONExt");
        }
        if self.layers().iter().any(Layer::derives_key) && !derives_keys() {
            return Some("Node.js 22 and newer cannot derive keys as Moleculer 0.14 does without an IV");
        }
        None
    }
}
