//! Layers made from closures.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::{Layer, Side, WireFn, WrappedAction, WrappedEvent};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::handler::{ActionFn, EventFn};
use crate::payload::Payload;
use crate::service::Reply;

/// An [`ActionFn`], or with `()` as `R` an [`EventFn`].
type Run<R> = Arc<dyn Fn(Context, Payload) -> BoxFuture<'static, Result<R>> + Send + Sync>;

/// The rest of the chain, which a closure calls to go on: the layers inside, and the handler.
pub struct Next<R = Reply>(Run<R>);

impl<R> Next<R> {
    /// Runs the rest of the chain. It may be called again, with a copy of the parameters
    /// ([`Payload::share`]).
    ///
    /// # Errors
    /// Those of the handler, or of the layers inside.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the rest of the chain. A handler on this node is dropped at its await
    /// point.
    pub fn run(&self, ctx: Context, params: Payload) -> BoxFuture<'static, Result<R>> {
        (self.0)(ctx, params)
    }
}

impl<R> Clone for Next<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> fmt::Debug for Next<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// A [`Layer`] made from a closure. Its name is the path of the closure, unless it is
/// [named](FnLayer::named).
#[derive(Clone)]
pub struct FnLayer {
    name: &'static str,
    wraps: Wraps,
}

#[derive(Clone)]
enum Wraps {
    Around(Wrap<Reply>),
    Handler(Wrap<Reply>),
    Action(Decide),
    Event(Wrap<()>),
    Emit(Wrap<()>),
    Wire { outgoing: Change, incoming: Change },
}

