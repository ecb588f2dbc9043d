//! A value that is set once and then stays.

use tokio::sync::watch;

/// Why something ended. The first reason counts, and later ones are ignored.
///
/// Clones share the same value.
#[derive(Debug, Clone)]
pub(crate) struct First<T>(watch::Sender<Option<T>>);

impl<T: Clone> First<T> {
    pub(crate) fn say(&self, reason: T) {
        self.0.send_if_modified(|first| first.is_none() && first.replace(reason).is_none());
    }

    pub(crate) fn is_said(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Resolves once there is a reason.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind. The reason stays.
    pub(crate) async fn reason(&self) -> T {
        let mut first = self.0.subscribe();
        let said = first.wait_for(Option::is_some).await.ok().and_then(|first| first.clone());
        match said {
            Some(reason) => reason,
            // Cannot happen: `self` is a sender, so the channel is open.
            None => std::future::pending().await,
        }
    }
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn the_first_reason_is_the_one_that_everybody_is_told() {
        let first = First::default();
        assert!(!first.is_said() && first.reason().now_or_never().is_none());
        let (told, ()) = tokio::join!(first.reason(), async {
            first.say("the server closed the connection");
            first.clone().say("it gave no answer");
        });
        assert!(first.is_said());
        assert_eq!([told, first.reason().await], ["the server closed the connection"; 2]);
    }
}
