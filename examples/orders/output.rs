//! Prints which node does what, line by line.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// The target of the lines. It is cheap to clone. Lines of different nodes never mix.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<dyn Write + Send>>);

impl Output {
    pub(crate) fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }

    /// Prints what a node does. If the reader of the output is gone, the service continues.
    pub(crate) fn line(&self, node: &str, does: impl fmt::Display) {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(to, "{node:<10} {does}").and_then(|()| to.flush());
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}
