//! What a node logs, for tests on one thread.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level, Subscriber};

/// Makes this the subscriber of this thread, until the guard is dropped.
pub fn subscribe<S: Subscriber + Send + Sync + 'static>(subscriber: S) -> DefaultGuard {
    // While there is only one subscriber, `tracing` asks the first thread that reaches a log statement
    // whether anybody is interested, and keeps the answer. That thread may belong to another test. With two
    // subscribers, `tracing` asks them.
    static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| {
        tracing_subscriber::fmt().with_max_level(tracing::level_filters::LevelFilter::OFF).finish().into()
    });
    LazyLock::force(&ANOTHER);
    tracing::subscriber::set_default(subscriber)
}

/// Records what is logged on this thread, until it is dropped.
#[derive(Debug)]
pub struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Records from this level on.
    pub fn of_this_thread(level: Level) -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        Self { lines, _guard: subscribe(subscriber) }
    }

    /// The lines that contain this text.
    pub fn with(&self, text: &str) -> Vec<String> {
        let bytes = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all = String::from_utf8_lossy(&bytes).into_owned();
        all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}
