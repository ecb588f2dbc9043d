//! What a broker says of itself: whether it is ready, how its transporter is, who is there.

use ligand::testing::TestBroker;
use ligand::transport::IntoTransporter;
use ligand::transport::memory::Network;
use ligand::{ServiceBroker, Timeout, TransporterState};
use tokio::time::Instant;

use crate::bus::Server;
use crate::ways::{ms, secs};

/// A broker on this time, that has not been started.
fn broker(id: &str, transporter: impl IntoTransporter) -> ServiceBroker {
    let builder = ServiceBroker::builder().node_id(id).transporter(transporter);
    builder.configure(|config| config.control.thread = false).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_broker_is_ready_from_its_start_to_its_stop_and_while_it_is_connected() {
    let network = Network::new();
    let server = Server::on(&network);
    let broker = broker("a", server.clone());
    assert_eq!((broker.is_ready(), broker.transporter_state()), (false, TransporterState::Idle));
    broker.start().await.unwrap();
    assert_eq!((broker.is_ready(), broker.transporter_state()), (true, TransporterState::Connected));
    let mut events = broker.local_events("$transporter.*");
    network.crash("a");
    assert_eq!(events.recv().await.unwrap().name.as_str(), "$transporter.disconnected");
    assert_eq!((broker.is_ready(), broker.transporter_state()), (false, TransporterState::Disconnected));
    network.restore("a");
    assert_eq!(events.recv().await.unwrap().name.as_str(), "$transporter.connected");
    assert_eq!((broker.is_ready(), broker.transporter_state()), (true, TransporterState::Connected));
    let mut stopping = broker.local_events("$broker.stopping");
    let (stopped, ()) = tokio::join!(broker.stop(), async {
        stopping.recv().await.unwrap();
        // It still serves, and is not to be sent anything more.
        assert_eq!((broker.is_ready(), broker.transporter_state()), (false, TransporterState::Connected));
    });
    stopped.unwrap();
    assert_eq!((broker.is_ready(), broker.transporter_state()), (false, TransporterState::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_waits_for_its_server_is_connecting() {
    let network = Network::new();
    network.crash("a");
    let broker = broker("a", network.transporter());
    let starting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.start().await }
    });
    while broker.transporter_state() == TransporterState::Idle {
        tokio::task::yield_now().await;
    }
    assert_eq!((broker.is_ready(), broker.transporter_state()), (false, TransporterState::Connecting));
    network.restore("a");
    starting.await.unwrap().unwrap();
    assert!(broker.is_ready());
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_broker_alone_has_no_transporter_and_is_ready_all_the_same() {
    let broker = ServiceBroker::builder().build().unwrap();
    assert_eq!((broker.is_ready(), broker.transporter_state()), (false, TransporterState::Absent));
    broker.start().await.unwrap();
    assert_eq!((broker.is_ready(), broker.transporter_state()), (true, TransporterState::Absent));
    broker.stop().await.unwrap();
    assert!(!broker.is_ready());
}

#[tokio::test(start_paused = true)]
async fn nodes_are_waited_for_from_before_the_start_on() {
    let network = Network::new();
    let (a, b) = (broker("a", network.transporter()), broker("b", network.transporter()));
    let (waited, ()) = tokio::join!(a.wait_for_nodes(&["a", "b"]), async {
        a.start().await.unwrap();
        tokio::time::sleep(secs(3)).await;
        b.start().await.unwrap();
    });
    waited.unwrap();
    b.stop().await.unwrap();
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_nodes_is_bounded_and_names_those_that_are_missing() {
    let broker = TestBroker::new().node_id("a").start().await;
    let from = Instant::now();
    let error = broker.wait_for_nodes(&["a", "b", "c"]).await.unwrap_err();
    assert_eq!((&error.missing[..], from.elapsed().as_secs()), (&["b".to_owned(), "c".to_owned()][..], 30));
    assert_eq!(error.to_string(), "no such node is available: `b`, `c`");
    let from = Instant::now();
    broker.wait_for_nodes_within(&["b"], ms(50)).await.unwrap_err();
    assert!(from.elapsed() < ms(60));
    let never = broker.wait_for_nodes_within(&["b"], Timeout::Never);
    assert!(tokio::time::timeout(secs(7200), never).await.is_err());
}
