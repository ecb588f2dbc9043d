//! The errors of transporters.

use std::error::Error as StdError;

type Source = Box<dyn StdError + Send + Sync>;

/// A connection could not be opened, was lost, or could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The configuration is wrong: an invalid URL, an unknown option, or an unsupported scheme.
    #[error("{0}")]
    Config(String),
    /// The server or socket could not be reached or opened.
    #[error("cannot connect to {to}: {source}")]
    Connect {
        /// The address that was tried, without credentials.
        to: String,
        /// The cause.
        source: Source,
    },
    /// The port is already in use.
    #[error(
        "{address} is already in use by another program: choose another port, or none to take a free one"
    )]
    AddressInUse {
        /// The address and the port.
        address: String,
    },
    /// The server refused a subscription.
    #[error("cannot subscribe to {topic}: {source}")]
    Subscribe {
        /// The topic or the queue.
        topic: String,
        /// The cause.
        source: Source,
    },
    /// The server refuses a publish, or has revoked a subscription that it had accepted.
    #[error("the server refuses {topic}: {source}")]
    Refused {
        /// The topic, queue or exchange.
        topic: String,
        /// The cause.
        source: Source,
    },
    /// A frame could not be passed to the server.
    #[error("cannot publish: {0}")]
    Publish(Source),
    /// The connection is lost.
    #[error("connection lost: {0}")]
    Lost(String),
    /// This side has closed the transporter.
    #[error("the transporter is closed")]
    Closed,
}

impl TransportError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Publish(_) | Self::Lost(_))
    }

    /// A [`TransportError::Connect`].
    pub fn connect(to: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Connect { to: to.into(), source: source.into() }
    }

    /// A [`TransportError::Subscribe`].
    pub fn subscribe(topic: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Subscribe { topic: topic.into(), source: source.into() }
    }

    /// A [`TransportError::Refused`].
    pub fn refused(topic: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Refused { topic: topic.into(), source: source.into() }
    }

    /// The topic that the error is about, if there is one.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Subscribe { topic, .. } | Self::Refused { topic, .. } => Some(topic),
            _ => None,
        }
    }
}

/// A frame was not accepted. Nothing of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The send buffer for this destination is full.
    #[error("the send buffer is full")]
    Full,
    /// There is no connection.
    #[error("not connected")]
    Disconnected,
    /// The frame is larger than the limit of the transporter.
    #[error("the packet has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The writer gave up. It knows the reason.
    #[error("the packet could not be written")]
    Abandoned,
    /// The transporter knows no address of the destination.
    #[error("no address is known for the destination")]
    NoRoute,
    /// The name of the action, the event or the node cannot be part of a topic.
    #[error("the name makes no topic: {allowed}")]
    NoTopic {
        /// Which names are allowed, as a sentence: `a NATS subject has no blanks …`.
        allowed: &'static str,
    },
}
