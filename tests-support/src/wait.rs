//! Waits for a condition, with a time limit and a message.

use std::fmt::{self, Debug};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The time that anything may take before a test gives up, on the clock of the test.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// The result of one look: what was waited for, or what was there instead.
pub trait Look {
    type Found;

    /// # Errors
    /// What was there instead, as text.
    fn found(self) -> Result<Self::Found, String>;
}

impl Look for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("not so".to_owned()) }
    }
}

impl<T> Look for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Looks at a value that should meet a condition. If a wait fails, its message shows the value.
///
/// # Errors
/// The value, if it does not meet the condition.
pub fn is<T>(value: T, holds: impl FnOnce(&T) -> bool) -> Result<T, T> {
    if holds(&value) { Ok(value) } else { Err(value) }
}

/// The error of a wait that failed.
#[derive(Debug)]
pub struct Waited {
    what: String,
    seen: String,
}

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {PATIENCE:?} in vain: {}; last seen: {}", self.what, self.seen)
    }
}

impl std::error::Error for Waited {}

/// Looks repeatedly until what was waited for is there.
///
/// # Panics
/// If it does not appear in time. The message says `what`, and what was seen last.
pub async fn until<L: Look>(what: &str, look: impl AsyncFnMut() -> L) -> L::Found {
    try_until(what, look).await.unwrap_or_else(|waited| panic!("{waited}"))
}

/// As [`until`], for a test that goes on if it does not appear.
///
/// # Errors
/// [`Waited`], if it does not appear in time.
pub async fn try_until<L: Look>(what: &str, mut look: impl AsyncFnMut() -> L) -> Result<L::Found, Waited> {
    let mut seen = "nothing, the first look has not ended".to_owned();
    let looking = async {
        loop {
            match look().await.found() {
                Ok(found) => return found,
                Err(instead) => seen = instead,
            }
            sleep(PAUSE).await;
        }
    };
    let found = timeout(PATIENCE, looking).await;
    found.map_err(|_| Waited { what: what.to_owned(), seen })
}

/// Waits for a future, with a time limit.
///
/// # Panics
/// If the future does not end in time. The message says `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = timeout(PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}