/// Wraps an action, or leaves it as it is.
type Decide = Arc<dyn Fn(&WrappedAction<'_>, ActionFn) -> ActionFn + Send + Sync>;
type Wrap<R> = Arc<dyn Fn(Run<R>) -> Run<R> + Send + Sync>;
type Change = Arc<dyn Fn(Bytes) -> Result<Bytes> + Send + Sync>;

impl FnLayer {
    /// Gives the layer this name.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

impl fmt::Debug for FnLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnLayer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes a layer around the handlers of this node's actions: [`Layer::action`] on the side that hosts them.
///
/// ```
/// use ligand::layer::action_fn;
/// use ligand::{Context, Error, ServiceBroker, ServiceDef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let signed_in = action_fn(|ctx, params, next| async move {
///     match ctx.meta().get::<String>("user") {
///         Some(_) => next.run(ctx, params).await,
///         None => Err(Error::client(401, "SIGN_IN", "who are you?")),
///     }
/// });
/// let till = ServiceDef::builder("till").action("open", |_ctx: Context, ()| async { Ok::<_, Error>(true) });
/// let broker = ServiceBroker::builder().layer(signed_in).service(till).build()?;
/// broker.start().await?;
/// assert!(broker.call::<bool>("till.open", ()).await.is_err());
/// assert!(broker.call::<bool>("till.open", ()).meta("user", "ada").await?);
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
///
/// If the layer depends on the action, or wraps the way to other nodes, use [`wrap_fn`], which gets the
/// action.
#[doc(alias = "from_fn")]
pub fn action_fn<F, Fut>(run: F) -> FnLayer
where
    F: Fn(Context, Payload, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    FnLayer { name: type_name::<F>(), wraps: Wraps::Handler(wrap(run)) }
}

/// Makes a layer around the calls that this node makes, whatever they call: [`Layer::around`].
///
/// ```
/// use ligand::layer::around_fn;
/// use ligand::{ErrorKind, Reply, ServiceBroker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A price for those who cannot reach the shop.
/// let fallback = around_fn(|ctx, params, next| async move {
///     let is_price = ctx.name() == "shop.price";
///     match next.run(ctx, params).await {
///         Err(error) if is_price && error.kind() == ErrorKind::ServiceNotFound => Ok(Reply::typed(10)),
///         other => other,
///     }
/// });
/// let broker = ServiceBroker::builder().layer(fallback.named("fallback")).build()?;
/// broker.start().await?;
/// assert_eq!(broker.call::<u32>("shop.price", ()).await?, 10);
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
pub fn around_fn<F, Fut>(run: F) -> FnLayer
where
    F: Fn(Context, Payload, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    FnLayer { name: type_name::<F>(), wraps: Wraps::Around(wrap(run)) }
}

/// Makes a layer around the event handlers of this node: [`Layer::event`].
///
/// ```
/// use ligand::layer::event_fn;
/// use ligand::{Context, Error, ServiceBroker, ServiceDef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = event_fn(|ctx, data, next| async move {
///     let name = ctx.name().clone();
///     let handled = next.run(ctx, data).await;
///     println!("{name}: {handled:?}");
///     handled
/// });
/// let till = ServiceDef::builder("till").event("sold", |_ctx: Context, ()| async { Ok::<_, Error>(()) });
/// let broker = ServiceBroker::builder().layer(log).service(till).build()?;
/// broker.start().await?;
/// broker.broadcast_local("sold", ()).await?;
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
pub fn event_fn<F, Fut>(run: F) -> FnLayer
where
    F: Fn(Context, Payload, Next<()>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    FnLayer { name: type_name::<F>(), wraps: Wraps::Event(wrap(run)) }
}

/// Makes a layer around the events that this node sends: [`Layer::emit`].
///
/// ```
/// use ligand::layer::emit_fn;
/// use ligand::{Context, Error, ServiceBroker, ServiceDef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stamp = emit_fn(|ctx, data, next| async move {
///     ctx.meta().set("shop", "north")?;
///     next.run(ctx, data).await
/// });
/// let till = ServiceDef::builder("till").event("sold", |ctx: Context, ()| async move {
///     assert_eq!(ctx.meta().get::<String>("shop").as_deref(), Some("north"));
///     Ok::<_, Error>(())
/// });
/// let broker = ServiceBroker::builder().layer(stamp).service(till).build()?;
/// broker.start().await?;
/// broker.broadcast_local("sold", ()).await?;
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
pub fn emit_fn<F, Fut>(run: F) -> FnLayer
where
    F: Fn(Context, Payload, Next<()>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    FnLayer { name: type_name::<F>(), wraps: Wraps::Emit(wrap(run)) }
}

/// Makes a layer that decides for each action whether and how to wrap it: [`Layer::action`], on both sides.
///
/// ```
/// use std::sync::Arc;
///
/// use ligand::layer::{Side, wrap_fn};
/// use ligand::{ActionDef, Context, Error, Outcome, ServiceBroker, ServiceDef};
///
/// /// Who may call an action.
/// struct Role(&'static str);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let roles = wrap_fn(|action, next| {
///     let Some(&Role(role)) = action.def().option() else { return next };
///     Arc::new(move |ctx: Context, params| {
///         if ctx.meta().get::<String>("role").as_deref() == Some(role) {
///             return next(ctx, params);
///         }
///         Box::pin(async { Err(Error::client(403, "FORBIDDEN", "not you").with_outcome(Outcome::NotRun)) })
///     })
/// });
/// let till = ServiceDef::builder("till")
///     .action(ActionDef::new("close").with(Role("cashier")), |_ctx, ()| async { Ok::<_, Error>(true) });
/// let broker = ServiceBroker::builder().layer(roles.named("roles")).service(till).build()?;
/// broker.start().await?;
/// assert!(broker.call::<bool>("till.close", ()).await.is_err());
/// assert!(broker.call::<bool>("till.close", ()).meta("role", "cashier").await?);
/// assert_eq!(broker.layers("till.close"), ["roles"]);
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
pub fn wrap_fn<F>(wrap: F) -> FnLayer
where
    F: Fn(&WrappedAction<'_>, ActionFn) -> ActionFn + Send + Sync + 'static,
{
    FnLayer { name: type_name::<F>(), wraps: Wraps::Action(Arc::new(wrap)) }
}

/// Makes a layer on the wire. One function changes what is sent, the other what is received
/// ([`Layer::outgoing`], [`Layer::incoming`]). All nodes of the cluster need this layer, at the same place.
///
/// ```
/// use ligand::ServiceBroker;
/// use ligand::layer::wire_fns;
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// fn mirrored(packet: bytes::Bytes) -> ligand::Result<bytes::Bytes> {
///     Ok(packet.iter().rev().copied().collect())
/// }
///
/// let mirror = wire_fns(mirrored, mirrored).named("mirror");
/// let broker = ServiceBroker::builder().layer(mirror).build()?;
/// # Ok(()) }
/// ```
pub fn wire_fns<O, I>(outgoing: O, incoming: I) -> FnLayer
where
    O: Fn(Bytes) -> Result<Bytes, Error> + Send + Sync + 'static,
    I: Fn(Bytes) -> Result<Bytes, Error> + Send + Sync + 'static,
{
    let wraps = Wraps::Wire { outgoing: Arc::new(outgoing), incoming: Arc::new(incoming) };
    FnLayer { name: type_name::<O>(), wraps }
}

/// Wraps the closure around whatever comes next.
fn wrap<R, F, Fut>(run: F) -> Wrap<R>
where
    R: 'static,
    F: Fn(Context, Payload, Next<R>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R>> + Send + 'static,
{
    let run = Arc::new(run);
    Arc::new(move |next| {
        let (run, next) = (Arc::clone(&run), Next(next));
        Arc::new(move |ctx, params| Box::pin(run(ctx, params, next.clone())))
    })
}

fn change(by: &Change, next: WireFn) -> WireFn {
    let by = Arc::clone(by);
    Arc::new(move |kind, packet| next(kind, by(packet)?))
}

impl Layer for FnLayer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn around(&self, _action: &str, next: ActionFn) -> ActionFn {
        if let Wraps::Around(wrap) = &self.wraps { wrap(next) } else { next }
    }

    fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        match &self.wraps {
            Wraps::Handler(wrap) if action.side() == Side::Local => wrap(next),
            Wraps::Action(wrap) => wrap(action, next),
            _ => next,
        }
    }

    fn event(&self, _event: &WrappedEvent<'_>, next: EventFn) -> EventFn {
        if let Wraps::Event(wrap) = &self.wraps { wrap(next) } else { next }
    }

    fn emit(&self, next: EventFn) -> EventFn {
        if let Wraps::Emit(wrap) = &self.wraps { wrap(next) } else { next }
    }

    fn outgoing(&self, next: WireFn) -> WireFn {
        if let Wraps::Wire { outgoing, .. } = &self.wraps { change(outgoing, next) } else { next }
    }

    fn incoming(&self, next: WireFn) -> WireFn {
        if let Wraps::Wire { incoming, .. } = &self.wraps { change(incoming, next) } else { next }
    }
}
