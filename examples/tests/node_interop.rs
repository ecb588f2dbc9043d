//! The example `node_interop` beside its stock Moleculer counterpart, end to end.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// What ours prints, sorted: the two processes do not wait for each other.
const OURS: &str = "\
rust  broadcast demo.done null from js
rust  event demo.greeting {\"from\":\"js\"} from js
rust  event demo.hello {\"from\":\"rust\"} from rust
rust  js.area {\"height\":7,\"width\":6} -> 42
rust  misses js
rust  sees js (nodejs)
";

const THEIRS: &str = "\
js    echo.say {\"list\":[1,null,\"x\"],\"text\":\"hi\"} -> {\"list\":[1,null,\"x\"],\"text\":\"hi\"}
js    event demo.done null from js
js    event demo.greeting {\"from\":\"js\"} from js
js    event demo.hello {\"from\":\"rust\"} from rust
js    math.add {\"a\":\"one\",\"b\":2} -> ValidationError 422 VALIDATION_ERROR Parameters validation error!
js    math.add {\"a\":1,\"b\":2} -> 3
js    math.div {\"a\":1,\"b\":0} -> MathError 422 DIVISION_BY_ZERO nothing can be divided by zero
js    math.pow {\"a\":1,\"b\":2} -> ServiceNotFoundError 404 SERVICE_NOT_FOUND Service 'math.pow' is not found.
js    sees rust (rust)
";

#[test]
fn it_works_with_a_stock_node() {
    let ours = free_port(19_000);
    let theirs = free_port(ours + 1);
    let urls = format!("127.0.0.1:{ours}/rust,127.0.0.1:{theirs}/js");
    let transporter =
        format!("tcp://{urls}?udpDiscovery=false&useHostname=false&bind=127.0.0.1&gossipPeriod=1");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_interop/js/node.js");
    assert!(
        script.with_file_name("node_modules").exists(),
        "moleculer is not installed: run `scripts/node-setup`, which needs Node.js and npm"
    );
    let mut node = Running::start(Command::new("node").arg(script).args(["--urls", &urls]));
    let mut rust = Running::start(
        Command::new(program())
            .args(["--transporter", &transporter])
            .args(["--call", r#"js.area={"width":6,"height":7}"#])
            .args(["--emit", r#"demo.hello={"from":"rust"}"#]),
    );
    node.read_until(9);
    rust.read_until(5);
    node.signal("TERM");
    rust.read_until(6);
    rust.signal("INT");
    assert_eq!(node.sorted(), THEIRS);
    assert_eq!(rust.sorted(), OURS);
    assert!(rust.child.wait().expect("it ends").success());
}

/// A process, the lines it has printed, and those to come. Dropping it kills it.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // It ends with the output, or with the test.
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, seen: Vec::new() }
    }

    fn read_until(&mut self, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.seen.len() < count {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("no more lines came after {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended after {:#?}", self.seen),
            }
        }
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.expect("there is a `kill`").success());
    }

    /// Everything up to its end, in alphabetical order.
    fn sorted(&mut self) -> String {
        self.seen.extend(self.lines.iter());
        self.seen.sort_unstable();
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on. Not one that the system hands out: until the node listens on it, it could
/// become the near end of somebody's connection.
fn free_port(from: u16) -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (from..).find(free).expect("a free port")
}

fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let folder = test.parent().and_then(Path::parent).expect("it lies in `deps`");
    let program = folder.join("examples").join(format!("node_interop{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "build it first: cargo build -p ligand-examples --example node_interop");
    program
}
