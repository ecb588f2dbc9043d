//! Layers: what wraps calls, events and bytes, and takes part in the life of the broker and its services. Node
//! calls them middleware.
//!
//! A layer is a value that implements [`Layer`], given to a broker by
//! [`BrokerBuilder::layer`](crate::BrokerBuilder::layer). It has the methods that it needs; one layer may wrap
//! calls, count events and open a connection when the broker starts. Where a closure is enough, [`action_fn`]
//! and its siblings make a layer of it.
//!
//! # What can be wrapped
//!
//! | method | wraps | Node's hook |
//! |---|---|---|
//! | [`Layer::around`] | calls that this node makes, around the choice of an endpoint | `call` |
//! | [`Layer::action`] | one action, inside that choice: its handler here, or the way to another node | `localAction`, `remoteAction` |
//! | [`Layer::event`] | one event handler of this node | `localEvent` |
//! | [`Layer::emit`] | events that this node sends | `emit`, `broadcast`, `broadcastLocal` |
//! | [`Layer::outgoing`], [`Layer::incoming`] | the bytes of packets | `transporterSend`, `transporterReceive` |
//! | [`Layer::created`] to [`Layer::stopped`] | the life of the broker | the same names |
//! | [`Layer::service_creating`] to [`Layer::service_stopped`] | the life of each service of this node | `serviceCreating`, … |
//!
//! # When
//!
//! A layer is folded over a function **once**, when the function is made: an action is registered, another node
//! announces one, a broker is built. A method that returns `next` as it is leaves no trace on the path of a call;
//! so do all that a layer does not have. Options of an action are read then, and not at each call.
//!
//! # In which order
//!
//! The layer that was given first is the outermost: it sees a call, or an event, first, and its answer last.
//! Of a call, everything that is [around](Layer::around) comes before everything that is
//! [inside](Layer::action) the choice of an endpoint:
//!
//! ```text
//! caller → first.around → last.around → choice → first.action → last.action → handler
//! ```
//!
//! On another node the same call passes that node's `action` layers, and none of its `around`. When a broker or
//! a service starts, layers are told in the order in which they were given; when it stops, in reverse. On the
//! wire, as in Node, the layer that was given **last** acts first on what is sent, and the one given first is
//! nearest to the wire.
//!
//! # Layers that panic
//!
//! A panic fails what the layer was asked for, and nothing else: the build or the start, one call, one event, one
//! packet. What it should have wrapped is not run without it.
//!
//! # Of two kinds
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! use ligand::layer::{Layer, WrappedAction, WrappedEvent};
//! use ligand::{ActionFn, Context, Error, EventFn, ServiceBroker, ServiceDef};
//!
//! /// Counts the calls in flight, and the events that were handled.
//! #[derive(Clone, Default)]
//! struct Counts {
//!     in_flight: Arc<AtomicUsize>,
//!     events: Arc<AtomicUsize>,
//! }
//!
//! /// One call in flight, until it is dropped: calls may be given up.
//! struct InFlight(Arc<AtomicUsize>);
//!
//! impl Drop for InFlight {
//!     fn drop(&mut self) {
//!         self.0.fetch_sub(1, Ordering::Relaxed);
//!     }
//! }
//!
//! impl Layer for Counts {
//!     fn name(&self) -> &'static str {
//!         "counts"
//!     }
//!
//!     fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
//!         if action.name().starts_with('$') {
//!             return next;
//!         }
//!         let in_flight = Arc::clone(&self.in_flight);
//!         Arc::new(move |ctx, params| {
//!             in_flight.fetch_add(1, Ordering::Relaxed);
//!             let counted = InFlight(Arc::clone(&in_flight));
//!             let answer = next(ctx, params);
//!             Box::pin(async move {
//!                 let _counted = counted;
//!                 answer.await
//!             })
//!         })
//!     }
//!
//!     fn event(&self, _event: &WrappedEvent<'_>, next: EventFn) -> EventFn {
//!         let events = Arc::clone(&self.events);
//!         Arc::new(move |ctx, data| {
//!             events.fetch_add(1, Ordering::Relaxed);
//!             next(ctx, data)
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let counts = Counts::default();
//! let seen = counts.clone();
//! let till = ServiceDef::builder("till")
//!     .action("open", move |_ctx: Context, ()| {
//!         let seen = seen.clone();
//!         async move { Ok::<_, Error>(seen.in_flight.load(Ordering::Relaxed)) }
//!     })
//!     .event("sold", |_ctx: Context, ()| async { Ok::<_, Error>(()) });
//! let broker = ServiceBroker::builder().layer(counts.clone()).service(till).build()?;
//! broker.start().await?;
//! assert_eq!(broker.call::<usize>("till.open", ()).await?, 1);
//! broker.broadcast_local("sold", ()).await?;
//! assert_eq!(counts.in_flight.load(Ordering::Relaxed), 0);
//! assert_eq!(counts.events.load(Ordering::Relaxed), 1);
//! # broker.stop().await?;
//! # Ok(()) }
//! ```
//!
//! # In the life of a broker
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use async_trait::async_trait;
//! use ligand::layer::Layer;
//! use ligand::{Result, ServiceBroker, ServiceDef};
//!
//! /// Writes down what starts and stops.
//! #[derive(Clone, Default)]
//! struct Diary(Arc<Mutex<Vec<String>>>);
//!
//! #[async_trait]
//! impl Layer for Diary {
//!     fn name(&self) -> &'static str {
//!         "diary"
//!     }
//!
//!     async fn starting(&self, broker: &ServiceBroker) -> Result<()> {
//!         self.0.lock().unwrap().push(format!("{} starts", broker.node_id()));
//!         Ok(())
//!     }
//!
//!     async fn service_started(&self, service: &ServiceDef, _broker: &ServiceBroker) -> Result<()> {
//!         self.0.lock().unwrap().push(format!("{} is there", service.full_name()));
//!         Ok(())
//!     }
//!
//!     async fn stopped(&self, broker: &ServiceBroker) -> Result<()> {
//!         self.0.lock().unwrap().push(format!("{} has stopped", broker.node_id()));
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let diary = Diary::default();
//! let broker = ServiceBroker::builder()
//!     .node_id("n")
//!     .internal_services(false)
//!     .layer(diary.clone())
//!     .service(ServiceDef::builder("till"))
//!     .build()?;
//! broker.start().await?;
//! broker.stop().await?;
//! assert_eq!(*diary.0.lock().unwrap(), ["n starts", "till is there", "n has stopped"]);
//! # Ok(()) }
//! ```

