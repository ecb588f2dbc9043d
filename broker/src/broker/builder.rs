//! The builder of a broker.

use ligand_transporters::{
    IntoTransporter, Name, NodeId, Schemes, TransportError, Transporter, TransporterChoice, TransporterUrl,
};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::configured::configured;
use super::{BuildError, CallDefaults, LocalBus, LocalServices, ServiceBroker, Shared};
use crate::config::{self, BrokerConfig, ConfigLoader, DiscovererConfig, Origin, Timeout};
use crate::deadlines::Deadlines;
use crate::layer::{Layer, Pipeline};
use crate::protocol::PacketId;
use crate::registry::{Registry, RegistryOptions};
use crate::service::{IntoServiceDef, ServiceDef};
use crate::strategy::StrategyKind;
use crate::transit::{composer, identity};

/// The builder of a [`ServiceBroker`].
///
/// Settings made by the methods of the builder override the environment. The environment overrides files, and
/// files override [`BrokerBuilder::config`]. The order of the calls does not matter.
#[must_use = "a builder does nothing until `build`"]
pub struct BrokerBuilder {
    sources: ConfigLoader,
    changes: Vec<Change>,
    transporter: Option<TransporterChoice>,
    schemes: Schemes,
    /// The first scheme that could not be added.
    wrong_scheme: Option<TransportError>,
    services: Vec<ServiceDef>,
    layers: Vec<Box<dyn Layer>>,
    force_codec: bool,
}

/// A setting made in code. It is applied after all other sources have been read.
type Change = Box<dyn FnOnce(&mut BrokerConfig) + Send>;

impl BrokerBuilder {
    pub(super) fn new() -> Self {
        Self {
            sources: ConfigLoader::new(),
            changes: Vec::new(),
            transporter: None,
            schemes: Schemes::default(),
            wrong_scheme: None,
            services: Vec::new(),
            layers: Vec::new(),
            force_codec: false,
        }
    }

