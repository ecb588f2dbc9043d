//! The workloads.

use crate::subject::Kind;

/// How the nodes of a row reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Memory,
}

/// What is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// So many callers, each of which makes its next call when its last one is answered. The body has
    /// `size` bytes both ways.
    Calls { size: usize, concurrency: usize },
    /// Broadcasts to so many nodes.
    Events { size: usize, nodes: usize },
}

impl Load {
    /// As one line for the worker.
    pub(crate) fn to_words(self) -> String {
        match self {
            Self::Calls { size, concurrency } => format!("calls {size} {concurrency}"),
            Self::Events { size, nodes } => format!("events {size} {nodes}"),
        }
    }

    /// Reads [`Load::to_words`].
    pub(crate) fn from_words(kind: &str, size: &str, count: &str) -> Option<Self> {
        let (size, count) = (size.parse().ok()?, count.parse().ok()?);
        match kind {
            "calls" => Some(Self::Calls { size, concurrency: count }),
            "events" => Some(Self::Events { size, nodes: count }),
            _ => None,
        }
    }
}

/// One line of the table.
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
        of(Way::Tcp).chain(of(Way::Memory)).collect()
    }

    pub(crate) fn id(&self) -> String {
        let way = match self.way {
            Way::Tcp => "tcp",
            Way::Memory => "memory",
        };
        match self.load {
            Load::Calls { size, concurrency } => format!("transporters/{way}/{}/c{concurrency}", text(size)),
            Load::Events { size, nodes } => format!("transporters/{way}/events/{}/s{nodes}", text(size)),
        }
    }

    /// Who takes part; the floor comes second.
    pub(crate) const fn subjects(&self) -> &'static [Kind] {
        match (self.way, self.load) {
            (Way::Tcp, Load::Calls { .. }) => &[Kind::Ligand, Kind::Raw, Kind::Typed, Kind::Tarpc, Kind::Js],
            (Way::Tcp, Load::Events { .. }) => &[Kind::Ligand, Kind::Raw, Kind::Js],
            (Way::Memory, _) => &[Kind::Memory, Kind::Channel],
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
