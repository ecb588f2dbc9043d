//! The control loop handles everything about the cluster, as opposed to the calls of users.
//!
//! It runs on a thread of its own and never runs a handler. So heartbeats, pings and farewells are in time
//! however long a handler blocks. Packets are handled strictly in the order of their arrival.

use ligand_transporters::Link;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use tokio::sync::watch;
use tokio::time::Instant;

use super::driver::Driver;
use super::mailbox::Inbox;
use super::records::Store;
use crate::broker::ServiceBroker;
use crate::transit::Transit;

/// Starts the loop, on a thread of its own or as a task of this runtime. `store` is the store of a
/// discoverer.
///
/// # Errors
/// If no thread can be started.
pub(crate) fn start(
    transit: &Arc<Transit>,
    broker: &ServiceBroker,
    store: Option<Store>,
) -> std::io::Result<()> {
    let Some((inbox, over)) = transit.control().open() else { return Ok(()) };
    let driver = Driver::new(transit, broker, store, Instant::now());
    let work = run(Arc::downgrade(transit), transit.uplink().link.clone(), inbox, driver, over);
    if !broker.config().control.thread {
        transit.uplink().link.spawn(work);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("ligand-control".to_owned()).spawn(move || runtime.block_on(work))?;
    Ok(())
}

/// Takes messages and watches the clock until the link closes.
async fn run(
    transit: Weak<Transit>,
    link: Link,
    mut inbox: Inbox,
    mut driver: Driver,
    over: watch::Sender<bool>,
) {
    let watchdog = link.watchdog();
    tokio::pin!(watchdog);
    let mut watching = true;
    loop {
        let next = driver.next_tick();
        let message = tokio::select! {
            biased;
            () = link.closed() => break,
            message = inbox.orders.recv() => message,
            message = inbox.packets.recv() => message,
            () = tokio::time::sleep_until(next) => None,
            () = &mut watchdog, if watching => {
                watching = false;
                continue;
            }
        };
        // These handles live for one turn only, so that the loop does not keep a forgotten broker alive.
        let Some(transit) = transit.upgrade() else { break };
        let Some(broker) = transit.broker() else { break };
        let now = Instant::now();
        // The user's layers see the bytes of packets. A panic in one of them must not silence this node.
        let turn = catch_unwind(AssertUnwindSafe(|| driver.turn(&transit, &broker, now).run(message)));
        if turn.is_err() {
            tracing::error!("the control loop met a panic and goes on");
        }
    }
    over.send_replace(true);
}
