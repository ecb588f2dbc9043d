//! Tools for testing services: a broker that stops by itself, mocks, recorded events, and clusters on virtual
//! time.
//!
//!
//! Everything runs as tasks on the runtime of the test, even what otherwise has a thread of its own. So
//! `#[tokio::test(start_paused = true)]` controls the clock: a timeout of a minute passes at once, and the
//! disappearance of a node is detected within microseconds.
//!
//! ```
//! use ligand::testing::{Mock, TestBroker};
//! use ligand::{Context, Error, Result, service};
//! use serde_json::{Value, json};
//!
//! struct Orders;
//!
//! #[service(name = "orders")]
//! impl Orders {
//!     #[action]
//!     async fn place(&self, ctx: Context, sku: String) -> Result<String> {
//!         let hold: Value = ctx.call("inventory.reserve", json!({ "sku": sku })).await?;
//!         if let Err(error) = ctx.call::<()>("payments.charge", json!({})).await {
//!             ctx.call::<()>("inventory.release", &hold).await?;
//!             return Err(error);
//!         }
//!         Ok("placed".to_owned())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let inventory = Mock::service("inventory")
//!     .on("reserve", |_| Ok(json!({ "id": "hold-1" })))
//!     .on("release", |_| Ok(Value::Null));
//! let payments = Mock::service("payments").fails("charge", Error::client(402, "CARD_DECLINED", "declined"));
//! let broker = TestBroker::new().service(Orders).service(inventory.clone()).service(payments).start().await;
//!
//! let error = OrdersClient::new(&broker).place("chair".into()).await.unwrap_err();
//!
//! assert_eq!(error.error_type(), Some("CARD_DECLINED"));
//! assert_eq!(inventory.calls("release"), [json!({ "id": "hold-1" })]);
//! # }
//! ```
//!
//! [`TestBroker`] makes one node, [`Cluster`] several. [`Mock`] replaces a service, and [`MockCaller`]
//! replaces everything behind a typed client. [`EventLog`] records events. [`codec_runs`] shows whether
//! values were moved or encoded.

mod answers;
mod cluster;
mod event_log;
mod mock;
mod mock_caller;
mod test_broker;

pub use cluster::Cluster;
pub use event_log::{CapturedEvent, EventLog};
pub use mock::Mock;
pub use mock_caller::MockCaller;
pub use test_broker::{RunningBroker, TestBroker};

/// How many bodies have been encoded or decoded on this thread. The difference before and after a call shows
/// whether the call went through the codec. On a current-thread runtime, that includes the handler.
///
/// ```
/// # use ligand::testing::{TestBroker, codec_runs};
/// # use ligand::ServiceDef;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ligand::Result<()> {
/// let echo = ServiceDef::builder("echo").action("text", |_cx, text: String| async { Ok::<_, ligand::Error>(text) });
/// let broker = TestBroker::new().service(echo).start().await;
///
/// let before = codec_runs();
/// let answer: String = broker.call_typed("echo.text", "moved".to_owned()).await?;
/// assert_eq!((answer.as_str(), codec_runs() - before), ("moved", 0));
/// # Ok(()) }
/// ```
#[must_use]
pub fn codec_runs() -> u64 {
    crate::codec::runs()
}
