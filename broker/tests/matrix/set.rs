//! Runs one set: its nodes meet, every feature is tried, and each becomes a cell.

use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::checks::Checks;
use crate::features;
use crate::nodes::Nodes;
use crate::sets::Set;

/// A feature is given up after this long.
const FEATURE: Duration = Duration::from_secs(90);

/// How a feature went.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// So many comparisons, all as expected.
    Green(usize),
    /// Why not.
    Red(String),
    /// Why stock nodes do not have it.
    NotApplicable(&'static str),
}

/// A set and its cells, in the order of [`features::ALL`].
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) set: Set,
    pub(crate) cells: Vec<Cell>,
}

pub(crate) async fn run(set: &Set) -> Row {
    let all_are = |cell: Cell| Row { set: *set, cells: vec![cell; features::ALL.len()] };
    if let Some(why) = set.lacks() {
        return all_are(Cell::NotApplicable(why));
    }
    let met = AssertUnwindSafe(Nodes::meet(set)).catch_unwind().await;
    let mut nodes = match met.unwrap_or_else(|panic| Err(said(&*panic))) {
        Ok(nodes) => nodes,
        Err(why) => return all_are(Cell::Red(format!("the nodes do not meet: {why}"))),
    };
    let mut cells = Vec::new();
    for feature in features::ALL {
        let mut checks = Checks::default();
        let trying = AssertUnwindSafe((feature.run)(&mut nodes, &mut checks)).catch_unwind();
        cells.push(match tokio::time::timeout(FEATURE, trying).await {
            Ok(Ok(())) => Cell::Green(checks.0),
            Ok(Err(panic)) => Cell::Red(said(&*panic)),
            Err(_) => Cell::Red(format!("not within {FEATURE:?}")),
        });
    }
    // What the nodes have to say at their end is in the cells already.
    let _ = nodes.rust.stop().await;
    Row { set: *set, cells }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}
