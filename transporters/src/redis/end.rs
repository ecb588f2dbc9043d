//! How a session ends.

use crate::TransportError;
use crate::bus::First;

/// Why a session ended. The first reason counts.
#[derive(Clone, Default)]
pub(super) struct End(First<String>);

impl End {
    pub(super) fn with(&self, why: TransportError) {
        self.0.say(match why {
            TransportError::Lost(why) => why,
            other => other.to_string(),
        });
    }

    pub(super) async fn reason(&self) -> TransportError {
        TransportError::Lost(self.0.reason().await)
    }
}
