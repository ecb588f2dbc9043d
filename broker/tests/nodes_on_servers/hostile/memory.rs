//! What a node's memory grows by. The victim is a process of its own, this program started again, so that
//! nobody else's memory is counted; the system tells its peak.

use ligand::layer::Compression;
use ligand::transport::{PacketKind, Route, Subscription, transporter_for};
use ligand::{Context, Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests_support::outsider::compressed;
use tests_support::outsider::packets::{forged, info};
use tests_support::outsider::peer::Peer;
use tests_support::{is, to, until, within};

use super::stage::{OWN, contains};

const ROLE: &str = "TEST_HOSTILE_VICTIM";
const MIB: usize = 1 << 20;

/// A node in a process of its own, and somebody who talks to it. Dropping it kills the process.
struct Victim {
    process: Child,
    attacker: Peer,
    /// Stands in front of every packet.
    prefix: &'static [u8],
    asked: AtomicUsize,
}

impl Victim {
    async fn start(url: &str, compresses: bool) -> Self {
        let kind = if compresses { "compressed" } else { "plain" };
        let namespace = format!("memory-{}-{kind}", std::process::id());
        let program = std::env::current_exe().expect("this program");
        let process = Command::new(program)
            .args(["hostile::memory::as_a_child_this_program_is_the_victim", "--exact", "--nocapture"])
            .env(ROLE, json!({ "url": url, "namespace": namespace, "compresses": compresses }).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let own = [PacketKind::Response, PacketKind::Discover, PacketKind::Ping].map(Subscription::Own);
        let transporter = transporter_for(url).unwrap();
        let attacker = Peer::connect(&*transporter, &namespace, "attacker", &own).await;
        let victim = Self {
            process,
            attacker,
            prefix: if compresses { &[0] } else { &[] },
            asked: AtomicUsize::new(0),
        };
        // Its topics are there when it answers, and not before.
        let answered = async {
            while tokio::time::timeout(Duration::from_millis(500), victim.probe("refused")).await.is_err() {}
        };
        within("the victim answers", answered).await;
        victim
    }

    /// What it says of itself, once it has worked off the requests before.
    async fn probe(&self, what: &str) -> Value {
        let id = format!("probe-{}-end", self.asked.fetch_add(1, Ordering::Relaxed));
        let request = json!({ "id": id, "action": format!("probe.{what}"), "params": null, "meta": {} });
        let request = self.attacker.signed(request).to_string();
        self.push(&to("victim"), PacketKind::Request, request.as_bytes()).await;
        let answer = self.attacker.hears_where(PacketKind::Response, |packet| contains(packet, &id)).await;
        let answer = answer.strip_prefix(self.prefix).expect("short answers are not compressed");
        serde_json::from_slice::<Value>(answer).expect("an answer")["data"].take()
    }

    async fn push(&self, to: &Route, kind: PacketKind, packet: &[u8]) {
        self.attacker.push(to, kind, &[self.prefix, packet].concat()).await.unwrap();
    }

    /// Waits until it says of a number about itself that it is so high.
    async fn counts(&self, what: &str, expected: u64) {
        let enough = |count: &Value| count.as_u64().unwrap_or_default() >= expected;
        until(&format!("{expected} {what} are counted"), async || is(self.probe(what).await, enough)).await;
    }

    /// Bytes that it occupies now (`VmRSS`), or occupied at most since [`Self::forget_peak`] (`VmHWM`).
    /// `None` where the system does not say.
    fn memory(&self, which: &str) -> Option<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(which))?;
        line.trim_start_matches(':').trim().split(' ').next()?.parse::<usize>().ok().map(|kib| kib << 10)
    }

    /// What it occupies now, which is its peak from here on.
    fn forget_peak(&self) -> Option<usize> {
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").ok()?;
        self.memory("VmRSS")
    }

    /// By how much it grew in between at most.
    fn has_grown(&self, what: &str, before: Option<usize>, limit: usize) {
        let Some((before, peak)) = before.zip(self.memory("VmHWM")) else {
            println!("{what}: not measured, the system does not tell");
            return;
        };
        let grown = peak.saturating_sub(before);
        println!("{what}: memory grew by {} KiB at most, from {} KiB", grown >> 10, before >> 10);
        assert!(grown < limit, "{what}: memory grew by {grown} bytes, from {before}");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hundreds of megabytes in a small compressed packet: what stops at 1 MiB costs about that.
pub(crate) async fn bombs_on(url: &str) {
    let victim = Victim::start(url, true).await;
    let bomb = compressed::bomb(compressed::MEGABYTES);
    // As long, but nothing comes out of it: what it takes to receive such packets is not what is measured.
    let mut dud = vec![0xA5; bomb.len()];
    dud[0] = bomb[0];
    let mut refused = 0;
    for packet in [&dud, &dud] {
        refused += throw(&victim, packet, refused).await;
    }
    let before = victim.forget_peak();
    for _ in 0..2 {
        refused += throw(&victim, &bomb, refused).await;
    }
    victim.has_grown("bombs of 900 MiB", before, 8 * MIB);
}

/// Sends a packet to all topics of the victim's own, each when the one before was refused; how many these were.
async fn throw(victim: &Victim, packet: &[u8], before: u64) -> u64 {
    let mut sent = 0;
    for kind in OWN {
        victim.attacker.push(&to("victim"), kind, packet).await.unwrap();
        sent += 1;
        victim.counts("refused", before + sent).await;
    }
    sent
}

/// INFO packets of nodes that do not exist, with the bound that a node has unless told otherwise.
pub(crate) async fn invented_nodes_on(url: &str) {
    const BOUND: u64 = 10_000;
    let victim = Victim::start(url, false).await;
    let before = victim.forget_peak();
    for n in 0..BOUND + 2_000 {
        let packet = forged(&format!("invented-{n}"), info("i", 1, &json!([])));
        let packet = victim.attacker.signed(packet).to_string();
        victim.push(&Route::Broadcast, PacketKind::Info, packet.as_bytes()).await;
        if n % 500 == 0 {
            victim.probe("refused").await;
        }
    }
    // The packets take another way than the probes do.
    victim.counts("nodes", BOUND).await;
    victim.has_grown("12,000 invented nodes", before, 30 * MIB);
    assert_eq!(victim.probe("nodes").await, BOUND);
}

/// Does nothing unless it was started by [`Victim::start`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_child_this_program_is_the_victim() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let role: Value = serde_json::from_str(&role).unwrap();
    let probe = ServiceDef::builder("probe")
        .action("refused", |cx: Context, _: Value| async move {
            Ok::<_, Error>(cx.broker().stats().refused_by_layer)
        })
        .action("nodes", |cx: Context, _: Value| async move {
            Ok::<_, Error>(cx.broker().nodes().iter().filter(|node| !node.is_local).count())
        })
        .build();
    let builder = ServiceBroker::builder()
        .node_id("victim")
        .namespace(role["namespace"].as_str().unwrap())
        .transporter(role["url"].as_str().unwrap())
        .service(probe);
    let compresses = role["compresses"] == true;
    let builder = if compresses { builder.layer(Compression::default()) } else { builder };
    let broker = builder.build().unwrap();
    broker.start().await.unwrap();
    // Until the input ends, which it does when the parent has gone, or the kill.
    let mut line = String::new();
    let ended = tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut line));
    let _ = ended.await;
}
