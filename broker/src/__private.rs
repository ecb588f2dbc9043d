//! What the macros emit paths to. No part of the public API.

pub use serde;
pub use serde::de::DeserializeOwned;
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};
pub use std::sync::Arc;
pub use std::time::Duration;

pub use crate::error::ErrorParts;

use crate::{Call, Caller, Error, Payload};

/// What a handler may fail with. Only there for its message, which says more than that `From` is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that can be sent to a caller",
    label = "cannot become a `ligand::Error`",
    note = "derive `ligand::ActionError` for it, or write `impl From<{Self}> for ligand::Error`",
    note = "for an error of another library, say what failed: `.or_internal(\"reading the order\")?`"
)]
pub trait Travels {}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> Travels for E {}

/// A call of a generated client: the parameters are moved.
pub fn call<'a, P, R>(caller: &'a dyn Caller, action: &'static str, params: P) -> Call<'a, R>
where
    P: Serialize + Send + 'static,
{
    Call::new(caller, action, Ok(Payload::typed(params)))
}

/// A value as JSON; null where that is impossible.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A typed value from JSON, if it fits.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
