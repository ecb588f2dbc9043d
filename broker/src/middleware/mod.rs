//! Layers: what wraps calls, events and bytes, and what happens when a broker starts and stops.
//!
//! A layer is folded over a function **once**, when the function is made: an action is registered, a
//! node announces one, a name is called for the first time. A layer that has nothing to do for it
//! returns `next` as it is, and leaves no trace on the path of a call. One that panics then fails the start, or
//! has the calls refused that it should have wrapped.
//!
//! Calls pass two chains. [`ActionLayer::around`] wraps the choice of an endpoint, for every name, known
//! or not: fallback, retry, metrics. [`ActionLayer::action`] wraps the endpoint, local and remote alike:
//! breaker, cache, bulkhead. The layer given to the builder first is the outermost of its chain.

#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "encryption")]
mod encryption;
mod pipeline;

use async_trait::async_trait;
use bytes::Bytes;

use crate::broker::ServiceBroker;
use crate::error::{Error, Result};
use crate::handler::{ActionFn, EventFn};
use crate::service::{ActionDef, EventDef};

#[cfg(feature = "compression")]
#[cfg_attr(docsrs, doc(cfg(feature = "compression")))]
pub use compression::{Compression, CompressionMethod};
#[cfg(feature = "encryption")]
#[cfg_attr(docsrs, doc(cfg(feature = "encryption")))]
pub use encryption::{Cipher, Encryption, EncryptionError};
pub(crate) use pipeline::{LayerPanicked, Pipeline};

/// Which side of a call a function stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The action is hosted here.
    Local,
    /// The action is hosted by another node, and this is the way there.
    Remote,
}

/// Wraps calls.
pub trait ActionLayer: Send + Sync + 'static {
    /// Its name, for listings.
    fn name(&self) -> &'static str;

    /// Wraps the choice of an endpoint and everything after it.
    fn around(&self, action: &str, next: ActionFn) -> ActionFn {
        let _ = action;
        next
    }

    /// Wraps one endpoint. For the remote side, the definition is what the other node published.
    ///
    /// `next` may be called more than once with one context, one after the other or at the same time: each
    /// call gets its own answer.
    fn action(&self, def: &ActionDef, side: Side, next: ActionFn) -> ActionFn {
        let _ = (def, side);
        next
    }
}

/// Wraps the handlers of events.
pub trait EventLayer: Send + Sync + 'static {
    /// Its name, for listings.
    fn name(&self) -> &'static str;

    /// Wraps one subscription of this node.
    fn event(&self, def: &EventDef, next: EventFn) -> EventFn;
}

/// Changes the bytes of whole packets on their way out and in: compression, encryption.
///
/// Every packet passes, gossip and other control packets too; what a transporter sends on its own does not:
/// headers of TCP frames, UDP datagrams. All nodes need the same layers in the same order. As in Node, the
/// layer given **last** acts first on what is sent, and the one given first is nearest the wire (protocol
/// chapter 10).
pub trait WireLayer: Send + Sync + 'static {
    /// Its name, for listings.
    fn name(&self) -> &'static str;

    /// What is sent instead of `packet`.
    ///
    /// # Errors
    /// The packet is not sent, the error is logged, and its call fails as `NotRun`: with type
    /// `PACKET_TOO_LARGE` if the error has that type and `size` and `limit` in its data, else as one whose
    /// body could not be encoded.
    fn outgoing(&self, packet: Bytes) -> Result<Bytes>;

    /// What `packet` stands for.
    ///
    /// # Errors
    /// The packet is dropped and counted ([`TransitStats::refused_by_layer`](crate::TransitStats)), and the
    /// error is logged now and then: it should name the likely cause.
    fn incoming(&self, packet: Bytes) -> Result<Bytes>;

    /// Why it protects less than it may seem; logged as a warning when the broker starts.
    fn weakness(&self) -> Option<&'static str> {
        None
    }
}

