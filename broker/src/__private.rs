//! Items to which the macros generate paths. They are not part of the public API.

pub use serde;
pub use serde::de::DeserializeOwned;
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};
pub use std::sync::Arc;
pub use std::time::Duration;

#[cfg(feature = "macros")]
pub use ligand_macros::__implements;

pub use crate::broker::Target;
pub use crate::error::ErrorParts;
pub use crate::service::Named;

use crate::call::{ByService, Call};
use crate::{Error, FromActionError};

/// The error of a handler. This trait exists only for its message, which says more than that `From` is
/// missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that can be sent to a caller",
    label = "cannot become a `ligand::Error`",
    note = "derive `ligand::ActionError` for it, or write `impl From<{Self}> for ligand::Error`",
    note = "for an error of another library, say what failed: `.or_internal(\"reading the order\")?`"
)]
pub trait Travels {}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> Travels for E {}

/// A call by a generated client. The parameters are moved.
pub fn call<'a, P, R>(target: &Target<'a>, action: &'static str, params: P) -> Call<'a, R>
where
    P: Serialize + Send + 'static,
{
    target.call(action, params)
}

/// The same for a service that names its error type.
pub fn call_of<'a, P, R, E>(target: &Target<'a>, action: &'static str, params: P) -> Call<'a, R, ByService<E>>
where
    P: Serialize + Send + 'static,
{
    target.call::<P, R>(action, params).cast()
}

/// The `error` of a service or a client. It is a separate trait because of its message, which says what to
/// do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the `error` of a service",
    label = "cannot be read back from what a caller is sent",
    note = "derive `ligand::ActionError` for it: it writes the way to the caller, and the way back"
)]
pub trait ErrorOfService {}

#[diagnostic::do_not_recommend]
impl<E: FromActionError + Into<Error>> ErrorOfService for E {}

/// The error of an action in a service with `error = S`: `S` or any `ligand::Error`.
#[diagnostic::on_unimplemented(
    message = "an action of a service with `error = {S}` fails with `{S}` or `ligand::Error`, not with `{Self}`",
    label = "not the `error` of the service",
    note = "callers are given `{S}` back and nothing else: make a variant of it for what `{Self}` says",
    note = "or return `ligand::Result<T>`: `{Self}` then arrives as `CallError::Other`"
)]
pub trait FailsWith<S> {}

#[diagnostic::do_not_recommend]
impl<S> FailsWith<S> for Error {}

#[diagnostic::do_not_recommend]
impl<S: FromActionError> FailsWith<S> for S {}

/// The text of an error for its caller. It is a separate trait because of its message, which says what to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text that a caller could be told",
    label = "does not implement `Display`",
    note = "derive `thiserror::Error` and write `#[error(\"…\")]` on each variant, or implement `std::fmt::Display`"
)]
pub trait Told {
    /// The text.
    fn told(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<E: std::fmt::Display> Told for E {
    fn told(&self) -> String {
        self.to_string()
    }
}

/// A field of an error on its way to the caller. It is a separate trait because of its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a caller as part of an error",
    label = "does not implement `Serialize`",
    note = "the fields of an error are its `data`: derive `serde::Serialize` and `serde::Deserialize` for a type of yours",
    note = "an error of another library, such as `std::io::Error`, stays here under `#[action_error(skip)]`, while \
            the message can tell of it; or keep its text: `String` instead of `{Self}`"
)]
pub trait ErrorData {
    /// The field as JSON, or why it cannot be written.
    fn to_value(&self) -> Result<Value, String>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> ErrorData for T {
    fn to_value(&self) -> Result<Value, String> {
        crate::codec::to_error_data(self)
    }
}

/// A field of an error on its way back. It is a separate trait because of its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an error that another node sent",
    label = "does not implement `Deserialize`, or borrows",
    note = "derive `serde::Deserialize` for a type of yours, and own the data: `String` instead of `&str`",
    note = "with `#[action_error(skip)]` the field stays here, and `downcast` never makes this variant"
)]
pub trait ErrorDataBack: Sized {
    /// Reads the field from JSON, if it fits.
    fn from_value(value: &Value) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ErrorDataBack for T {
    fn from_value(value: &Value) -> Option<Self> {
        crate::codec::from_error_data(value).ok()
    }
}

/// A service's own error, with its fields as data. If a field cannot be written, the error says so instead.
pub fn application<const N: usize>(
    parts: ErrorParts,
    fields: [(&'static str, Result<Value, String>); N],
) -> Error {
    let mut data = serde_json::Map::with_capacity(N);
    for (field, value) in fields {
        match value {
            Ok(value) => data.insert(field.to_owned(), value),
            Err(why) => return Error::unwritable_data(&parts, field, &why),
        };
    }
    Error::application(ErrorParts { data: (N > 0).then_some(Value::Object(data)), ..parts })
}

/// A field of an error as JSON, from which it can be read back unchanged.
///
/// # Errors
/// Says why it cannot be written.
pub fn to_value<T: ErrorData + ?Sized>(value: &T) -> Result<Value, String> {
    value.to_value()
}

/// A field of an error, if it is a `T`. A missing field is read as null.
pub fn from_value<T: ErrorDataBack>(error: &Error, field: &str) -> Option<T> {
    let value = error.data().and_then(|data| data.get(field)).unwrap_or(&Value::Null);
    T::from_value(value)
}
