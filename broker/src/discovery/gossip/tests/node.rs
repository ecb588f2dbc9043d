//! Node's side of gossip, written down literally from protocol chapter 4.3–4.6 and 5.4, with its faults.

use ligand_transporters::{Name, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Card, Dice, Digest, ResponseRows, Seen, Send, What};
use crate::discovery::gossip::Row;

#[derive(Debug, Clone)]
pub(super) struct NodeJs {
    pub(super) me: NodeId,
    pub(super) nodes: BTreeMap<NodeId, Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) local: bool,
    pub(super) available: bool,
    pub(super) seq: u64,
    pub(super) cpu_seq: u64,
    pub(super) cpu: u32,
    pub(super) info: Option<Card>,
    pub(super) udp: Option<Name>,
    pub(super) hostname: Name,
    pub(super) port: u16,
}

impl NodeJs {
    pub(super) fn new(me: NodeId, info: Card) -> Self {
        let own = Entry {
            local: true,
            available: true,
            seq: info.seq,
            cpu_seq: 0,
            cpu: 0,
            udp: None,
            hostname: info.hostname.clone().unwrap(),
            port: info.port,
            info: Some(info),
        };
        Self { nodes: BTreeMap::from([(me.clone(), own)]), me }
    }

    pub(super) fn own(&self) -> &Entry {
        &self.nodes[&self.me]
    }

    pub(super) fn add_offline(&mut self, node: &NodeId, hostname: &str, port: u16, udp: Option<Name>) {
        let entry = Entry {
            local: false,
            available: false,
            seq: 0,
            cpu_seq: 0,
            cpu: 0,
            info: None,
            udp,
            hostname: hostname.into(),
            port,
        };
        self.nodes.insert(node.clone(), entry);
    }

    pub(super) fn hello(&mut self, sender: &NodeId, host: &str, port: u16, remote: &Name) {
        match self.nodes.get_mut(sender) {
            None => self.add_offline(sender, host, port, Some(remote.clone())),
            Some(node) if node.udp.is_none() => node.udp = Some(remote.clone()),
            Some(_) => {}
        }
    }

    pub(super) fn address_of(&self, node: &NodeId) -> Option<Name> {
        let node = self.nodes.get(node)?;
        Some(Name::from(format!("{}:{}", node.udp.as_ref().unwrap_or(&node.hostname), node.port)))
    }

    pub(super) fn lost(&mut self, node: &NodeId) {
        if let Some(node) = self.nodes.get_mut(node)
            && node.available
        {
            node.available = false;
            node.seq += 1;
        }
    }

    pub(super) fn own_changed(&mut self) {
        let me = self.me.clone();
        let own = self.nodes.get_mut(&me).unwrap();
        own.seq += 1;
        let seq = own.seq;
        let info = own.info.as_mut().unwrap();
        info.seq = seq;
        info.services += 1;
    }

    pub(super) fn tick(&self, dice: &mut Dice) -> Vec<Send<Card>> {
        let mut sends = Vec::new();
        if self.nodes.len() <= 1 {
            return sends;
        }
        let mut packet = Digest::default();
        let (mut online, mut offline) = (Vec::new(), Vec::new());
        for (id, node) in &self.nodes {
            if node.available {
                packet
                    .online
                    .insert(id.clone(), Seen { seq: node.seq, cpu_seq: node.cpu_seq, cpu: node.cpu });
                if !node.local {
                    online.push(id);
                }
            } else {
                if node.seq > 0 {
                    packet.offline.insert(id.clone(), node.seq);
                }
                offline.push(id);
            }
        }
        let packet = Arc::new(packet);
        let send = |to: &NodeId| Send { to: to.clone(), what: What::Request(Arc::clone(&packet)) };
        if !online.is_empty() {
            sends.push(send(online[dice.below(online.len())]));
        }
        if !offline.is_empty() && dice.below(1_000) * (online.len() + 1) < offline.len() * 1_000 {
            sends.push(send(offline[dice.below(offline.len())]));
        }
        sends
    }

    pub(super) fn request(&mut self, payload: &Digest) -> Option<ResponseRows<Card>> {
        let mut response = ResponseRows::default();
        for (id, node) in &mut self.nodes {
            let offline = payload.offline.get(id).copied().filter(|seq| *seq != 0);
            let online = payload.online.get(id).copied();
            let seq = offline.or(online.map(|seen| seen.seq)).unwrap_or(0);
            let row = |node: &Entry| Row::Info {
                info: node.info.clone().unwrap(),
                cpu_seq: node.cpu_seq,
                cpu: node.cpu,
            };
            if seq == 0 || seq < node.seq {
                if node.available {
                    response.online.insert(id.clone(), row(node));
                } else {
                    response.offline.insert(id.clone(), node.seq);
                }
            } else if offline.is_some() {
                if !node.available {
                    node.seq = seq;
                } else if !node.local {
                    node.available = false;
                    node.seq = seq;
                } else {
                    node.seq = seq + 1;
                    node.info.as_mut().unwrap().seq = node.seq;
                    response.online.insert(id.clone(), row(node));
                }
            } else if let Some(Seen { cpu_seq, cpu, .. }) = online
                && node.available
            {
                if cpu_seq > node.cpu_seq {
                    node.cpu_seq = cpu_seq;
                    node.cpu = cpu;
                } else if cpu_seq < node.cpu_seq {
                    response.online.insert(id.clone(), Row::Cpu { cpu_seq: node.cpu_seq, cpu: node.cpu });
                }
            }
        }
        (!response.is_empty()).then_some(response)
    }

    pub(super) fn response(&mut self, payload: &ResponseRows<Card>) {
        for (id, row) in &payload.online {
            if *id == self.me {
                continue;
            }
            let (info, cpu_seq, cpu) = match row {
                Row::Info { info, cpu_seq, cpu } => (Some(info), *cpu_seq, *cpu),
                Row::Cpu { cpu_seq, cpu } => (None, *cpu_seq, *cpu),
            };
            if let Some(info) = info
                && self.nodes.get(id).is_none_or(|node| node.seq < info.seq)
            {
                if !self.nodes.contains_key(id) {
                    self.add_offline(id, "", 0, None);
                }
                let node = self.nodes.get_mut(id).unwrap();
                node.available = true;
                node.hostname = info.hostname.clone().unwrap();
                node.port = info.port;
                node.seq = info.seq;
                node.info = Some(info.clone());
            }
            if let Some(node) = self.nodes.get_mut(id)
                && cpu_seq > node.cpu_seq
            {
                node.cpu_seq = cpu_seq;
                node.cpu = cpu;
            }
        }
        for (id, seq) in &payload.offline {
            if *id == self.me {
                continue;
            }
            if let Some(node) = self.nodes.get_mut(id)
                && node.seq < *seq
            {
                node.available = false;
                node.seq = *seq;
            }
        }
    }
}