/// Takes part in the life of a broker. A phase that panics fails as one that returns an error.
#[async_trait]
pub trait Lifecycle: Send + Sync + 'static {
    /// Its name, for listings and errors.
    fn name(&self) -> &'static str;

    /// Before the transporter connects and services start.
    async fn starting(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// After everything has been started.
    async fn started(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Before anything is stopped. In reverse order of [`Lifecycle::starting`].
    async fn stopping(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// After everything has been stopped. In reverse order of [`Lifecycle::starting`].
    async fn stopped(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }
}

/// Any layer; see [`IntoLayer`].
#[non_exhaustive]
#[allow(missing_debug_implementations, reason = "layers are functions")]
pub enum Layer {
    /// Wraps calls.
    Action(Box<dyn ActionLayer>),
    /// Wraps event handlers.
    Event(Box<dyn EventLayer>),
    /// Changes bytes.
    Wire(Box<dyn WireLayer>),
    /// Takes part in starting and stopping.
    Lifecycle(Box<dyn Lifecycle>),
}

/// What [`BrokerBuilder::layer`](crate::BrokerBuilder::layer) takes: a type that implements one of the
/// four traits (one that implements several is given once per [`Layer`] variant), or a closure
/// `|def: &ActionDef, side, next: ActionFn| …` or `|def: &EventDef, next: EventFn| …`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    note = "implement one of ActionLayer, EventLayer, WireLayer, Lifecycle, or give a closure \
            `|def: &ActionDef, side: Side, next: ActionFn| -> ActionFn`"
)]
pub trait IntoLayer<Kind> {
    /// The layer.
    fn into_layer(self) -> Layer;
}

/// Tells the implementations of [`IntoLayer`] apart.
#[doc(hidden)]
#[derive(Debug)]
pub struct Kind<const N: u8>;

impl<T: ActionLayer> IntoLayer<Kind<0>> for T {
    fn into_layer(self) -> Layer {
        Layer::Action(Box::new(self))
    }
}

impl<T: EventLayer> IntoLayer<Kind<1>> for T {
    fn into_layer(self) -> Layer {
        Layer::Event(Box::new(self))
    }
}

impl<T: WireLayer> IntoLayer<Kind<2>> for T {
    fn into_layer(self) -> Layer {
        Layer::Wire(Box::new(self))
    }
}

impl<T: Lifecycle> IntoLayer<Kind<3>> for T {
    fn into_layer(self) -> Layer {
        Layer::Lifecycle(Box::new(self))
    }
}

impl<F> IntoLayer<Kind<4>> for F
where
    F: Fn(&ActionDef, Side, ActionFn) -> ActionFn + Send + Sync + 'static,
{
    fn into_layer(self) -> Layer {
        Layer::Action(Box::new(Closure(self)))
    }
}

impl<F> IntoLayer<Kind<5>> for F
where
    F: Fn(&EventDef, EventFn) -> EventFn + Send + Sync + 'static,
{
    fn into_layer(self) -> Layer {
        Layer::Event(Box::new(Closure(self)))
    }
}

impl IntoLayer<Kind<6>> for Layer {
    fn into_layer(self) -> Layer {
        self
    }
}

struct Closure<F>(F);

impl<F: Fn(&ActionDef, Side, ActionFn) -> ActionFn + Send + Sync + 'static> ActionLayer for Closure<F> {
    fn name(&self) -> &'static str {
        "closure"
    }
    fn action(&self, def: &ActionDef, side: Side, next: ActionFn) -> ActionFn {
        (self.0)(def, side, next)
    }
}

impl<F: Fn(&EventDef, EventFn) -> EventFn + Send + Sync + 'static> EventLayer for Closure<F> {
    fn name(&self) -> &'static str {
        "closure"
    }
    fn event(&self, def: &EventDef, next: EventFn) -> EventFn {
        (self.0)(def, next)
    }
}

/// A pair of closures as a [`WireLayer`]: what goes out, and what comes in.
pub fn wire_layer(
    name: &'static str,
    outgoing: impl Fn(Bytes) -> Result<Bytes, Error> + Send + Sync + 'static,
    incoming: impl Fn(Bytes) -> Result<Bytes, Error> + Send + Sync + 'static,
) -> impl WireLayer {
    struct Pair<O, I>(&'static str, O, I);
    impl<O, I> WireLayer for Pair<O, I>
    where
        O: Fn(Bytes) -> Result<Bytes> + Send + Sync + 'static,
        I: Fn(Bytes) -> Result<Bytes> + Send + Sync + 'static,
    {
        fn name(&self) -> &'static str {
            self.0
        }
        fn outgoing(&self, packet: Bytes) -> Result<Bytes> {
            (self.1)(packet)
        }
        fn incoming(&self, packet: Bytes) -> Result<Bytes> {
            (self.2)(packet)
        }
    }
    Pair(name, outgoing, incoming)
}
