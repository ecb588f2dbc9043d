//! The builder of a service.

use futures_util::future::BoxFuture;
use ligand_transporters::Name;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::options::Options;
use super::{ActionDef, EventData, EventDef, Reply, ServiceCx, ServiceVersion};
use crate::codec::to_value;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::handler::{self, ActionFn, EventFn};
use crate::payload::Payload;

pub(crate) type StartedHook = Arc<dyn Fn(ServiceCx) -> BoxFuture<'static, Result<()>> + Send + Sync>;
pub(crate) type StoppedHook = Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The definition of a service, which a broker takes.
#[derive(Clone)]
pub struct ServiceDef {
    pub(crate) name: Name,
    pub(crate) version: Option<ServiceVersion>,
    /// Whether it is one of the broker's own services, whose names may begin with `$`.
    pub(crate) internal: bool,
    pub(crate) settings: Map<String, Value>,
    pub(crate) metadata: Map<String, Value>,
    options: Options,
    /// What of these two cannot be published, and why.
    pub(crate) unwritable: Vec<String>,
    pub(crate) depends_on: Vec<Name>,
    pub(crate) actions: Vec<(ActionDef, ActionFn)>,
    pub(crate) events: Vec<(EventDef, EventFn)>,
    pub(crate) started: Vec<StartedHook>,
    pub(crate) stopped: Vec<StoppedHook>,
}

/// Everything that converts into a service: a [`ServiceDef`], a [`ServiceBuilder`], or a type with
/// `#[service]`.
pub trait IntoServiceDef {
    /// Makes the definition of the service.
    fn into_service_def(self) -> ServiceDef;
}

impl IntoServiceDef for ServiceDef {
    fn into_service_def(self) -> ServiceDef {
        self
    }
}

impl IntoServiceDef for ServiceBuilder {
    fn into_service_def(self) -> ServiceDef {
        self.build()
    }
}

impl ServiceDef {
    /// Begins a service with this name.
    pub fn builder(name: impl Into<Name>) -> ServiceBuilder {
        ServiceBuilder(Self {
            name: name.into(),
            version: None,
            internal: false,
            settings: Map::new(),
            metadata: Map::new(),
            options: Options::default(),
            unwritable: Vec::new(),
            depends_on: Vec::new(),
            actions: Vec::new(),
            events: Vec::new(),
            started: Vec::new(),
            stopped: Vec::new(),
        })
    }

    /// The service of a type with `#[service]`. Its name can be changed at run time.
    ///
    /// ```
    /// use ligand::{Result, ServiceBroker, ServiceDef, service};
    ///
    /// struct Stock {
    ///     tenant: &'static str,
    /// }
    ///
    /// #[service(name = "stock", version = 2)]
    /// impl Stock {
    ///     #[action]
    ///     async fn whose(&self) -> Result<String> {
    ///         Ok(self.tenant.to_owned())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = ServiceBroker::builder()
    ///     .service(ServiceDef::of(Stock { tenant: "eu" }).named("stock-eu"))
    ///     .service(ServiceDef::of(Stock { tenant: "us" }).named("stock-us").versioned(3))
    ///     .build()?;
    /// broker.start().await?;
    /// let stock = StockClient::new(&broker);
    /// assert_eq!(stock.clone().named("v2.stock-eu").whose().await?, "eu");
    /// assert_eq!(stock.named("v3.stock-us").whose().await?, "us");
    /// # broker.stop().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn of(service: impl IntoServiceDef) -> Self {
        service.into_service_def()
    }

    /// Gives the same service another name, without a version. Its actions are called by this name. Events
    /// without a group of their own are handled in the group of this name. The broker checks the name when it
    /// takes the service.
    #[must_use]
    pub fn named(self, name: impl Into<Name>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Gives the same service another version.
    #[must_use]
    pub fn versioned(self, version: impl Into<ServiceVersion>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// The same service, to be added to.
    pub fn into_builder(self) -> ServiceBuilder {
        ServiceBuilder(self)
    }

    /// An option that was put in by [`ServiceBuilder::with`].
    #[must_use]
    pub fn option<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.options.get()
    }

    /// Its name, without version.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The full name: `v2.math`. It is `math` without a version, or with the setting `$noVersionPrefix`.
    #[must_use]
    pub fn full_name(&self) -> Name {
        let no_prefix = self.settings.get("$noVersionPrefix") == Some(&Value::Bool(true));
        ServiceVersion::full_name(self.version.as_ref().filter(|_| !no_prefix), &self.name)
    }

    /// The full name of one of its actions: `v2.math.add`. It is `add` with the setting
    /// `$noServiceNamePrefix` (protocol chapter 5.5).
    #[must_use]
    pub fn action_name(&self, raw: &str) -> Name {
        match self.settings.get("$noServiceNamePrefix") {
            Some(Value::Bool(true)) => raw.into(),
            _ => format!("{}.{raw}", self.full_name()).into(),
        }
    }
}

