//! Layers wrap calls, events and bytes, and take part in the life of the broker and its services. Node calls
//! them middleware.
//!
//! A layer is a value that implements [`Layer`]. Give it to a broker with
//! [`BrokerBuilder::layer`](crate::BrokerBuilder::layer). It implements only the methods that it needs: one
//! layer may wrap calls, count events and open a connection when the broker starts. Where a closure is
//! enough, [`action_fn`] and its siblings turn it into a layer.
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
//! # When a layer is asked
//!
//! A layer wraps a function **once**, when the function is made: when an action is registered, when another
//! node announces one, or when a broker is built. A method that returns `next` unchanged costs nothing on the
//! path of a call. The same goes for the methods that a layer does not implement. A layer reads the options
//! of an action at that moment, not at each call.
//!
//! # The order of layers
//!
//! The layer that was given first is the outermost. It sees a call or an event first, and its answer last.
//! For a call, everything [around](Layer::around) the choice of an endpoint comes before everything
//! [inside](Layer::action) it:
//!
//! ```text
//! caller → first.around → last.around → choice → first.action → last.action → handler
//! ```
//!
//! On another node, the same call passes through that node's `action` layers, and through none of its
//! `around` layers. When a broker or a service starts, its layers are called in the order in which they were
//! given. When it stops, they are called in reverse order. On the wire, as in Node, the layer that was given
//! **last** acts first on what is sent, and the layer that was given first is nearest to the wire.
//!
//! # Layers that panic
//!
//! A panic fails only what the layer was asked to do: the build or the start, one call, one event, or one
//! packet. What the layer should have wrapped does not run without it.
//!
//! # A layer that wraps calls and events
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
//! # A layer that follows the life of a broker
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

/// Transforms the bytes of one packet on their way out or in.
pub type WireFn = Arc<dyn Fn(PacketKind, Bytes) -> Result<Bytes> + Send + Sync>;

