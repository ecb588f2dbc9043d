//! The message server is stopped, killed, and restarted again and again, while calls are made.

use ligand::ServiceBroker;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::census::Census;
use crate::cluster::Cluster;
use crate::figures::{Figure, Row};
use crate::load::Load;
use crate::places::Transporter;
use crate::server::Server;
use crate::tally::Tally;
use crate::{DEADLINE, EVER, PATIENCE};

const PER_SECOND: u32 = 100;
/// How long calls are made at least before and after, on top of the second that shows that they go well.
const STEADY: Duration = Duration::from_secs(1);
const DOWN: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Stop,
    Kill,
}

/// All of them on one server. Two of the restarts are those under load.
pub(crate) async fn run(transporter: Transporter, server: &Server, restarts: usize, rows: &mut Vec<Row>) {
    let mut row = Row::new(transporter.name, "start");
    let begun = async {
        let cluster = Cluster::start(Some(&server.url), 2, 0).await?;
        let first = Census::of(server, transporter.name).await?;
        Ok::<_, String>((cluster, first))
    };
    let (mut cluster, first) = match begun.await {
        Ok(begun) => begun,
        Err(why) => {
            row.broken = Some(why);
            return rows.push(row);
        }
    };
    for (scenario, blow) in [("server stopped", Blow::Stop), ("server killed", Blow::Kill)] {
        let mut row = Row::new(transporter.name, scenario);
        row.broken = outage(&cluster, server, blow, &mut row).await.err();
        rows.push(row.printed());
    }
    let mut row = Row::new(transporter.name, "restarts");
    row.broken = again(transporter, server, &mut cluster, restarts, &first, &mut row).await.err();
    rows.push(row.printed());
    if let Err(why) = cluster.stop().await {
        rows.push(Row::broken(transporter.name, "stop after the server's faults", why));
    }
}

async fn outage(cluster: &Cluster, server: &Server, blow: Blow, row: &mut Row) -> Result<(), String> {
    let moments = Moments::listen(&cluster.caller);
    let mut load = Load::start(&cluster.caller, PER_SECOND, DEADLINE);
    load.steady().await?;
    sleep(STEADY).await;
    let (blown, struck) = (Instant::now(), load.now());
    match blow {
        Blow::Stop => server.stop().await?,
        Blow::Kill => {
            server.kill().await?;
            sleep(DOWN).await;
        }
    }
    let answers = load.at(server.start().await?);
    let works = async {
        while load.so_far().first_success(answers, None).is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, works).await.map_err(|_| format!("no call works within {PATIENCE:?}"))?;
    let all_back = load.at(cluster.all_answer().await?);
    sleep(STEADY).await;
    let (lost, back) = moments.outage_after(blown);
    let (lost, back) = (lost.map(|at| load.at(at)), back.map(|at| load.at(at)));
    let tally = load.end(&cluster.handled).await;
    row.reasons = tally.reasons();
    row.figures = common(&tally);
    row.figures.push(Figure::time("loss noticed after", lost.map(|lost| lost.saturating_sub(struck))));
    let (Some(lost), Some(back)) = (lost, back) else {
        return Err("the caller does not notice that the server is gone and back".to_owned());
    };
    // A call at the very edge may meet the other state than the one that has just been told.
    let edge = Duration::from_millis(15);
    let (others, slowest) = tally.outage(&(lost + edge..back.saturating_sub(edge)));
    let first = tally.first_success(answers, None);
    let (_, after) = tally.failures(&(back..EVER), "nobody");
    row.figures.extend([
        Figure::count("calls without a server that did not fail as `NotRun`", others).must_be(0.0),
        Figure::time("slowest of them", slowest).target(50.0).limit(1_000.0),
        Figure::time("first success after the server answers", first).target(1_000.0).limit(10_000.0),
        Figure::time("both workers answered again", all_back.saturating_sub(answers)),
        Figure::count("failed after the caller had reconnected", after),
        slower(&tally, &(Duration::ZERO..struck)),
    ]);
    Ok(())
}

