//! Packets to another node that has this node's id.

use ligand_transporters::{InvalidId, Name, NodeId, Route};

use super::Transit;
use super::ping::wall_clock_ms;
use crate::discovery::conflict::{Conflict, Probe};
use crate::protocol::{Id, Outgoing, ProtocolVersion};

/// How many PINGs a probe sends if an inbox is shared. The server hands out the packets of a shared inbox in
/// turn, so not all of the answers go to the owner itself.
const SHARED_PROBES: usize = 4;
/// Stands between our id and an address. It contains spaces, which the id of a ligand node cannot contain.
const STAND_IN: &str = " at ";

impl Transit {
    /// Probes whether another node has our id.
    pub(crate) fn probe(&self, probe: &Probe) {
        let ping = Outgoing::Ping { time: wall_clock_ms(), id: Id::Text(&probe.nonce) };
        if !self.uplink.shared_inboxes {
            return self.send_to_double(probe.address.as_ref(), self.wire.version, &ping);
        }
        for _ in 0..SHARED_PROBES {
            self.send_to_double(probe.address.as_ref(), self.wire.version, &ping);
        }
        let echo = Conflict::echo(&probe.nonce);
        let echo = Some(Id::Text(&echo));
        let pong = Outgoing::Pong { time: None, id: echo, arrived: wall_clock_ms() };
        self.send_to_double(None, self.wire.version, &pong);
    }

    /// Sends a packet to the other node that has our id: to an address, or over a bus to our own topic.
    pub(crate) fn send_to_double(
        &self,
        addr: Option<&Name>,
        version: ProtocolVersion,
        packet: &Outgoing<'_>,
    ) {
        let route = match addr.map(|addr| self.stand_in(addr)) {
            Some(Ok(stand_in)) => Route::Node { id: stand_in, addr: addr.cloned() },
            Some(Err(_)) => return,
            None => Route::Node { id: self.node.clone(), addr: None },
        };
        if let Err(error) = self.send(&route, version, 0, packet, &mut |_| Ok(())) {
            tracing::debug!(error = %error, packet = packet.kind().as_str(), "not sent to a node with our id");
        }
    }

    /// The id under which the transporter keeps the connection to another owner of our id. Its connections
    /// are per id, and ours stands for this node.
    fn stand_in(&self, addr: &str) -> Result<NodeId, InvalidId> {
        NodeId::foreign(format!("{}{STAND_IN}{addr}", self.node))
    }

    /// The address that such an id stands for.
    pub(crate) fn stood_in_for<'a>(&self, node: &'a NodeId) -> Option<&'a str> {
        node.as_str().strip_prefix(self.node.as_str())?.strip_prefix(STAND_IN)
    }
}