/// Wraps calls, events and bytes, and takes part in the life of the broker and its services. See the
/// [module](self).
///
/// All methods except [`name`](Layer::name) have a default that does nothing and costs nothing. The methods
/// that wrap only make functions: while they run, no node and no service is registered. To implement one of
/// the `async` methods, put `#[async_trait]` of the crate `async-trait` above the `impl`.
///
/// A layer lives as long as its broker. It may keep a handle of the broker only between
/// [`starting`](Layer::starting) and [`stopped`](Layer::stopped). Otherwise the two would keep each other
/// alive. Within a call, use [`Context::broker`](crate::Context::broker). A layer owns the tasks that it
/// starts, and ends them in [`stopped`](Layer::stopped).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    note = "implement `ligand::layer::Layer` for it",
    note = "of a closure `|ctx, params, next| …`, `ligand::layer::action_fn` and its siblings make one"
)]
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// The name of this layer in errors, in logs and in [`ServiceBroker::layers`]. It is asked for once.
    fn name(&self) -> &'static str;

    /// Wraps the calls of one action that this node makes: the choice of an endpoint, and everything after
    /// it. This method is called once for each name, whether or not the action is known.
    ///
    /// `next` chooses an endpoint anew each time it is called. A layer may answer without calling `next`,
    /// with a reply or with an error. An error with [`Outcome::NotRun`](crate::Outcome::NotRun) tells the
    /// caller that nothing ran.
    ///
    /// Use it for fallbacks, retries and metrics.
    fn around(&self, action: &str, next: ActionFn) -> ActionFn {
        let _ = action;
        next
    }

    /// Wraps one action, once an endpoint is chosen. If the action is hosted here, this wraps its handler. If
    /// other nodes host it, this wraps the way to them. This method is called once for each definition.
    ///
    /// `next` may be called more than once with one context, one call after the other or several at the same
    /// time. Each call gets its own answer. [`Context::picked_node`](crate::Context::picked_node) tells which
    /// node the call goes to. [`Error::rejected`](crate::Error::rejected) sends the call to another node, if
    /// there is one.
    ///
    /// Use it for caches, breakers, bulkheads and validation.
    fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        let _ = action;
        next
    }

    /// Wraps one event handler of this node. This method is called once for each subscription.
    fn event(&self, event: &WrappedEvent<'_>, next: EventFn) -> EventFn {
        let _ = event;
        next
    }

    /// Wraps the events that this node sends: the choice of who gets them, and their way there. The context
    /// has the name of the event, and [`Context::spread`](crate::Context::spread) tells how the event is
    /// spread. Events about the broker's own life are wrapped too, where a service listens to them. Their
    /// names begin with `$`. This method is called once, when the broker is built.
    ///
    /// The result of `next` is the result of awaiting the event.
    fn emit(&self, next: EventFn) -> EventFn {
        next
    }

    /// Wraps the bytes of packets on their way out. `next` passes them to the layers nearer to the wire. This
    /// method is called once, when the broker is built.
    ///
    /// Every packet is wrapped, including gossip and other control packets. What a transporter sends on its
    /// own is not: headers of TCP frames, and UDP datagrams. A packet that fails is not sent. The error is
    /// logged, and the packet's call fails as `NotRun`. The call fails with type `PACKET_TOO_LARGE` if the
    /// error has that type and has `size` and `limit` in its data. Otherwise it fails as a call whose body
    /// could not be encoded.
    ///
    /// Nodes can read each other's packets only if all of them have the same layers that change bytes, in the
    /// same order (protocol chapter 10).
    fn outgoing(&self, next: WireFn) -> WireFn {
        next
    }

    /// Wraps the bytes of packets on their way in. `next` passes them to the layers farther from the wire.
    /// This method is called once, when the broker is built.
    ///
    /// A packet that fails is dropped and counted ([`TransitStats::refused_by_layer`](crate::TransitStats)).
    /// The error is logged now and then, so it should name the likely cause.
    fn incoming(&self, next: WireFn) -> WireFn {
        next
    }

    /// Returns why this layer protects less than it may seem to. It is logged as a warning when a broker with
    /// a transporter starts.
    fn weakness(&self) -> Option<&'static str> {
        None
    }

    /// Called at the end of [`build`](crate::BrokerBuilder::build), before the services are added.
    ///
    /// # Errors
    /// If it fails, the broker is not built.
    fn created(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Called before the transporter connects and before services start.
    ///
    /// # Errors
    /// If it fails, the start fails, and what has been started by then is stopped.
    async fn starting(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Called after everything has been started.
    ///
    /// # Errors
    /// As in [`Layer::starting`].
    async fn started(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Called before anything is stopped. It is also called after a start that failed, whether or not
    /// [`Layer::starting`] was reached. It has `tracking.shutdownTimeout` to finish.
    ///
    /// # Errors
    /// The stop goes on, and reports the error.
    async fn stopping(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Called after everything has been stopped. It has `tracking.shutdownTimeout` to finish.
    ///
    /// # Errors
    /// As in [`Layer::stopping`].
    async fn stopped(&self, broker: &ServiceBroker) -> Result<()> {
        let _ = broker;
        Ok(())
    }

    /// Called before a service is added to this node. The layer may change the service
    /// ([`ServiceDef::into_builder`]). [`ServiceDef::option`] reads its options.
    ///
    /// # Errors
    /// If it fails, the service is refused, and a broker that is being built with it is not built.
    fn service_creating(&self, service: ServiceDef) -> Result<ServiceDef> {
        Ok(service)
    }

    /// Called after a service was added to this node.
    ///
    /// # Errors
    /// As in [`Layer::service_creating`].
    fn service_created(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// Called before a service waits for its dependencies, and before its `started` hooks.
    ///
    /// # Errors
    /// If it fails, the service does not start, and neither does a broker that starts with it.
    async fn service_starting(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// Called after the `started` hooks of a service. The service is offered by then, and announced if the
    /// broker has been announced.
    ///
    /// # Errors
    /// As in [`Layer::service_starting`].
    async fn service_started(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// Called before the `stopped` hooks of a service for which [`Layer::service_starting`] was reached. None
    /// of its handlers runs any more. It has `tracking.shutdownTimeout` to finish.
    ///
    /// # Errors
    /// The stop goes on, and reports the error.
    async fn service_stopping(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }

    /// Called after the `stopped` hooks of such a service. It has `tracking.shutdownTimeout` to finish.
    ///
    /// # Errors
    /// As in [`Layer::service_stopping`].
    async fn service_stopped(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        let _ = (service, broker);
        Ok(())
    }
}
