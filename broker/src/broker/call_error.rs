//! The error of a call whose service says what it fails with.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use super::{ByClient, ByName, Call, RawCall};
use crate::error::{Error, FromActionError};
use crate::guard;

/// Why a call failed, where the service says its error type: `#[service(name = "stock", error = StockError)]`,
/// or the same of a `#[client]`.
///
/// It becomes the [`Error`] that came by `?` in a function that returns [`ligand::Result`](crate::Result), and
/// nothing is lost.
///
/// ```
/// use ligand::{ActionError, CallError, ErrorKind, Outcome, ServiceBroker, service};
///
/// #[derive(Debug, PartialEq, thiserror::Error, ActionError)]
/// enum StockError {
///     #[error("no {sku} left")]
///     SoldOut { sku: String },
/// }
///
/// struct Stock;
///
/// #[service(name = "stock", error = StockError)]
/// impl Stock {
///     #[action]
///     async fn take(&self, sku: String) -> Result<u32, StockError> {
///         Err(StockError::SoldOut { sku })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = ServiceBroker::builder().service(Stock).build()?;
/// broker.start().await?;
/// match StockClient::new(&broker).take("chair".into()).await {
///     Err(CallError::Service(StockError::SoldOut { sku }, error)) => {
///         assert_eq!((&*sku, error.outcome()), ("chair", Outcome::Ran));
///     }
///     other => panic!("{other:?}"),
/// }
/// broker.stop().await?;
/// let error = StockClient::new(&broker).take("chair".into()).await.unwrap_err();
/// assert_eq!(error.service(), None);
/// assert_eq!(error.error().kind(), ErrorKind::RequestRejected);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub enum CallError<E> {
    /// What the service failed with, read back, and the error as it came.
    Service(E, Error),
    /// Anything else: the call did not reach the service, took too long, had parameters that do not fit, or the
    /// service passed on an error that is not its own. A variant that cannot be rebuilt, because it is
    /// `transparent` or has a field under `skip`, is here, too.
    Other(Error),
}

impl<E> CallError<E> {
    /// The error as it came: kind, code, outcome, node and all.
    #[must_use]
    pub fn error(&self) -> &Error {
        match self {
            Self::Service(_, error) | Self::Other(error) => error,
        }
    }

    /// What the service failed with, if it is that.
    #[must_use]
    pub fn service(&self) -> Option<&E> {
        match self {
            Self::Service(of, _) => Some(of),
            Self::Other(_) => None,
        }
    }
}

impl<E> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error(), f)
    }
}

impl<E: fmt::Debug> StdError for CallError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error().source()
    }
}

/// Reads it back, if it is of this type.
impl<E: FromActionError> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        match guard::run(|| error.downcast()) {
            Ok(Some(of)) => Self::Service(of, error),
            Ok(None) => Self::Other(error),
            Err(panicked) => {
                let panic = panicked.text();
                tracing::error!(error = %error, panic, "the error of a service panicked when it was read back");
                Self::Other(error)
            }
        }
    }
}

/// The error as it came.
impl<E> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Service(_, error) | CallError::Other(error) => error,
        }
    }
}

/// A [`Call`] of a typed client whose service says what it fails with: awaiting it gives a [`CallError`].
pub struct ByService<E>(PhantomData<fn() -> E>);

impl<E> fmt::Debug for ByService<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByService")
    }
}

/// What a [`Call`] fails with, by its third parameter: [`Error`], or for [`ByService`] a [`CallError`].
pub trait FailsAs: sealed::Sealed {
    /// The error.
    type Error: From<Error>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for ByClient {}
impl sealed::Sealed for ByName {}
impl<E> sealed::Sealed for ByService<E> {}

impl FailsAs for ByClient {
    type Error = Error;
}

impl FailsAs for ByName {
    type Error = Error;
}

impl<E: FromActionError> FailsAs for ByService<E> {
    type Error = CallError<E>;
}

impl<'a, R, E> Call<'a, R, ByService<E>> {
    /// Accepts any answer and drops it.
    pub fn ignore(self) -> Call<'a, (), ByService<E>> {
        self.cast()
    }

    /// Asks for the answer with everything that came along, undecoded; so is the error.
    pub fn raw(self) -> RawCall<'a> {
        self.cast::<R, ByClient>().raw()
    }
}
