//! A microservice framework that speaks [Moleculer](https://moleculer.services)'s wire protocol.
//!
//! A [`ServiceBroker`] is one node of a cluster. It hosts services, which offer *actions* (request and reply)
//! and listen to *events*. Nodes find each other through a transporter. Every node can call every action by
//! its name, whether the action is written in Rust or in Node.js.
//!
//! ```
//! use ligand::{Result, ServiceBroker, service};
//! use serde_json::json;
//!
//! struct Greeter;
//!
//! #[service(name = "greeter")]
//! impl Greeter {
//!     #[action]
//!     async fn hello(&self, name: String) -> Result<String> {
//!         Ok(format!("Hello {name}!"))
//!     }
//!
//!     #[event("user.created")]
//!     async fn welcome(&self, name: String) -> Result<()> {
//!         println!("Welcome {name}!");
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = ServiceBroker::builder().service(Greeter).build()?;
//! broker.start().await?;
//! broker.emit("user.created", json!({ "name": "Ada" })).await?;
//! // By name, from any node of the cluster:
//! let text: String = broker.call("greeter.hello", json!({ "name": "Bob" })).await?;
//! assert_eq!(text, "Hello Bob!");
//! // Or through the client that the macro generates, checked by the compiler:
//! assert_eq!(GreeterClient::new(&broker).hello("Bob".into()).await?, text);
//! broker.stop().await?;
//! # Ok(()) }
//! ```
//!
//! # Where to go from here
//!
//! * Services: [`service`](macro@service) for the attribute, [`ServiceDef`] to build one by hand.
//! * Calls: [`ServiceBroker::call`], [`Call`](call::Call), [`Context`], [`Error`], [`Outcome`].
//! * Events: [`ServiceBroker::emit`], [`EventDef`], [`Shared`].
//! * Nodes: [`BrokerBuilder::transporter`], [`config`], [`transport`].
//! * Layers around calls, events and packets, which Node calls middleware: [`layer`].
//! * `docs/semantics.md` in the repository: what calls and events promise, and what they do not.
//! * `docs/logging.md` in the repository: spans, log lines and their fields.
//!
//! # Features
//!
//! | feature | what | default |
//! |---|---|---|
//! | `macros` | `#[service]`, `#[client]`, `#[derive(ActionError)]` | yes |
//! | `tcp` | Moleculer's TCP transporter: no server, UDP discovery | yes |
//! | `nats`, `redis`, `mqtt`, `amqp`, `kafka` | transporters over these message servers (`kafka` compiles C) | |
//! | `redis-tls`, `mqtt-tls`, `amqp-tls`, `kafka-tls` | the same with TLS; NATS always includes it | |
//! | `config-file` | configuration from TOML, JSON and YAML files | |
//! | `cpu` | CPU load in heartbeats and `$node.health` | |
//! | `logs` | `logging::init()` | |
//! | `compression` | [`layer::Compression`](layer): packets compressed as Node does | |
//! | `encryption` | [`layer::Encryption`](layer): packets encrypted as Node does, or authenticated | |
//! | `discovery-redis` | nodes learn of each other through records in Redis | |
//! | `testing` | `ligand::testing`: test brokers, mock services, clusters on virtual time | |
//! | `full` | all of the above but Kafka and `testing` | |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

/// Runs the examples of the guide as tests.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../docs/guide.md")]
#[derive(Debug)]
pub struct Guide;

/// Runs the examples of the page on logs as tests.
#[cfg(all(doctest, feature = "logs"))]
#[doc = include_str!("../../docs/logging.md")]
#[derive(Debug)]
pub struct Logs;

// The code that the macros generate names `::ligand`, in the tests of this crate too.
#[cfg(test)]
#[allow(unused_extern_crates, reason = "see above")]
extern crate self as ligand;

mod broker;
mod chain;
mod codec;
pub mod config;
mod context;
mod deadlines;
mod discovery;
mod error;
mod guard;
mod handler;
mod id;
pub mod layer;
#[cfg(feature = "logs")]
#[cfg_attr(docsrs, doc(cfg(feature = "logs")))]
pub mod logging;
mod membership;
mod payload;
mod protocol;
mod registry;
mod serializer;
mod service;
mod strategy;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod transit;
pub mod transport;

#[cfg(feature = "_bench")]
#[doc(hidden)]
pub mod __bench;
#[doc(hidden)]
pub mod __private;

pub use broker::{
    ActionRef, BrokerBuilder, BuildError, CallError, CallOptions, EmitOptions, LocalEvent, LocalEvents,
    NodeInfo, NodeWaitError, RunError, ServiceBroker, StartError, StopError, TransporterState, WaitError,
};
/// Calls as values: what [`ServiceBroker::call`] and typed clients give, and who may make them.
pub mod call {
    pub use crate::broker::{
        Answer, AnyCaller, ByClient, ByName, ByService, Call, Caller, FailsAs, Origin, OutgoingCall,
        RawAnswer, RawCall, Response,
    };
}
/// Events as values: what [`ServiceBroker::emit`] and [`ServiceBroker::broadcast`] give.
pub mod event {
    pub use crate::broker::{Emit, Spread};
}
/// The parts of [`ServiceBroker::health`].
pub mod health {
    pub use crate::broker::{
        ClientHealth, CpuHealth, Health, Load, Memory, MemoryHealth, NetHealth, OsHealth, ProcessHealth,
        TimeHealth,
    };
}
pub use codec::{Codec, Date, DecodeError};
pub use config::{BrokerConfig, ConfigError, Timeout};
pub use context::{Context, Extensions, Headers, Meta};
pub use error::{BoxError, Code, Error, ErrorKind, ErrorParts, FromActionError, Outcome, Result, ResultExt};
pub use handler::{ActionFn, EventFn};
pub use id::Id;
#[cfg(feature = "macros")]
pub use ligand_macros::{ActionError, client, service};
#[doc(no_inline)]
pub use ligand_transporters::{Name, NodeId};
pub use payload::{IntoPayload, Payload};
#[doc(no_inline)]
pub use serde_json::Value;
pub use service::{
    ActionDef, Empty, EventData, EventDef, IntoServiceDef, Params, Reply, ServiceBuilder, ServiceCx,
    ServiceDef, ServiceVersion, Shared, Visibility,
};
pub use transit::{PingReply, TransitStats};
