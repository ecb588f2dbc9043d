//! PING and PONG: whether a node is there, how far away it is, and how wrong its clock is (protocol chapter
//! 2.9).

use ligand_transporters::NodeId;
use ligand_transporters::locks::Mutex;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Transit;
use super::outbound::not_sent;
use crate::error::Result;
use crate::protocol::{ForeignId, Id, Outgoing, PacketId, Pong};

/// How many pings may wait for their answer at the same time. Beyond that, a ping fails.
const MAX_WAITING: usize = 4096;

/// The answer to a ping (Node's `$node.pong`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PingReply {
    /// The time from sending the ping to receiving the answer.
    pub elapsed: Duration,
    /// The other node's clock minus this node's, in milliseconds. This is an estimate.
    pub time_diff_ms: f64,
}

/// Pings that wait for their answer, by the id they carry.
#[derive(Debug, Default)]
pub(super) struct Pings(Mutex<HashMap<PacketId, Waiting>>);

#[derive(Debug)]
struct Waiting {
    node: NodeId,
    sent: Instant,
    answer: oneshot::Sender<PingReply>,
}

/// Forgets a ping whose caller is gone.
struct Forget<'a>(&'a Pings, PacketId);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

impl Pings {
    /// Settles the ping that this answers, and returns the result.
    pub(super) fn answered(&self, sender: &NodeId, pong: &Pong, now: Instant) -> Option<PingReply> {
        let id = PacketId::parse(pong.nonce()?)?;
        let mut waiting = self.0.lock();
        if waiting.get(&id)?.node != *sender {
            return None;
        }
        let ping = waiting.remove(&id)?;
        let elapsed = now.saturating_duration_since(ping.sent);
        let arrived = pong.arrived.unwrap_or_else(wall_clock_ms);
        // This is Node's formula. It assumes that both directions take equally long.
        let time_diff_ms = (wall_clock_ms() - arrived - elapsed.as_secs_f64() * 1000.0 / 2.0).round();
        let reply = PingReply { elapsed, time_diff_ms };
        // The caller may be gone by now.
        let _ = ping.answer.send(reply);
        Some(reply)
    }
}

impl Transit {
    /// A PONG arrived for a ping of ours.
    pub(crate) fn pinged(&self, sender: &NodeId, pong: &Pong, now: Instant) -> Option<PingReply> {
        self.pings.answered(sender, pong, now)
    }

    pub(crate) async fn ping(&self, node: &NodeId) -> Result<Option<PingReply>> {
        let id = PacketId::random();
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = self.pings.0.lock();
            if waiting.len() >= MAX_WAITING {
                let full = ligand_transporters::SendError::Full;
                return Err(not_sent(full, "ping", Some(node), &self.node));
            }
            waiting.insert(id, Waiting { node: node.clone(), sent: Instant::now(), answer: sender });
        }
        let _forget = Forget(&self.pings, id);
        let ping = Outgoing::Ping { time: wall_clock_ms(), id: Id::Ours(id) };
        self.send_to(node, self.version_of(node), 0, &ping, &mut |_| Ok(()))
            .map_err(|error| not_sent(error, "ping", Some(node), &self.node))?;
        Ok(timeout(self.config.ping_timeout, answer).await.ok().and_then(Result::ok))
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64
}

/// The id of a ping or pong, in the form in which it is sent back.
pub(crate) fn echo(id: Option<&ForeignId>) -> Option<Id<'_>> {
    id.map(ForeignId::as_wire)
}
