//! A worker: a node in a process of its own, which says on its output what it handles.

use ligand::{Context, Error, ServiceBroker, ServiceDef, Value};
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use crate::PATIENCE;
use crate::handled::Handled;
use crate::places::Place;

/// Builds a node. A call is given up after [`crate::DEADLINE`].
pub(crate) fn node(name: &str, place: &Place, service: Option<ServiceDef>) -> ServiceBroker {
    let builder = ServiceBroker::builder()
        .node_id(name)
        .namespace(&place.namespace)
        .transporter(&place.url)
        .request_timeout(crate::DEADLINE)
        .configure(|config| {
            config.heartbeat_interval = Duration::from_secs(1);
            config.heartbeat_timeout = Duration::from_secs(3);
            config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned()]);
        });
    let builder = service.into_iter().fold(builder, |builder, service| builder.service(service));
    builder.build().expect("the node is configured well")
}

/// `work.do` takes a while, after it has said which call it is about; `work.heard` says which events came.
fn service(work: Duration) -> ServiceDef {
    ServiceDef::builder("work")
        .action("do", move |cx: Context, id: u64| async move {
            say(format_args!("did {id}"));
            tokio::time::sleep(work).await;
            Ok::<_, Error>(cx.broker().node_id().to_string())
        })
        .event("work.heard", |_cx: Context, data: Value| async move {
            say(format_args!("heard {data}"));
            Ok::<_, Error>(())
        })
        .build()
}

/// One line. What a process wrote is read even when it is killed right after.
fn say(what: std::fmt::Arguments<'_>) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(format!("{what}\n").as_bytes()).and_then(|()| output.flush());
}

/// Is a worker, until SIGTERM or the end of its input.
pub(crate) async fn run(name: &str, place: &str) {
    let place = Place::read(place);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("signals can be waited for");
    let broker = node(name, &place, Some(service(Duration::from_millis(place.work_ms))));
    broker.start().await.expect("the node starts");
    say(format_args!("ready"));
    let (ended, input) = oneshot::channel();
    // However the input ends, it is the end. A thread of its own: the runtime would wait for one of its own.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = input => {}
    }
    broker.stop().await.expect("it stops well");
}

/// A worker's process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    process: Child,
    _input: Option<ChildStdin>,
}

impl Worker {
    /// Starts one and waits until it is connected.
    pub(crate) async fn start(name: &str, place: &Place, handled: &Handled) -> Self {
        let program = std::env::current_exe().expect("this program");
        let logs = if std::env::var_os("LIGAND_LOG").is_some() { Stdio::inherit() } else { Stdio::null() };
        let mut process = Command::new(program)
            .args(["--worker", name, &place.written()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(logs)
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let ready = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        assert!(matches!(ready, Ok(Ok(Some(_)))), "worker {name} does not start: {ready:?}");
        handled.read(name, lines);
        let input = process.stdin.take();
        Self { name: name.to_owned(), process, _input: input }
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) async fn terminate(mut self) {
        let pid = self.pid().to_string();
        signal("kill -TERM \"$0\"", &[&pid]).await;
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let well = matches!(&ended, Ok(Ok(status)) if status.success());
        assert!(well, "worker {} does not stop well: {ended:?}", self.name);
    }

    /// As `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Freezes it for so long. The shell thaws it whatever becomes of this program.
    pub(crate) async fn freeze(&self, seconds: u64) {
        let script = "kill -STOP \"$0\"; sleep \"$1\"; kill -CONT \"$0\"";
        signal(script, &[&self.pid().to_string(), &seconds.to_string()]).await;
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }

    /// Its process id, which is its own until it has been waited for.
    fn pid(&self) -> u32 {
        self.process.id().expect("it has not been waited for")
    }
}

/// Runs a script of the shell's own `kill`.
async fn signal(script: &str, arguments: &[&str]) {
    let done = Command::new("sh").arg("-c").arg(script).args(arguments).status().await;
    assert!(done.is_ok_and(|status| status.success()), "no signal reaches the worker");
}
