//! How frames move between nodes.
//!
//! A [`Transporter`] is the configuration of a way to move frames (TCP, an in-memory network, a message
//! server). [`Transporter::connect`] makes a live [`Connection`], which sends opaque [`Frame`]s to
//! [`Route`]s. This crate knows neither what a packet contains nor which services exist. It sees a
//! [`PacketKind`], bytes and a destination.
//!
//! A transporter gets a [`Link`]. Through it, the transporter delivers received frames, and reports frames
//! that it could not send and peers that appear or disappear. A transporter can be written in a single file
//! against this crate. [`Transporter`] has an example.
//!
//! The in-memory network ([`memory`]) is always available. Each of the others is a feature:
//!
//! | feature | what | default |
//! |---|---|---|
//! | `tcp` | Moleculer's TCP transporter: no server, UDP discovery | yes |
//! | `nats` | a NATS server, with its queue groups as balancer | no |
//! | `amqp`, `amqp-tls` | AMQP 0.9.1 (RabbitMQ) | no |
//! | `mqtt`, `mqtt-tls` | MQTT 3.1.1 and 5 | no |
//! | `redis`, `redis-tls` | Redis pub/sub: single, Sentinel, Cluster | no |
//! | `kafka` | Kafka; compiles librdkafka, which needs a C and a C++ compiler and make | no |
//! | `kafka-tls` | Kafka over TLS and SCRAM; needs the headers of OpenSSL | no |
//! | `redis-kv` | records in Redis, for discovery; not a transporter | no |
//! | `conformance` | the suite that every transporter runs, for third parties too | no |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "amqp")]
#[cfg_attr(docsrs, doc(cfg(feature = "amqp")))]
pub mod amqp;
#[doc(hidden)]
pub mod backoff;
#[cfg(feature = "_bus")]
mod bus;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod frame;
mod ids;
#[cfg(feature = "kafka")]
#[cfg_attr(docsrs, doc(cfg(feature = "kafka")))]
pub mod kafka;
mod lane;
mod link;
#[doc(hidden)]
pub mod locks;
mod log_lines;
pub mod memory;
#[cfg(feature = "mqtt")]
#[cfg_attr(docsrs, doc(cfg(feature = "mqtt")))]
pub mod mqtt;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub mod nats;
pub mod options;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub mod redis;
#[cfg(feature = "redis-kv")]
#[doc(hidden)]
pub mod redis_kv;
mod scheme;
#[doc(hidden)]
pub mod suggest;
#[cfg(feature = "tcp")]
#[cfg_attr(docsrs, doc(cfg(feature = "tcp")))]
pub mod tcp;
mod topic;
mod transporter;

#[cfg(feature = "_bus")]
pub use bus::{BusLimits, TlsOptions};
pub use error::{SendError, TransportError};
pub use frame::{Abandon, Ack, Frame, FrameBuf, PacketKind, Route, Subscription, WriteFrame, collect};
pub use ids::{InvalidId, Name, NodeId};
pub use lane::{Batch, Source};
pub use link::{Link, LinkOptions, Sink, Up};
pub use log_lines::LogLine;
pub use scheme::{
    IntoTransporter, SCHEMES, Schemes, TransporterChoice, TransporterUrl, backends, transporter_for,
    transporter_with,
};
pub use topic::Topics;
pub use transporter::{Capabilities, Connection, Membership, Peering, Transporter};