    /// Uses this configuration instead of the defaults. It replaces the sources that were given before.
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.sources = ConfigLoader::over(config);
        self
    }

    /// Reads the `LIGAND_…` variables of the environment. A variable whose name is close to that of an option
    /// is an error. Any other unknown variable is ignored, with a warning.
    pub fn from_env(mut self) -> Self {
        self.sources = self.sources.env();
        self
    }

    /// Reads a TOML, JSON or YAML file.
    #[cfg(feature = "config-file")]
    #[cfg_attr(docsrs, doc(cfg(feature = "config-file")))]
    pub fn from_file(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.sources = self.sources.file(path);
        self
    }

    /// Needs the feature `config-file`.
    #[cfg(not(feature = "config-file"))]
    #[doc(hidden)]
    pub fn from_file<P: config::FilesAreRead>(self, _path: P) -> Self {
        self
    }

    /// Changes the configuration with a function.
    pub fn configure(mut self, change: impl FnOnce(&mut BrokerConfig) + Send + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Sets the namespace. Nodes in different namespaces do not see each other.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        let namespace = namespace.into();
        self.configure(move |config| config.namespace = namespace)
    }

    /// Sets the node id. The default is made from the host name and the process id.
    pub fn node_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.configure(move |config| config.node_id = Some(id))
    }

    /// Sets how long a call may take if neither the caller nor the action says so (default: 30 s).
    /// [`Timeout::Never`] means no limit. [`BrokerBuilder::build`] refuses zero, because every call would
    /// fail.
    pub fn request_timeout(self, timeout: impl Into<Timeout>) -> Self {
        let timeout = timeout.into();
        self.configure(move |config| config.request_timeout = timeout)
    }

    /// Sets how packets are encoded (default: JSON). All nodes of a cluster need the same serializer.
    pub fn serializer(self, serializer: config::SerializerKind) -> Self {
        self.configure(move |config| config.serializer = serializer)
    }

    /// Sets whether the service `$node` is offered, with which other nodes inspect this one.
    pub fn internal_services(self, offered: bool) -> Self {
        self.configure(move |config| config.internal_services.enabled = offered)
    }

    /// Sets how nodes reach each other: a URL such as `tcp://`, or a configured transporter. Without a
    /// transporter, the broker is alone.
    pub fn transporter(mut self, transporter: impl IntoTransporter) -> Self {
        self.transporter = Some(transporter.into_choice());
        self
    }

    /// A scheme of URLs, with what makes the transporter of one. From then on this broker's transporter may be named
    /// by it: by [`BrokerBuilder::transporter`], before or after, in a configuration file and in the environment.
    /// [`transport`](crate::transport) has a whole transporter, and its options.
    ///
    /// [`BrokerBuilder::build`] refuses a scheme that is none of a URL, or is taken.
    ///
    /// ```
    /// use ligand::ServiceBroker;
    /// use ligand::transport::memory::Memory;
    ///
    /// let broker = ServiceBroker::builder()
    ///     // Another name for networks of this process.
    ///     .scheme("local", |url| Memory::from_url(&format!("memory://{}", url.place())))
    ///     .transporter("local://orders")
    ///     .build()?;
    /// # Ok::<(), ligand::BuildError>(())
    /// ```
    pub fn scheme<T: Transporter>(
        mut self,
        scheme: &str,
        make: impl Fn(&TransporterUrl) -> Result<T, TransportError> + Send + Sync + 'static,
    ) -> Self {
        if let Err(error) = self.schemes.add(scheme, make) {
            self.wrong_scheme.get_or_insert(error);
        }
        self
    }

    /// Adds a service to this node.
    pub fn service(mut self, service: impl IntoServiceDef) -> Self {
        self.services.push(service.into_service_def());
        self
    }

    /// A layer around calls, events, bytes or the life of the broker and its services; the first one given is
    /// the outermost. See [`layer`](crate::layer), also for how to make one of a closure.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Sets whether every call goes through the codec, even within this process.
    #[cfg(any(test, feature = "testing"))]
    pub fn through_codec(mut self, always: bool) -> Self {
        self.force_codec = always;
        self
    }

    /// Builds the broker. It is not started yet.
    ///
    /// # Errors
    /// [`BuildError`] names the mistake and says what to do.
    pub fn build(self) -> Result<ServiceBroker, BuildError> {
        let (mut config, origins) = self.sources.load_with_origins()?;
        let written = config.transporter.clone();
        for change in self.changes {
            change(&mut config);
        }
        config.validate()?;
        let node_id = match &config.node_id {
            Some(id) => NodeId::new(id.as_str())?,
            None => default_node_id(),
        };
        if let Some(error) = self.wrong_scheme {
            return Err(error.into());
        }
        let transporter = match self.transporter {
            Some(TransporterChoice::Transporter(transporter)) => Some(transporter),
            Some(TransporterChoice::Url(url)) => Some(self.schemes.transporter(&url)?),
            None => {
                let origin =
                    if config.transporter == written { origins.of("transporter") } else { Origin::Code };
                let written = config.transporter.as_ref();
                written.map(|written| configured(written, origin, &self.schemes)).transpose()?
            }
        };
        if let Some(unused) = config.registry.discoverer.as_ref().map(DiscovererConfig::unused)
            && !unused.is_empty()
        {
            tracing::warn!(
                options = unused.join(", "),
                "options of the discoverer Local are passed over, it has none: heartbeatInterval and \
                 heartbeatTimeout stand at the top level, cleanOfflineNodesTimeout under registry"
            );
        }
        let balances = transporter.as_ref().is_some_and(|transporter| transporter.capabilities().balanced);
        if config.disable_balancer && !balances {
            tracing::warn!(
                transporter = transporter.as_ref().map(|transporter| transporter.scheme()),
                "disableBalancer is switched back: the transporter cannot balance by itself"
            );
            config.disable_balancer = false;
        }
        let pipeline = Arc::new(Pipeline::new(self.layers)?);
        let instance_id: Name = PacketId::random().to_string().into();
        let born = super::health::started().max(std::time::Instant::now());
        let call_defaults = CallDefaults {
            request_timeout: config.request_timeout,
            max_call_level: config.max_call_level,
            prefer_local: config.registry.prefer_local,
        };
        let shared = Arc::new_cyclic(|weak| Shared {
            registry: Registry::new(
                identity(&config, &node_id, &instance_id),
                RegistryOptions {
                    strategy: match config.registry.strategy {
                        config::StrategyKind::Random => StrategyKind::Random,
                        _ => StrategyKind::RoundRobin,
                    },
                    max_nodes: config.registry.max_nodes,
                    by_bus: config.disable_balancer,
                    base: born,
                },
                composer(weak, &pipeline),
                born,
            ),
            node_id,
            instance_id,
            config: Arc::new(config),
            call_defaults,
            pipeline,
            transporter,
            local_bus: LocalBus::default(),
            services: LocalServices::default(),
            lifecycle: super::Lifecycle::default(),
            deadlines: Deadlines::default(),
            tracker: TaskTracker::new(),
            called: TaskTracker::new(),
            cut: CancellationToken::new(),
            cancel: CancellationToken::new(),
            transit: OnceLock::new(),
            force_codec: AtomicBool::new(self.force_codec),
            runtime: OnceLock::new(),
            changed: watch::Sender::new(0),
            waits: AtomicUsize::new(0),
            born,
        });
        let broker = ServiceBroker::from_shared(shared);
        broker.shared().pipeline.each((), |layer, ()| layer.created(&broker))?;
        for service in self.services {
            broker.take_in(service)?;
        }
        Ok(broker)
    }
}

/// `<host name>-<process id>`, as in Node, without the characters that topics cannot carry.
fn default_node_id() -> NodeId {
    let host = hostname::get().unwrap_or_default().to_string_lossy().to_lowercase();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let host = if host.is_empty() { "node" } else { host.as_str() };
    // Several brokers in one process need different ids.
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let id = match NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => format!("{host}-{}", std::process::id()),
        n => format!("{host}-{}-{n}", std::process::id()),
    };
    NodeId::new(id.get(id.len().saturating_sub(NodeId::MAX_LEN)..).unwrap_or("node").to_owned())
        .unwrap_or_else(|_| NodeId::new(Name::from_static("node")).expect("a literal that is valid"))
}

impl fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerBuilder")
            .field("sources", &self.sources)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}
