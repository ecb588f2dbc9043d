//! The error of a call to a service that names its error type.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use super::{ByClient, ByName, Call, RawCall};
use crate::error::{Error, FromActionError};
use crate::guard;

/// Why a call failed, for a service that names its error type with `#[service(name = "stock", error =
/// StockError)]`, or with the same argument of `#[client]`.
///
/// In a function that returns [`ligand::Result`](crate::Result), `?` converts it into the [`Error`] that the
/// call returned, with everything in it.
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
    /// The error of the service: read back as its type, and as it arrived.
    Service(E, Error),
    /// Any other error: the call did not reach the service, took too long or had invalid parameters, or the
    /// service passed on an error that is not its own. A variant that cannot be rebuilt, because it is
    /// `transparent` or has a field under `skip`, is also found here.
    Other(Error),
}

impl<E> CallError<E> {
    /// The error as it arrived, with kind, code, outcome and node.
    #[must_use]
    pub fn error(&self) -> &Error {
        match self {
            Self::Service(_, error) | Self::Other(error) => error,
        }
    }

    /// The error of the service, if it is one.
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

/// Reads the error back, if it is of this type.
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

/// The error as it arrived.
impl<E> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Service(_, error) | CallError::Other(error) => error,
        }
    }
}

/// A [`Call`] of a typed client whose service names its error type. Awaiting it can return a [`CallError`].
pub struct ByService<E>(PhantomData<fn() -> E>);

impl<E> fmt::Debug for ByService<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByService")
    }
}

/// The error type of a [`Call`], chosen by its third parameter: [`CallError`] for [`ByService`], else
/// [`Error`].
pub trait FailsAs: sealed::Sealed {
    /// The error type.
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
    /// Accepts any result and drops it.
    pub fn ignore(self) -> Call<'a, (), ByService<E>> {
        self.cast()
    }

    /// Returns the whole answer, undecoded. The error is not decoded either.
    pub fn raw(self) -> RawCall<'a> {
        self.cast::<R, ByClient>().raw()
    }
}
