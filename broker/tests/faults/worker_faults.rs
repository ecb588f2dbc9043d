//! Workers are restarted one after the other, frozen, and killed, while calls are made.

use std::time::Duration;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::figures::{Figure, Row};
use crate::load::Load;
use crate::server_faults::common;
use crate::{DEADLINE, EVER, PATIENCE};

const PER_SECOND: u32 = 500;
const WORK_MS: u64 = 20;
/// How long calls go on afterwards.
const STEADY: Duration = Duration::from_secs(1);
/// The deadline of calls of which none may fail: one that a busy machine keeps waiting is not lost.
const PATIENT: Duration = Duration::from_secs(10);
/// Who is sent calls until so shortly before it is thawed was never given up.
const LAST_BIT: Duration = Duration::from_secs(1);
/// A server tells that a worker has gone by its silence: 3 s, looked at every second.
const DETECTION_MS: f64 = 3_000.0;

/// All of them with one caller and three workers.
pub(crate) async fn run(
    transporter: &'static str,
    url: Option<&str>,
    rolls: usize,
    frozen: u64,
    rows: &mut Vec<Row>,
) {
    let mut cluster = match Cluster::start(url, 3, WORK_MS).await {
        Ok(cluster) => cluster,
        Err(why) => return rows.push(Row::broken(transporter, "start of workers", why)),
    };
    let mut row = Row::new(transporter, "rolling restart");
    row.broken = rolling(&mut cluster, rolls, &mut row).await.err();
    rows.push(row.printed());
    let mut row = Row::new(transporter, "worker frozen");
    row.broken = freeze(&cluster, frozen, &mut row).await.err();
    rows.push(row.printed());
    let mut row = Row::new(transporter, "worker killed");
    row.broken = kill(&mut cluster, &mut row).await.err();
    rows.push(row.printed());
    if let Err(why) = cluster.stop().await {
        rows.push(Row::broken(transporter, "stop after the workers' faults", why));
    }
}

async fn rolling(cluster: &mut Cluster, rolls: usize, row: &mut Row) -> Result<(), String> {
    let mut load = Load::start(&cluster.caller, PER_SECOND, PATIENT);
    load.steady().await?;
    for _ in 0..rolls * cluster.workers.len() {
        let worker = cluster.workers.remove(0);
        let name = worker.name.clone();
        worker.terminate().await;
        cluster.start_again(&name).await?;
    }
    sleep(STEADY).await;
    let tally = load.end(&cluster.handled).await;
    row.reasons = tally.reasons();
    row.figures = common(&tally);
    for figure in &mut row.figures {
        if figure.name == "failed" {
            *figure = figure.clone().must_be(0.0);
        }
    }
    row.figures.push(Figure::time("p99", tally.p99(&(Duration::ZERO..EVER))));
    Ok(())
}

async fn freeze(cluster: &Cluster, seconds: u64, row: &mut Row) -> Result<(), String> {
    let victim = cluster.workers.first().ok_or("there are workers")?;
    let mut load = Load::start(&cluster.caller, PER_SECOND, DEADLINE);
    load.steady().await?;
    let struck = load.now();
    victim.freeze(seconds).await;
    let thawed = load.now();
    let answers = async {
        while load.so_far().first_success(thawed, Some(&victim.name)).is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = timeout(PATIENCE, answers).await;
    sleep(STEADY).await;
    let tally = load.end(&cluster.handled).await;
    row.reasons = tally.reasons();
    row.figures = common(&tally);
    let (_, elsewhere) = tally.failures(&(Duration::ZERO..EVER), &victim.name);
    row.figures.extend([
        Figure::count("failed on other workers", elsewhere).must_be(0.0),
        Figure::time("calls still went to it for", tally.went_to(&victim.name, &(struck..thawed), LAST_BIT))
            .waited_for(seconds)
            .target(DETECTION_MS),
        Figure::time("it answers again after", tally.first_success(thawed, Some(&victim.name)))
            .limit(10_000.0),
    ]);
    Ok(())
}

async fn kill(cluster: &mut Cluster, row: &mut Row) -> Result<(), String> {
    let mut load = Load::start(&cluster.caller, PER_SECOND, DEADLINE);
    load.steady().await?;
    let victim = cluster.workers.remove(0);
    let name = victim.name.clone();
    let struck = load.now();
    victim.kill().await;
    cluster.all_known().await?;
    sleep(STEADY).await;
    let tally = load.end(&cluster.handled).await;
    row.reasons = tally.reasons();
    row.figures = common(&tally);
    let (_, elsewhere) = tally.failures(&(Duration::ZERO..EVER), &name);
    let went = tally.last_lost_on(&name, &(struck..EVER));
    row.figures.extend([
        Figure::count("failed on it, in flight when it died", tally.in_flight(struck, &name)).target(20.0),
        Figure::count("failed on other workers", elsewhere).must_be(0.0),
        Figure::time("calls still went to it for", went).target(DETECTION_MS),
    ]);
    for figure in &mut row.figures {
        if figure.name == "failed" {
            *figure = figure.clone().target(20.0);
        }
    }
    Ok(())
}
