//! Announcements: their text, and which of them are accepted (protocol chapter 4.7). No I/O, no clock.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::net;
use crate::NodeId;

/// The longest announcement: a namespace, a node id of at most 255 bytes and a port.
const LONGEST: usize = 1024;

/// The number of new peers that are accepted in a second.
const NEW_PER_SECOND: usize = 100;

/// The number of peers that are remembered, at most twice as many.
const REMEMBERED: usize = 4096;

const SECOND: Duration = Duration::from_secs(1);

/// The text of an announcement.
pub(crate) fn announcement(namespace: &str, node: &NodeId, port: u16) -> String {
    format!("{namespace}|{node}|{port}")
}

/// A node that announces itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) id: NodeId,
    pub(crate) port: u16,
}

/// Why a datagram is ignored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// It is not an announcement.
    Malformed,
    /// It is an announcement of another namespace.
    Foreign,
}

/// Reads a datagram strictly, because anybody on the network can send one.
pub(crate) fn parse(datagram: &[u8], namespace: &str) -> Result<Announced, Ignored> {
    if datagram.len() > LONGEST {
        return Err(Ignored::Malformed);
    }
    let text = str::from_utf8(datagram).map_err(|_| Ignored::Malformed)?;
    let mut parts = text.split('|');
    let (Some(theirs), Some(id), Some(port), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Ignored::Malformed);
    };
    let id = NodeId::foreign(id).map_err(|_| Ignored::Malformed)?;
    let port = net::port_number(port).ok_or(Ignored::Malformed)?;
    if theirs == namespace { Ok(Announced { id, port }) } else { Err(Ignored::Foreign) }
}

/// Decides which announcements are passed on: each peer at most once a second (one announcement arrives on
/// each interface), and no more new peers than are plausible in a second.
#[derive(Debug)]
pub(crate) struct Sightings {
    /// When each peer was passed on. `old` is dropped when `young` is full.
    young: HashMap<(NodeId, SocketAddr), Instant>,
    old: HashMap<(NodeId, SocketAddr), Instant>,
    second: Instant,
    new: usize,
}

impl Sightings {
    pub(crate) fn new(now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), second: now, new: 0 }
    }

    /// Whether to pass on that `id` was announced at `addr`.
    pub(crate) fn believe(&mut self, id: &NodeId, addr: SocketAddr, now: Instant) -> bool {
        if now.duration_since(self.second) >= SECOND {
            self.second = now;
            self.new = 0;
        }
        let key = (id.clone(), addr);
        match self.young.get(&key).or_else(|| self.old.get(&key)) {
            Some(last) if now.duration_since(*last) < SECOND => return false,
            Some(_) => {}
            None if self.new >= NEW_PER_SECOND => return false,
            None => self.new = self.new.saturating_add(1),
        }
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_captured_announcement_is_read_and_written_as_it_was() {
        let captured = include_bytes!("../../tests/vectors/udp-discovery.txt");
        let Announced { id, port } = parse(captured, "ns1").unwrap();
        assert_eq!((id.as_str(), port), ("node-1", 46759));
        assert_eq!(announcement("ns1", &id, port).as_bytes(), captured);
    }

    #[test]
    fn the_namespace_may_be_empty() {
        assert!(parse(b"|node-1|3000", "").is_ok());
    }

    #[test]
    fn hostile_datagrams_are_ignored() {
        let long = [b"ns|".as_slice(), &[b'x'; 3000], b"|4000"].concat();
        let long_id = [b"ns|".as_slice(), &[b'x'; 256], b"|4000"].concat();
        let cases: &[&[u8]] = &[
            &long,
            &long_id,
            b"",
            b"ns|id",
            b"ns|id|4000|x",
            b"ns|id|0",
            b"ns|id|70000",
            b"ns|id|-1",
            b"ns|id|+1",
            b"ns|id|1e3",
            b"ns|id| 4000",
            b"ns|id|",
            b"ns|id|4000\n",
            b"ns||4000",
            b"ns|a\nb|4000",
            b"ns|a\x1b[2J|4000",
            b"ns|\xff\xfe|4000",
        ];
        for datagram in cases {
            let shown = String::from_utf8_lossy(datagram);
            assert_eq!(parse(datagram, "ns"), Err(Ignored::Malformed), "{shown:.40}");
        }
        assert_eq!(parse(b"other|id|4000", "ns"), Err(Ignored::Foreign));
        assert_eq!(parse(b"|id|4000", "ns"), Err(Ignored::Foreign));
    }

    fn id(text: &str) -> NodeId {
        NodeId::foreign(text).unwrap()
    }

    #[test]
    fn a_peer_is_passed_on_once_a_second() {
        let (start, addr) = (Instant::now(), SocketAddr::from(([10, 0, 0, 1], 4000)));
        let mut sightings = Sightings::new(start);
        assert!(sightings.believe(&id("a"), addr, start));
        assert!(!sightings.believe(&id("a"), addr, start + SECOND / 2));
        let moved = SocketAddr::from(([10, 0, 0, 2], 4000));
        assert!(sightings.believe(&id("a"), moved, start + SECOND / 2));
        assert!(sightings.believe(&id("a"), addr, start + SECOND));
    }

    #[test]
    fn a_flood_of_new_peers_is_limited_and_known_peers_still_pass() {
        let (start, addr) = (Instant::now(), SocketAddr::from(([10, 0, 0, 1], 4000)));
        let mut sightings = Sightings::new(start);
        assert!(sightings.believe(&id("known"), addr, start));
        let later = start + SECOND;
        let passed = (0..100_000u32).filter(|n| sightings.believe(&id(&n.to_string()), addr, later)).count();
        assert_eq!(passed, NEW_PER_SECOND);
        assert!(sightings.believe(&id("known"), addr, later));
        for second in 2..200 {
            for n in 0..NEW_PER_SECOND {
                sightings.believe(&id(&format!("{second}-{n}")), addr, start + second * SECOND);
            }
        }
        assert!(sightings.young.len() + sightings.old.len() <= 2 * REMEMBERED);
    }
}
