//! Services: a name, actions, subscriptions, and hooks.
//!
//! `#[service]` generates what [`ServiceBuilder`] builds by hand:
//!
//! ```
//! use ligand::{ServiceBroker, ServiceDef};
//! use serde_json::{Value, json};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let math = ServiceDef::builder("math")
//!     .action("add", |_cx, p: Value| async move {
//!         Ok::<_, ligand::Error>(p["a"].as_i64().unwrap_or(0) + p["b"].as_i64().unwrap_or(0))
//!     })
//!     .build();
//! let broker = ServiceBroker::builder().service(math).build()?;
//! broker.start().await?;
//! let sum: i64 = broker.call("math.add", json!({ "a": 1, "b": 2 })).await?;
//! assert_eq!(sum, 3);
//! # broker.stop().await?;
//! # Ok(()) }
//! ```

mod action;
mod builder;
mod check;
mod cx;
mod event;
mod gate;
mod named;
mod names;
mod options;
mod params;
mod reply;
mod run;
mod schema;
mod version;

pub use action::ActionDef;
pub(crate) use action::RunMode;
pub use builder::{IntoServiceDef, ServiceBuilder, ServiceDef};
pub use cx::ServiceCx;
pub(crate) use cx::Tasks;
pub use event::EventDef;
pub(crate) use gate::{Entered, Gate, Seat};
pub use named::Named;
pub(crate) use names::{wrong_foreign, wrong_name};
pub use params::{Empty, EventData, Params, Shared};
pub use reply::Reply;
pub(crate) use run::{Beneath, First, Run, first, poll_seated};
pub use version::ServiceVersion;

pub use crate::protocol::Visibility;
