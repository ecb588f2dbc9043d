//! The conformance suite notices transporters that do not keep their word.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use ligand_transporters::conformance::{self, Fixture};
use ligand_transporters::memory::{Faults, Memory, Network};
use ligand_transporters::{
    Capabilities, Connection, Link, PacketKind, Route, SendError, Subscription, TransportError, Transporter,
    WriteFrame,
};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    KeepsSubscriptions,
    SendsWhatWasAbandoned,
    SendsAfterClosing,
    ReportsWhatArrived,
    ForgetsItsLimit,
    HoldsOnToTheLink,
    ShedsControlFrames,
}

/// The in-memory network, with one flaw.
#[derive(Debug)]
struct Liar(Memory, Lie);

#[derive(Debug)]
struct Live {
    inner: Arc<dyn Connection>,
    link: Link,
    lie: Lie,
}

#[async_trait]
impl Transporter for Liar {
    fn scheme(&self) -> &'static str {
        "liar"
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.0.capabilities();
        match self.1 {
            Lie::ForgetsItsLimit => capabilities.with_max_frame((1 << 20) - 1),
            _ => capabilities,
        }
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        let inner = self.0.connect(link.clone()).await?;
        if self.1 == Lie::HoldsOnToTheLink {
            std::mem::forget(link.clone());
        }
        Ok(Arc::new(Live { inner, link, lie: self.1 }))
    }
}

#[async_trait]
impl Connection for Live {
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        self.inner.subscribe(to).await
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        match self.lie {
            Lie::KeepsSubscriptions => Ok(()),
            _ => self.inner.unsubscribe(from).await,
        }
    }

    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError> {
        let sent = match self.lie {
            Lie::SendsWhatWasAbandoned => self.inner.send(to, kind, token, &mut |frame| {
                let _ = write(frame);
                Ok(())
            }),
            _ => self.inner.send(to, kind, token, write),
        };
        match (self.lie, sent) {
            (Lie::ReportsWhatArrived, Ok(())) if token == 7 => self.link.unsent(&[token]),
            (Lie::SendsAfterClosing, Err(SendError::Disconnected)) => return Ok(()),
            (Lie::ShedsControlFrames, _) if kind == PacketKind::Pong => return Err(SendError::Full),
            _ => {}
        }
        sent
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.inner.close().await
    }
}

/// Runs the suite, which has to fail; what it says.
async fn complaint(patience: u64, make: impl Fn() -> Fixture) -> String {
    let run = conformance::run(|| make().with_patience(Duration::from_millis(patience)));
    let panic = AssertUnwindSafe(run).catch_unwind().await.expect_err("nobody noticed");
    panic.downcast_ref::<String>().expect("the suite panics with a text").clone()
}

async fn complaint_about(lie: Lie) -> String {
    // Where every node of every case makes the suite wait, it had better not wait for long.
    let patience = if lie == Lie::HoldsOnToTheLink { 30 } else { 500 };
    complaint(patience, || {
        let network = Network::new();
        Fixture::new(move |_| Arc::new(Liar(network.transporter(), lie))).accepting_at_most(9 << 20)
    })
    .await
}

async fn complaint_about_faults(faults: Faults) -> String {
    complaint(500, || {
        let network = Network::seeded(1);
        network.set_faults(faults.clone());
        Fixture::new(move |_| Arc::new(network.transporter()))
    })
    .await
}

macro_rules! noticed {
    ($($name:ident: $complaint:expr => $part:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let complaint = $complaint.await;
            assert!(complaint.contains($part), "{complaint}");
        }
    )*};
}

noticed! {
    subscriptions_that_do_not_end: complaint_about(Lie::KeepsSubscriptions) => "too late";
    abandoned_frames_that_are_sent: complaint_about(Lie::SendsWhatWasAbandoned) => "an abandoned frame gave Ok";
    frames_accepted_after_closing: complaint_about(Lie::SendsAfterClosing) => "after closing, sending gave Ok";
    reports_of_frames_that_arrived: complaint_about(Lie::ReportsWhatArrived) => "though they arrived: [7]";
    a_limit_that_is_not_kept: complaint_about(Lie::ForgetsItsLimit) => "a frame that is too large gave Ok";
    a_link_that_is_not_let_go: complaint_about(Lie::HoldsOnToTheLink) => "something still holds node-0";
    control_frames_that_are_shed: complaint_about(Lie::ShedsControlFrames) => "control frame 0 gave Err(Full)";
    lost_frames: complaint_about_faults(Faults { loss: 0.001, ..Faults::default() }) => "in order";
    repeated_frames: complaint_about_faults(Faults { duplicate: 0.001, ..Faults::default() }) => "in order";
    reordered_frames: complaint_about_faults(Faults { reorder: 0.001, ..Faults::default() }) => "in order";
}

#[tokio::test]
async fn a_buffer_that_is_larger_than_stated() {
    let complaint = complaint(500, || {
        let network = Network::new();
        Fixture::new(move |_| Arc::new(network.transporter())).accepting_at_most(1 << 20)
    })
    .await;
    assert!(complaint.contains("were accepted for a peer that does not read"), "{complaint}");
}

/// The whole suite against a transporter that does nothing wrong, as a third party would write it.
#[tokio::test]
async fn a_transporter_around_another_conforms_like_it() {
    #[derive(Debug)]
    struct Plain(Memory);
    #[async_trait]
    impl Transporter for Plain {
        fn scheme(&self) -> &'static str {
            "plain"
        }
        fn capabilities(&self) -> Capabilities {
            Capabilities::bus()
        }
        async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
            self.0.connect(link).await
        }
    }
    conformance::run(|| {
        let network = Network::new();
        Fixture::new(move |_| Arc::new(Plain(network.transporter())))
    })
    .await;
}
