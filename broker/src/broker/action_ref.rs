//! A call site that looks up the name of its action once.
//!
//! The result of the lookup is valid until the registry publishes a new snapshot. The registry counts its
//! snapshots, so a change shows in that number, and the next call looks the name up again.

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use ligand_transporters::Name;
use std::fmt;
use std::sync::Arc;

use super::call::{CallFrom, Origin};
use super::dispatch::{self, Attempt};
use super::pick::Found;
use super::{ByName, Call, CallOptions, Caller, OutgoingCall, Response, ServiceBroker};
use crate::error::Result;
use crate::payload::{IntoPayload, Payload};
use crate::registry::{ActionEntry, Snapshot};

/// An action that is called often from one place. It is made by [`ServiceBroker::action`], and looks its name
/// up only when the cluster has changed. The action need not exist yet.
///
/// Each of its calls is the root of a tree of calls. In a handler, use
/// [`Context::call`](crate::Context::call) instead, which passes on the deadline, the meta and the request
/// id.
///
/// It keeps the broker alive, and the snapshot of the registry that its last call used.
///
/// ```
/// # use ligand::{ServiceBroker, ServiceDef};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let double = ServiceDef::builder("math")
/// #     .action("double", |_cx, x: i64| async move { Ok::<_, ligand::Error>(2 * x) });
/// # let broker = ServiceBroker::builder().service(double).build()?;
/// # broker.start().await?;
/// let double = broker.action("math.double");
/// for x in 0..3 {
///     assert_eq!(double.call_typed::<i64, _>(x).await?, 2 * x);
/// }
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
pub struct ActionRef(Site);

/// Makes the calls of an [`ActionRef`]. It is not available by itself: used as a [`Caller`] for another
/// action, it would call the wrong one.
pub(crate) struct Site {
    broker: ServiceBroker,
    name: Name,
    resolved: ArcSwap<Resolved>,
}

/// The result of a lookup.
struct Resolved {
    /// The number of snapshots that had been published then.
    published: u64,
    snapshot: Arc<Snapshot>,
    entry: Option<Arc<ActionEntry>>,
}

impl Resolved {
    fn look_up(broker: &ServiceBroker, name: &str) -> Self {
        let shared = broker.shared();
        // Read first, so that the snapshot is never older than this number.
        let published = shared.registry.published();
        let snapshot = shared.registry.snapshot();
        let entry = snapshot.action(name).cloned();
        Self { published, entry, snapshot }
    }
}

impl ActionRef {
    pub(super) fn new(broker: ServiceBroker, name: Name) -> Self {
        let resolved = ArcSwap::from_pointee(Resolved::look_up(&broker, &name));
        Self(Site { broker, name, resolved })
    }

    /// The full name of the action.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.0.name
    }

    /// Calls the action, like [`ServiceBroker::call`].
    ///
    /// # Errors
    /// Awaiting the call fails with an [`Error`](crate::Error). Its outcome says whether the handler may have
    /// run.
    pub fn call<R>(&self, params: impl IntoPayload) -> Call<'_, R, ByName> {
        Call::by_name(&self.0, self.0.name.as_str(), params.into_payload(self.0.broker.codec()))
    }

    /// Calls the action, like [`ServiceBroker::call_typed`]: if a handler in this process takes the same
    /// type, the value is moved to it.
    pub fn call_typed<R, P>(&self, params: P) -> Call<'_, R, ByName>
    where
        P: serde::Serialize + Send + 'static,
    {
        Call::by_name(&self.0, self.0.name.as_str(), Ok(Payload::typed(params)))
    }
}

impl Site {
    pub(super) fn begin(&self, params: Payload, options: Option<&CallOptions>) -> Result<Attempt> {
        let mut resolved = self.resolved.load();
        if resolved.published != self.broker.shared().registry.published() {
            self.resolved.store(Arc::new(Resolved::look_up(&self.broker, &self.name)));
            resolved = self.resolved.load();
        }
        let found = Found { snapshot: &resolved.snapshot, entry: resolved.entry.as_deref() };
        dispatch::begin_found(&self.broker, None, &self.name, &found, params, options)
    }
}

impl Caller for Site {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        self.broker.dispatch_from(None, call)
    }

    fn origin(&self) -> Origin<'_> {
        Origin(CallFrom::Site(self))
    }
}

impl Clone for ActionRef {
    fn clone(&self) -> Self {
        let Site { broker, name, resolved } = &self.0;
        let resolved = ArcSwap::new(resolved.load_full());
        Self(Site { broker: broker.clone(), name: name.clone(), resolved })
    }
}

impl fmt::Debug for ActionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActionRef").field(&self.0.name).finish()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::service::ServiceDef;

    fn answering(answer: &'static str) -> ServiceDef {
        ServiceDef::builder("oracle")
            .action("ask", move |_cx, question: String| async move {
                Ok::<_, Error>(format!("{question} {answer}"))
            })
            .build()
    }

    async fn running() -> ServiceBroker {
        let broker = ServiceBroker::builder().node_id("n").build().unwrap();
        broker.start().await.unwrap();
        broker
    }

    async fn ask(site: &ActionRef) -> Result<String> {
        site.call_typed("why?".to_owned()).await
    }

    #[tokio::test]
    async fn a_name_is_looked_up_anew_when_its_service_comes_goes_and_comes_back() {
        let broker = running().await;
        let site = broker.action("oracle.ask");
        assert_eq!(ask(&site).await.unwrap_err().kind(), ErrorKind::ServiceNotFound);
        broker.add(answering("yes")).await.unwrap();
        assert_eq!(ask(&site).await.unwrap(), "why? yes");
        assert!(broker.remove("oracle").await);
        assert_eq!(ask(&site).await.unwrap_err().kind(), ErrorKind::ServiceNotAvailable);
        broker.add(answering("no")).await.unwrap();
        assert_eq!(ask(&site).await.unwrap(), "why? no");
    }

    #[tokio::test]
    async fn nothing_is_looked_up_while_the_cluster_stays_as_it_is() {
        let broker = running().await;
        broker.add(answering("yes")).await.unwrap();
        let site = broker.action("oracle.ask");
        let before = site.0.resolved.load_full();
        assert_eq!(ask(&site).await.unwrap(), "why? yes");
        assert!(Arc::ptr_eq(&before, &site.0.resolved.load()));
        // Parameters may also be borrowed, and the answer read as another type.
        let answer: serde_json::Value = site.call("how?").await.unwrap();
        assert_eq!(answer, "how? yes");
        assert_eq!(ask(&site.clone()).await.unwrap(), "why? yes");
    }

    #[tokio::test]
    async fn layers_around_the_pick_are_passed() {
        let shout = crate::layer::around_fn(|cx, params, next| async move {
            let answer = next.run(cx, params).await?;
            let text: String = answer.into_body().take().map_err(Error::codec)?;
            Ok(crate::Reply::typed(text.to_uppercase()))
        });
        let broker =
            ServiceBroker::builder().node_id("n").layer(shout).service(answering("yes")).build().unwrap();
        broker.start().await.unwrap();
        assert_eq!(ask(&broker.action("oracle.ask")).await.unwrap(), "WHY? YES");
    }
}
