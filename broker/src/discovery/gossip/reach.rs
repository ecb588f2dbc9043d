//! The addresses at which a peer may be reached, and which of them to try.
//!
//! The order is Node's (protocol chapter 4.3): the source address of the peer's datagram or HELLO, then the
//! host name in its INFO, then the first address there. The port is the one that was named last. The
//! configured address comes at the end. The first address is used until it fails, then the next one, in a
//! circle.

use ligand_transporters::Name;
use std::net::IpAddr;

/// The addresses of one peer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    /// Whether to ignore host names (`useHostname: false`).
    by_ip: bool,
    configured: Option<Name>,
    /// Node's `udpAddress`.
    source: Option<Name>,
    host: Option<Name>,
    ip: Option<Name>,
    port: u16,
    /// Where the peer was seen under another address while it was online.
    elsewhere: Option<Spot>,
    candidates: Vec<Name>,
    current: usize,
}

/// A host and a port that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) source: Option<IpAddr>,
    pub(super) host: Name,
    pub(super) port: u16,
}

impl Spot {
    /// Reads `host:port`. The port is what follows the last colon. Brackets around a host are dropped.
    pub(super) fn parse(addr: &str, source: Option<IpAddr>) -> Option<Self> {
        let (host, port) = addr.rsplit_once(':')?;
        Self::new(host, port.parse().ok()?, source)
    }

    pub(super) fn new(host: &str, port: u16, source: Option<IpAddr>) -> Option<Self> {
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let usable = port != 0 && !host.is_empty() && host.len() <= 255 && !host.contains(char::is_control);
        usable.then(|| Self { source: source.map(|ip| ip.to_canonical()), host: Name::from(host), port })
    }

    fn source_name(&self) -> Option<Name> {
        self.source.map(|ip| Name::from(ip.to_string()))
    }
}

impl Reach {
    pub(super) fn new(use_hostname: bool) -> Self {
        Self { by_ip: !use_hostname, ..Self::default() }
    }

