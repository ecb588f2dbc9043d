//! A node of ours in a process of its own, so that it can be killed: this test program, started again.

use ligand::{Context, Error, ServiceDef, Value};
use std::process::{Child, Command, Stdio};

use super::{Cluster, rust_node};

const URL: &str = "TEST_INTEROP_CHILD_URL";
const NAME: &str = "TEST_INTEROP_CHILD_NAME";

/// A running node with one service, `late`. Dropping it kills it.
pub(crate) struct RustChild(Child);

impl RustChild {
    pub(crate) fn start(cluster: &Cluster, name: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["harness::child::as_a_child_this_program_is_a_node", "--exact", "--nocapture"])
            .env(URL, cluster.url())
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        Self(child)
    }

    /// As `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ended");
    }
}

impl Drop for RustChild {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does nothing unless it was started by [`RustChild::start`].
#[test]
fn as_a_child_this_program_is_a_node() {
    let (Ok(url), Ok(name)) = (std::env::var(URL), std::env::var(NAME)) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let late = ServiceDef::builder("late")
            .action("where", |cx: Context, _params: Value| async move {
                Ok::<_, Error>(cx.broker().node_id().to_string())
            })
            .action("slow", |_cx: Context, _params: Value| async move {
                std::future::pending::<()>().await;
                Ok::<_, Error>(())
            })
            .build();
        let _broker = rust_node(&Cluster::at(url), &name, vec![late]).await;
        // Until the input ends, which it does when the parent has gone, or the kill.
        let mut line = String::new();
        let ended = tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut line));
        let _ = ended.await;
    });
}
