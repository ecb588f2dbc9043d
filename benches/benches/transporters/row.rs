//! The workloads.

use crate::load::Load;
use crate::subject::Kind;
use crate::subject::bus::{Bus, Part};

/// The transport between the nodes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Memory,
    Bus(Bus),
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) way: Way,
    pub(crate) load: Load,
}

const KIB: usize = 1024;

impl Row {
    pub(crate) fn all() -> Vec<Self> {
        let mut loads = Vec::new();
        for size in [10, KIB, 64 * KIB] {
            loads.extend([1, 64, 512].map(|concurrency| Load::Calls { size, concurrency }));
        }
        loads.extend([1, 8].map(|concurrency| Load::Calls { size: KIB * KIB, concurrency }));
        loads.extend([1, 4].map(|nodes| Load::Events { size: 10, nodes }));
        loads.extend([1, 4].map(|nodes| Load::Events { size: KIB, nodes }));
        let of = |way| loads.iter().map(move |load| Self { way, load: *load });
        let on = Bus::ALL.into_iter().flat_map(Self::on);
        of(Way::Tcp).chain(of(Way::Memory)).chain(on).collect()
    }

    fn on(bus: Bus) -> Vec<Self> {
        let mut loads = Vec::new();
        for size in [10, KIB] {
            loads.extend([1, 64, 512].map(|concurrency| Load::Calls { size, concurrency }));
        }
        if bus == Bus::Nats {
            loads.push(Load::Calls { size: 64 * KIB, concurrency: 1 });
        }
        for size in [10, KIB] {
            loads.extend([1, 4].map(|nodes| Load::Events { size, nodes }));
        }
        loads.into_iter().map(|load| Self { way: Way::Bus(bus), load }).collect()
    }

    pub(crate) fn id(&self) -> String {
        let way = match self.way {
            Way::Tcp => "tcp",
            Way::Memory => "memory",
            Way::Bus(bus) => bus.name(),
        };
        match self.load {
            Load::Calls { size, concurrency } => format!("transporters/{way}/{}/c{concurrency}", text(size)),
            Load::Events { size, nodes } => format!("transporters/{way}/events/{}/s{nodes}", text(size)),
        }
    }

    /// The subjects of the row. The floor comes second.
    pub(crate) fn subjects(&self) -> Vec<Kind> {
        match (self.way, self.load) {
            (Way::Tcp, Load::Calls { .. }) => {
                vec![Kind::Ligand, Kind::Raw, Kind::Typed, Kind::Tarpc, Kind::Js]
            }
            (Way::Tcp, Load::Events { .. }) => vec![Kind::Ligand, Kind::Raw, Kind::Js],
            (Way::Memory, _) => vec![Kind::Memory, Kind::Channel],
            // At 22 calls a second, each wait for 512 callers would take half a minute.
            (Way::Bus(Bus::Amqp), Load::Calls { concurrency: 1 | 64, .. }) => {
                let parts = [Part::Ligand, Part::ByHand, Part::Js, Part::JsDefault];
                parts.map(|part| Kind::On(Bus::Amqp, part)).to_vec()
            }
            (Way::Bus(Bus::Nats), Load::Calls { .. }) => {
                let parts = [Part::Ligand, Part::ByHand, Part::Js, Part::Micro];
                parts.map(|part| Kind::On(Bus::Nats, part)).to_vec()
            }
            (Way::Bus(bus), _) => {
                [Part::Ligand, Part::ByHand, Part::Js].map(|part| Kind::On(bus, part)).to_vec()
            }
        }
    }
}

fn text(size: usize) -> String {
    match size {
        size if size >= KIB * KIB => format!("{}MiB", size / KIB / KIB),
        size if size >= KIB => format!("{}KiB", size / KIB),
        size => format!("{size}B"),
    }
}