    /// The `host:port` to try next.
    pub(super) fn current(&self) -> Option<&Name> {
        self.candidates.get(self.current)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_configured(&self) -> bool {
        self.configured.is_some()
    }

    pub(super) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// The configuration names this address.
    pub(super) fn configure(&mut self, spot: &Spot) {
        self.configured = Some(join(&spot.host, spot.port));
        if self.port == 0 {
            self.host = Some(spot.host.clone());
            self.ip = Some(spot.host.clone());
            self.port = spot.port;
        }
        self.rebuild();
    }

    /// The peer was seen here, and there is no reason not to move there.
    pub(super) fn move_to(&mut self, spot: &Spot) {
        let before = self.candidates.clone();
        self.elsewhere = None;
        self.source = spot.source_name().or(self.source.take());
        self.host = Some(spot.host.clone());
        self.ip = self.source.clone().or_else(|| Some(spot.host.clone()));
        self.port = spot.port;
        self.rebuild();
        if before != self.candidates {
            self.current = 0;
        }
    }

    /// The peer was seen here while it is online. This is remembered until its current address fails.
    pub(super) fn note(&mut self, spot: Spot) {
        self.elsewhere = (spot.port != self.port || spot.source_name() != self.source).then_some(spot);
    }

    /// A HELLO arrived from this address, and no other source address is known.
    pub(super) fn fill_source(&mut self, source: IpAddr) {
        self.source = Some(Name::from(source.to_canonical().to_string()));
        self.rebuild();
    }

    /// The peer's INFO says where it is.
    pub(super) fn advertised(&mut self, host: Option<&str>, ip: Option<&str>, port: Option<u16>) {
        let usable =
            |text: Option<&str>| text.and_then(|text| Spot::new(text, 1, None)).map(|spot| spot.host);
        self.host = usable(host).or(self.host.take());
        self.ip = usable(ip).or(self.ip.take());
        self.port = port.filter(|port| *port != 0).unwrap_or(self.port);
        self.rebuild();
    }

    /// The current address does not work, so the next one is used.
    pub(super) fn failed(&mut self) {
        if let Some(spot) = self.elsewhere.take() {
            self.move_to(&spot);
            return;
        }
        self.current = (self.current + 1) % self.candidates.len().max(1);
    }

    fn rebuild(&mut self) {
        // An address that is in use because the ones before it failed stays in use, as long as it is still in
        // the list.
        let keep = (self.current > 0).then(|| self.current().cloned()).flatten();
        let host = if self.by_ip { None } else { self.host.as_ref() };
        self.candidates.clear();
        if self.port != 0 {
            for name in [self.source.as_ref(), host, self.ip.as_ref()].into_iter().flatten() {
                let address = join(name, self.port);
                if !self.candidates.contains(&address) {
                    self.candidates.push(address);
                }
            }
        }
        if let Some(address) = &self.configured
            && !self.candidates.contains(address)
        {
            self.candidates.push(address.clone());
        }
        self.current = keep.and_then(|keep| self.candidates.iter().position(|c| *c == keep)).unwrap_or(0);
    }
}

fn join(host: &str, port: u16) -> Name {
    if host.contains(':') {
        Name::from(format!("[{host}]:{port}"))
    } else {
        Name::from(format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(addr: &str, source: Option<&str>) -> Spot {
        Spot::parse(addr, source.map(|ip| ip.parse().unwrap())).unwrap()
    }

    fn current(reach: &Reach) -> &str {
        reach.current().map_or("", |name| name.as_str())
    }

    #[test]
    fn a_source_address_goes_before_the_advertised_host_name_and_that_before_its_ip() {
        let mut reach = Reach::new(true);
        reach.advertised(Some("vm"), Some("192.0.2.2"), Some(4000));
        assert_eq!(current(&reach), "vm:4000");
        reach.fill_source("::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(current(&reach), "127.0.0.1:4000");
        let mut by_ip = Reach::new(false);
        by_ip.advertised(Some("vm"), Some("192.0.2.2"), Some(4000));
        assert_eq!(current(&by_ip), "192.0.2.2:4000");
    }

    #[test]
    fn a_configured_address_serves_until_the_peer_names_its_own_and_again_when_that_fails() {
        let mut reach = Reach::new(true);
        reach.configure(&spot("10.0.0.7:4000", None));
        assert_eq!(current(&reach), "10.0.0.7:4000");
        reach.advertised(Some("a1b2c3"), None, Some(5000));
        assert_eq!(current(&reach), "a1b2c3:5000");
        let mut tried = Vec::new();
        for _ in 0..4 {
            tried.push(current(&reach).to_owned());
            reach.failed();
        }
        assert_eq!(tried, ["a1b2c3:5000", "10.0.0.7:5000", "10.0.0.7:4000", "a1b2c3:5000"]);
    }

    #[test]
    fn an_address_that_worked_after_others_failed_is_kept_by_the_next_info() {
        let mut reach = Reach::new(true);
        reach.configure(&spot("10.0.0.7:4000", None));
        reach.advertised(Some("a1b2c3"), None, Some(4000));
        reach.failed();
        assert_eq!(current(&reach), "10.0.0.7:4000");
        reach.advertised(Some("a1b2c3"), Some("172.17.0.2"), Some(4000));
        assert_eq!(current(&reach), "10.0.0.7:4000");
    }

    #[test]
    fn where_it_was_seen_meanwhile_is_tried_when_the_address_fails() {
        let mut reach = Reach::new(true);
        reach.advertised(Some("vm"), None, Some(4000));
        reach.note(spot("192.0.2.9:4001", Some("192.0.2.9")));
        assert_eq!(current(&reach), "vm:4000");
        reach.failed();
        assert_eq!(current(&reach), "192.0.2.9:4001");
    }

    #[test]
    fn unusable_addresses_are_refused_and_ipv6_hosts_get_brackets() {
        for bad in ["", "vm", "vm:", ":80", "vm:0", "vm:70000", "vm:-1", "vm:1e3", "a\nb:80"] {
            assert_eq!(Spot::parse(bad, None), None, "{bad:?}");
        }
        let mut reach = Reach::new(true);
        reach.configure(&spot("fe80::1:4000", None));
        assert_eq!(current(&reach), "[fe80::1]:4000");
        reach.configure(&spot("[::1]:4000", None));
        assert_eq!(reach.configured.as_deref(), Some("[::1]:4000"));
    }
}
