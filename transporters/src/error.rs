//! What can go wrong below the packets.

use std::error::Error as StdError;

type Source = Box<dyn StdError + Send + Sync>;

/// Opening, keeping or using a connection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The configuration cannot work: a bad URL, an unknown option, an unsupported scheme.
    #[error("{0}")]
    Config(String),
    /// The server or socket could not be reached or opened.
    #[error("cannot connect to {to}: {source}")]
    Connect {
        /// What was tried, without credentials.
        to: String,
        /// Why it failed.
        source: Source,
    },
    /// A port that was asked for is taken.
    #[error(
        "{address} is already in use by another program: choose another port, or none to take a free one"
    )]
    AddressInUse {
        /// Address and port.
        address: String,
    },
    /// The server refused a subscription.
    #[error("cannot subscribe to {topic}: {source}")]
    Subscribe {
        /// Topic or queue.
        topic: String,
        /// Why it failed.
        source: Source,
    },
    /// The server refused a publish, or took a subscription back, that it was asked for earlier.
    #[error("the server refuses {topic}: {source}")]
    Refused {
        /// Topic, queue or exchange.
        topic: String,
        /// Why.
        source: Source,
    },
    /// A frame could not be handed to the server.
    #[error("cannot publish: {0}")]
    Publish(Source),
    /// The connection is gone.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The transporter has been closed by this side.
    #[error("the transporter is closed")]
    Closed,
}

impl TransportError {
    /// Whether trying again later can help.
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

    /// The topic that this is about, where it is about one.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Subscribe { topic, .. } | Self::Refused { topic, .. } => Some(topic),
            _ => None,
        }
    }
}

/// A frame was not accepted; nothing of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The send buffer towards this destination is full.
    #[error("the send buffer is full")]
    Full,
    /// There is no connection.
    #[error("not connected")]
    Disconnected,
    /// The frame is larger than the transporter carries.
    #[error("the packet has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The writer gave up (it knows why).
    #[error("the packet could not be written")]
    Abandoned,
    /// The transporter does not know how to reach that destination.
    #[error("no address is known for the destination")]
    NoRoute,
    /// No topic can be made of the name of the action, event or node that the destination is.
    #[error("the name makes no topic: {allowed}")]
    NoTopic {
        /// Which names make a topic here, as a sentence: `a NATS subject has no blanks …`.
        allowed: &'static str,
    },
}