/// The p99 of the whole run beside that of the time before. Fewer than 1 ms is noise, and counts as 1 ms.
fn slower(tally: &Tally, steady: &Range<Duration>) -> Figure {
    let (whole, steady) = (tally.p99(&(Duration::ZERO..EVER)), tally.p99(steady));
    let least = Duration::from_millis(1);
    let ratio =
        whole.zip(steady).map(|(whole, steady)| whole.as_secs_f64() / steady.max(least).as_secs_f64());
    Figure::times("p99 relative to the time before the fault", ratio).target(3.0)
}

/// What every run under load is asked for.
pub(crate) fn common(tally: &Tally) -> Vec<Figure> {
    vec![
        Figure::count("calls", tally.calls.len()),
        Figure::count("failed", tally.failed()),
        Figure::count("never settled", tally.never_settled()).must_be(0.0),
        Figure::count("handled twice", tally.handled_twice()).must_be(0.0),
        Figure::count("handled, but failed as `NotRun`", tally.ran_after_all()).must_be(0.0),
    ]
}

async fn again(
    transporter: Transporter,
    server: &Server,
    cluster: &mut Cluster,
    restarts: usize,
    first: &Census,
    row: &mut Row,
) -> Result<(), String> {
    let resident = || cluster.workers.first().map(|worker| worker.resident()).unwrap_or_default();
    let before = resident();
    for number in 3..=restarts {
        server.restart().await?;
        cluster.all_answer().await.map_err(|why| format!("after restart {number}: {why}"))?;
    }
    let now = Census::of(server, transporter.name).await?;
    let grown = resident().saturating_sub(before);
    row.figures = vec![
        Figure::count("restarts", restarts),
        Figure::count("connections after the first start", first.connections),
        Figure::count("additional connections at the end", now.more_connections(first)).must_be(0.0),
    ];
    if let (Some(subscribed), Some(other)) = (first.subscribed(), now.other_subscriptions(first)) {
        row.figures.push(Figure::count("subscriptions after the first start", subscribed));
        row.figures.push(Figure::count("subscriptions added or lost since", other).must_be(0.0));
    }
    row.figures.extend([
        Figure::count("workers that do not receive a broadcast exactly once", cluster.misheard().await?)
            .must_be(0.0),
        Figure::kib("memory growth of a worker since the second restart", grown).target(2_048.0),
    ]);
    Ok(())
}

/// When the caller noticed what.
struct Moments {
    noticed: Arc<Mutex<Vec<(bool, Instant)>>>,
    /// Dropped to end the thread that notes them.
    _stop: oneshot::Sender<()>,
}

impl Moments {
    fn listen(caller: &ServiceBroker) -> Self {
        let noticed = Arc::new(Mutex::new(Vec::new()));
        let mut events = caller.local_events("$transporter.*");
        let notes = Arc::clone(&noticed);
        let (stop, mut stopped) = oneshot::channel();
        let note = async move {
            loop {
                let event = tokio::select! {
                    _ = &mut stopped => return,
                    event = events.recv() => event,
                };
                let up = match event.as_ref().map(|event| &*event.name) {
                    Some("$transporter.connected") => true,
                    Some("$transporter.disconnected") => false,
                    Some(_) => continue,
                    None => return,
                };
                notes.lock().unwrap_or_else(PoisonError::into_inner).push((up, Instant::now()));
            }
        };
        // A thread of its own: behind the calls it would note them late.
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it takes nothing");
        std::thread::spawn(move || runtime.block_on(note));
        Self { noticed, _stop: stop }
    }

    /// When the connection was lost after a moment, and when it was there again after that.
    fn outage_after(&self, moment: Instant) -> (Option<Instant>, Option<Instant>) {
        let noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = noticed.iter().skip_while(|(up, at)| *up || *at < moment);
        let lost = rest.next().map(|(_, at)| *at);
        (lost, rest.find(|(up, _)| *up).map(|(_, at)| *at))
    }
}