mod closure;
#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "encryption")]
mod encryption;
mod pipeline;
mod wrapped;

use async_trait::async_trait;
use bytes::Bytes;
use ligand_transporters::PacketKind;
use std::sync::Arc;

use crate::broker::ServiceBroker;
use crate::error::Result;
use crate::handler::{ActionFn, EventFn};
use crate::service::ServiceDef;

pub use closure::{FnLayer, Next, action_fn, around_fn, emit_fn, event_fn, wire_fns, wrap_fn};
#[cfg(feature = "compression")]
#[cfg_attr(docsrs, doc(cfg(feature = "compression")))]
pub use compression::{Compression, CompressionMethod};
#[cfg(feature = "encryption")]
#[cfg_attr(docsrs, doc(cfg(feature = "encryption")))]
pub use encryption::{Cipher, Encryption, EncryptionError};
pub(crate) use pipeline::{LayerFailed, Pipeline};
pub use wrapped::{Side, WrappedAction, WrappedEvent};

/// What becomes of the bytes of one packet on their way out or in.
pub type WireFn = Arc<dyn Fn(PacketKind, Bytes) -> Result<Bytes> + Send + Sync>;

/// Wraps calls, events and bytes, and takes part in the life of the broker and its services; see the
/// [module](self).
///
/// All methods but the name have a default that does nothing and costs nothing. Methods that wrap only make
/// functions: no node and no service is registered while they run. Where a layer has `async` methods,
/// `#[async_trait]` of the crate `async-trait` stands over its `impl`.
///
/// A layer lives as long as its broker. It does not keep a handle of the broker beyond the life between
/// [`starting`](Layer::starting) and [`stopped`](Layer::stopped): the two would keep each other alive. Within a
/// call there is [`Context::broker`](crate::Context::broker). Tasks that it starts are its own: it ends them in
/// [`stopped`](Layer::stopped).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    note = "implement `ligand::layer::Layer` for it",
    note = "of a closure `|ctx, params, next| …`, `ligand::layer::action_fn` and its siblings make one"
)]
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// Its name, in errors, logs and [`ServiceBroker::layers`]. It is asked for once.
    fn name(&self) -> &'static str;

    /// Wraps the calls of one action that this node makes: the choice of an endpoint, and everything after it.
    /// Asked once for each name, known or not.
    ///
    /// `next` chooses anew each time that it is called. A layer may answer without calling it, by a reply or by an
    /// error; one with [`Outcome::NotRun`](crate::Outcome::NotRun) tells the caller that nothing was run.
    ///
    /// For fallbacks, retries, metrics.
    fn around(&self, action: &str, next: ActionFn) -> ActionFn {
        let _ = action;
        next
    }

    /// Wraps one action, once an endpoint is chosen: its handler, if it is hosted here, and the way to the others,
    /// if it is not. Asked once for each definition.
    ///
    /// `next` may be called more than once with one context, one after the other or at the same time: each
    /// call gets its own answer. Which node it goes to tells [`Context::picked_node`](crate::Context::picked_node).
    /// [`Error::rejected`](crate::Error::rejected) sends the call to another node, if there is one.
    ///
    /// For caches, breakers, bulkheads, validation.
    fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        let _ = action;
        next
    }

    /// Wraps one event handler of this node. Asked once for each subscription.
    fn event(&self, event: &WrappedEvent<'_>, next: EventFn) -> EventFn {
        let _ = event;
        next
    }

    /// Wraps events that this node sends: the choice of who gets them, and their way there. The name is that of
    /// the context, and [`Context::spread`](crate::Context::spread) tells how the event is spread. Events of the
    /// broker's own life pass as well, where a service listens to them; their names begin with `$`. Asked once,
    /// when the broker is built.
    ///
    /// What `next` gives is what awaiting the event gives.
    fn emit(&self, next: EventFn) -> EventFn {
        next
    }

    /// Wraps the bytes of packets on their way out. `next` is what the layer nearer to the wire makes of them.
    /// Asked once, when the broker is built.
    ///
    /// Every packet passes, gossip and other control packets too; what a transporter sends on its own does not:
    /// headers of TCP frames, UDP datagrams. A packet that fails is not sent, the error is logged, and its call
    /// fails as `NotRun`: with type `PACKET_TOO_LARGE` if the error has that type and `size` and `limit` in its
    /// data, else as one whose body could not be encoded.
    ///
    /// Nodes read each other only if all of them have the same layers that change bytes, in the same order
    /// (protocol chapter 10).
    fn outgoing(&self, next: WireFn) -> WireFn {
        next
    }

    /// Wraps the bytes of packets on their way in. `next` is what the layers farther from the wire make of them.
    /// Asked once, when the broker is built.
    ///
    /// A packet that fails is dropped and counted ([`TransitStats::refused_by_layer`](crate::TransitStats)), and
    /// the error is logged now and then: it should name the likely cause.
    fn incoming(&self, next: WireFn) -> WireFn {
        next
    }

    /// Why it protects less than it may seem; logged as a warning when a broker with a transporter starts.
    fn weakness(&self) -> Option<&'static str> {
        None
    }

    /// At the end of [`build`](crate::BrokerBuilder::build), before the services are taken in.
    ///
    /// # Errors
    /// The broker is not built.
    fn created(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Before the transporter connects and services start.
    ///
    /// # Errors
    /// The start fails, and with it what has been started is stopped.
    async fn starting(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// After everything has been started.
    ///
    /// # Errors
    /// As [`Layer::starting`].
    async fn started(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Before anything is stopped; also after a start that failed, whether or not [`Layer::starting`] was reached.
    /// It has `tracking.shutdownTimeout`.
    ///
    /// # Errors
    /// The stop goes on, and tells it.
    async fn stopping(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// After everything has been stopped. It has `tracking.shutdownTimeout`.
    ///
    /// # Errors
    /// As [`Layer::stopping`].
    async fn stopped(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Before a service of this node is taken in: the layer may change it
    /// ([`ServiceDef::into_builder`]). Options of the service are read by [`ServiceDef::option`].
    ///
    /// # Errors
    /// The service is refused, and so is the broker that is built with it.
    fn service_creating(&self, service: ServiceDef) -> Result<ServiceDef> {
        Ok(service)
    }

    /// After a service of this node was taken in.
    ///
    /// # Errors
    /// As [`Layer::service_creating`].
    fn service_created(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// Before a service waits for what it depends on, and before its `started` hooks.
    ///
    /// # Errors
    /// The service does not start, and so does not the broker that starts with it.
    async fn service_starting(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// After the `started` hooks of a service; it is offered, and announced if the broker has been.
    ///
    /// # Errors
    /// As [`Layer::service_starting`].
    async fn service_started(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// Before the `stopped` hooks of a service for which [`Layer::service_starting`] was reached. None of its
    /// handlers runs any more. It has `tracking.shutdownTimeout`.
    ///
    /// # Errors
    /// The stop goes on, and tells it.
    async fn service_stopping(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// After the `stopped` hooks of such a service. It has `tracking.shutdownTimeout`.
    ///
    /// # Errors
    /// As [`Layer::service_stopping`].
    async fn service_stopped(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }
}