impl fmt::Debug for ServiceDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings may hold secrets.
        f.debug_struct("ServiceDef")
            .field("name", &self.full_name())
            .field("actions", &self.actions.iter().map(|(def, _)| &def.name).collect::<Vec<_>>())
            .field("events", &self.events.iter().map(|(def, _)| &def.pattern).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Builds a [`ServiceDef`] by hand, without the attribute [`service`](macro@crate::service).
///
/// ```
/// use std::time::Duration;
///
/// use ligand::{ActionDef, Context, Error, EventDef, ServiceBroker, ServiceDef, Visibility};
/// use serde::Deserialize;
/// use serde_json::json;
///
/// #[derive(Deserialize)]
/// struct Sum {
///     a: i64,
///     b: i64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let math = ServiceDef::builder("math")
///     .version(2)
///     .settings(json!({ "precision": 3 }))
///     .action("add", |_ctx, sum: Sum| async move { Ok::<_, Error>(sum.a + sum.b) })
///     .action(
///         ActionDef::new("seed").timeout(Duration::from_secs(1)).visibility(Visibility::Protected),
///         |_ctx, _: ligand::Empty| async { Ok::<_, Error>(7) },
///     )
///     .event(EventDef::new("math.asked").group("tally"), |ctx: Context, times: u32| async move {
///         println!("{} says {times}", ctx.node());
///         Ok::<_, Error>(())
///     })
///     .started(|cx| async move {
///         println!("on {}", cx.broker().node_id());
///         Ok::<_, Error>(())
///     });
/// let broker = ServiceBroker::builder().service(math).build()?;
/// broker.start().await?;
/// assert_eq!(broker.call::<i64>("v2.math.add", json!({ "a": 2, "b": 3 })).await?, 5);
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`, or until it is given to a broker"]
pub struct ServiceBuilder(ServiceDef);

impl ServiceBuilder {
    /// Sets the version: a number, or a text with the characters that names may have.
    pub fn version(mut self, version: impl Into<ServiceVersion>) -> Self {
        self.0.version = Some(version.into());
        self
    }

    /// Sets the settings. They are published in INFO, except those that `$secureSettings` names (by paths
    /// such as `db.password`). If they are neither an object nor null, or cannot be written as JSON, the
    /// broker refuses the service.
    pub fn settings(mut self, settings: impl Serialize) -> Self {
        self.0.settings = self.object("settings", &settings);
        self
    }

    /// Sets the metadata, which are published in INFO. If they are neither an object nor null, or cannot be
    /// written as JSON, the broker refuses the service.
    pub fn metadata(mut self, metadata: impl Serialize) -> Self {
        self.0.metadata = self.object("metadata", &metadata);
        self
    }

    /// An option for a [layer](crate::layer); one per type. It is not published.
    pub fn with<T: Send + Sync + 'static>(mut self, option: T) -> Self {
        self.0.options.put(option);
        self
    }

    /// An object; what is none is kept as a problem.
    fn object(&mut self, what: &str, value: &impl Serialize) -> Map<String, Value> {
        let problem = match to_value(format_args!("its {what}"), value) {
            Ok(Value::Object(map)) => return map,
            Ok(Value::Null) => return Map::new(),
            Ok(_) => format!("its {what} must be an object: a map, or a struct with named fields"),
            Err(error) => error.message().to_owned(),
        };
        self.0.unwritable.push(problem);
        Map::new()
    }

    /// Names the services that have to be available before this one starts, by their full names.
    pub fn depends_on<N: Into<Name>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.depends_on.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds an action. The handler gets the context and the whole object of parameters, decoded as a `P`.
    pub fn action<P, R, E, Fut>(
        mut self,
        def: impl Into<ActionDef>,
        run: impl Fn(Context, P) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        E: Into<Error>,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.0.actions.push((def.into(), handler::action(run)));
        self
    }

    /// Adds an action that takes the body undecoded and answers with a [`Reply`].
    pub fn action_raw<E, Fut>(
        mut self,
        def: impl Into<ActionDef>,
        run: impl Fn(Context, Payload) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        E: Into<Error>,
        Fut: Future<Output = Result<Reply, E>> + Send + 'static,
    {
        self.0.actions.push((def.into(), handler::action_raw(run)));
        self
    }

    /// Adds an action whose handler blocks its thread. It runs on tokio's pool of blocking threads. The
    /// handler cannot be cancelled, but its caller can give up.
    pub fn action_blocking<P, R, E>(
        mut self,
        def: impl Into<ActionDef>,
        run: impl Fn(Context, P) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        E: Into<Error>,
    {
        let mut def = def.into();
        def.blocking = true;
        self.0.actions.push((def, handler::action_blocking(run)));
        self
    }

    /// Adds a subscription. The handler gets the context and the body, decoded as a `P`.
    pub fn event<P, E, Fut>(
        mut self,
        def: impl Into<EventDef>,
        run: impl Fn(Context, P) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        P: EventData,
        E: Into<Error>,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.0.events.push((def.into(), handler::event(run)));
        self
    }

    /// Adds a hook that runs before the service is offered. If it fails or panics, the start of the broker
    /// fails.
    pub fn started<E, Fut>(mut self, hook: impl Fn(ServiceCx) -> Fut + Send + Sync + 'static) -> Self
    where
        E: Into<Error>,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.0.started.push(Arc::new(move |cx| {
            let hook = hook(cx);
            Box::pin(async move { hook.await.map_err(Into::into) })
        }));
        self
    }

    /// Adds a hook that runs when the service stops, after its last request has been answered.
    pub fn stopped<E, Fut>(mut self, hook: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        E: Into<Error>,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.0.stopped.push(Arc::new(move || {
            let hook = hook();
            Box::pin(async move { hook.await.map_err(Into::into) })
        }));
        self
    }

    /// Makes it one of the broker's own services.
    pub(crate) fn internal(mut self) -> Self {
        self.0.internal = true;
        self
    }

    /// Builds the definition. The broker checks it: [`build`](crate::BrokerBuilder::build) or
    /// [`add`](crate::ServiceBroker::add) then names the mistake.
    #[must_use]
    pub fn build(self) -> ServiceDef {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(version: Option<ServiceVersion>, settings: Value) -> [String; 2] {
        let mut builder = ServiceDef::builder("math").settings(settings);
        builder.0.version = version;
        let service = builder.build();
        [service.full_name().to_string(), service.action_name("add").to_string()]
    }

    #[test]
    fn versions_and_settings_make_the_names_that_node_makes() {
        let (none, two, next) = (None, Some(2.into()), Some("next".into()));
        assert_eq!(names(none, json!({})), ["math", "math.add"]);
        assert_eq!(names(two.clone(), json!({})), ["v2.math", "v2.math.add"]);
        assert_eq!(names(next, json!({})), ["next.math", "next.math.add"]);
        let settings = |name: &str, value: bool| json!({ name: value });
        assert_eq!(names(two.clone(), settings("$noVersionPrefix", true)), ["math", "math.add"]);
        assert_eq!(names(two.clone(), settings("$noVersionPrefix", false)), ["v2.math", "v2.math.add"]);
        assert_eq!(names(two, settings("$noServiceNamePrefix", true)), ["v2.math", "add"]);
    }
}
