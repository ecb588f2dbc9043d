//! A microservice framework that speaks Moleculer's wire protocol.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The macros write `::ligand`, also in the tests of this crate.
#[cfg(test)]
#[allow(unused_extern_crates, reason = "see above")]
extern crate self as ligand;

mod broker;
mod codec;
pub mod config;
mod context;
mod deadlines;
mod discovery;
mod error;
mod handler;
mod id;
#[cfg(feature = "logs")]
#[cfg_attr(docsrs, doc(cfg(feature = "logs")))]
pub mod logging;
pub mod middleware;
mod payload;
mod protocol;
mod registry;
mod serializer;
mod service;
mod strategy;
mod transit;

#[cfg(feature = "_bench")]
#[doc(hidden)]
pub mod __bench;
#[doc(hidden)]
pub mod __private;

pub use broker::{
    ActionRef, BrokerBuilder, BuildError, Call, CallFuture, CallOptions, Caller, Emit, EmitFuture, LocalEvent,
    LocalEvents, Origin, OutgoingCall, PingReply, RawCall, RawCallFuture, Response, RunError, ServiceBroker,
    Spread, StartError, StopError, WaitError,
};
pub use codec::{Codec, DecodeError};
pub use config::{BrokerConfig, ConfigError, Timeout};
pub use context::{Context, Extensions, Headers, Meta};
pub use error::{BoxError, Code, Error, ErrorKind, ErrorParts, FromActionError, Outcome, Result, ResultExt};
pub use handler::{ActionFn, EventFn};
pub use id::Id;
#[cfg(feature = "macros")]
pub use ligand_macros::{ActionError, client, service};
pub use ligand_transporters as transport;
#[doc(no_inline)]
pub use ligand_transporters::{Name, NodeId};
pub use payload::{IntoPayload, Payload};
#[doc(no_inline)]
pub use serde_json::Value;
pub use service::{
    ActionDef, Empty, EventData, EventDef, IntoServiceDef, Params, Reply, ServiceBuilder, ServiceCx,
    ServiceDef, ServiceVersion, Shared, Visibility,
};
pub use transit::TransitStats;
