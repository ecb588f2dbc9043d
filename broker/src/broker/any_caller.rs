//! A caller, borrowed or owned. Typed clients and calls hold one.

use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

use super::{Caller, OutgoingCall, Response, ServiceBroker};
use crate::context::Context;
use crate::error::Result;

/// Any [`Caller`], borrowed or owned. Typed clients and [`Call::new`](crate::call::Call::new) take everything that
/// converts into it.
///
/// | what | held | the client is |
/// |---|---|---|
/// | `&broker`, `&ctx`, `&mock`, `&dyn Caller` | borrowed | as long as what it borrows |
/// | `broker.clone()`, `ctx`, `mock`, `Arc<C>`, `Arc<dyn Caller>` | owned | `'static` |
///
/// The call of an owned client is `'static` as well, so it can be spawned.
///
/// ```
/// use ligand::testing::MockCaller;
/// use ligand::{Result, ServiceBroker, client};
/// # use serde_json::json;
///
/// #[client(name = "stock")]
/// trait Stock {
///     async fn left(sku: String) -> u32;
/// }
///
/// /// Keeps its client.
/// struct Shop {
///     stock: StockClient<'static>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = ServiceBroker::builder().build()?;
/// let owned = Shop { stock: StockClient::new(broker.clone()) };
/// let borrowed = StockClient::new(&broker);
/// # let _ = (owned, borrowed);
///
/// // In a test, something else answers.
/// let shop = Shop { stock: StockClient::new(MockCaller::new().on("stock.left", |_| Ok(json!(3)))) };
/// let left = tokio::spawn(shop.stock.left("chair".into()));
/// assert_eq!(left.await??, 3);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyCaller<'a> {
    /// Borrowed. Cloning it copies the reference.
    Borrowed(&'a dyn Caller),
    /// Owned, and shared by all clones.
    Owned(Arc<dyn Caller>),
}

impl<'a> AnyCaller<'a> {
    /// The caller itself.
    #[must_use]
    pub fn get(&self) -> &dyn Caller {
        match self {
            Self::Borrowed(caller) => *caller,
            Self::Owned(caller) => &**caller,
        }
    }

    /// Makes a call. Its future owns the caller, or borrows it for `'a`.
    pub(super) fn dispatch(self, call: OutgoingCall) -> BoxFuture<'a, Result<Response>> {
        match self {
            Self::Borrowed(caller) => caller.dispatch(call),
            Self::Owned(caller) => Box::pin(async move { caller.dispatch(call).await }),
        }
    }
}

impl fmt::Debug for AnyCaller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Borrowed(_) => "Borrowed",
            Self::Owned(_) => "Owned",
        })
    }
}

impl<'a, C: Caller> From<&'a C> for AnyCaller<'a> {
    fn from(caller: &'a C) -> Self {
        Self::Borrowed(caller)
    }
}

impl<'a> From<&'a dyn Caller> for AnyCaller<'a> {
    fn from(caller: &'a dyn Caller) -> Self {
        Self::Borrowed(caller)
    }
}

// With these two, `&` is enough for a caller behind a pointer.
impl<'a> From<&'a Arc<dyn Caller>> for AnyCaller<'a> {
    fn from(caller: &'a Arc<dyn Caller>) -> Self {
        Self::Borrowed(&**caller)
    }
}

impl<'a> From<&'a Box<dyn Caller>> for AnyCaller<'a> {
    fn from(caller: &'a Box<dyn Caller>) -> Self {
        Self::Borrowed(&**caller)
    }
}

impl<C: Caller + 'static> From<Arc<C>> for AnyCaller<'static> {
    fn from(caller: Arc<C>) -> Self {
        Self::Owned(caller)
    }
}

impl From<Arc<dyn Caller>> for AnyCaller<'static> {
    fn from(caller: Arc<dyn Caller>) -> Self {
        Self::Owned(caller)
    }
}

impl From<ServiceBroker> for AnyCaller<'static> {
    fn from(broker: ServiceBroker) -> Self {
        Self::Owned(Arc::new(broker))
    }
}

impl From<Context> for AnyCaller<'static> {
    fn from(ctx: Context) -> Self {
        Self::Owned(Arc::new(ctx))
    }
}

#[cfg(feature = "testing")]
impl From<crate::testing::MockCaller> for AnyCaller<'static> {
    fn from(mock: crate::testing::MockCaller) -> Self {
        Self::Owned(Arc::new(mock))
    }
}
