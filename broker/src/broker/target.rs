//! What a typed client consists of: a caller and a service.

use ligand_transporters::Name;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

use super::{AnyCaller, Call};
use crate::error::{Error, Result};
use crate::payload::Payload;
use crate::service::{wrong_foreign, wrong_name};

/// A caller and a service. Only clients hold it.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    caller: AnyCaller<'a>,
    /// The full name of the service that the client was generated for.
    of: &'static str,
    wrong: fn(&str) -> Option<String>,
    /// The name that was given at run time, or the error if it is invalid.
    named: Option<Arc<Result<Name>>>,
}

impl<'a> Target<'a> {
    /// The target of a client that `#[service]` generated.
    pub fn of_service(caller: impl Into<AnyCaller<'a>>, of: &'static str) -> Self {
        Self { caller: caller.into(), of, wrong: wrong_name, named: None }
    }

    /// The target of a `#[client]`, whose service may have another name.
    pub fn of_contract(caller: impl Into<AnyCaller<'a>>, of: &'static str) -> Self {
        Self { caller: caller.into(), of, wrong: wrong_foreign, named: None }
    }

    /// The same kind of service under another name. If the name is invalid, the calls fail.
    #[must_use]
    pub fn named(self, name: impl Into<Name>) -> Self {
        let name = name.into();
        let named = match (self.wrong)(&name) {
            None => Ok(name),
            Some(problem) => Err(Error::client(
                422,
                "BAD_SERVICE_NAME",
                format!(
                    "The client of '{}' was given the service name '{}', which {problem}.",
                    self.of,
                    name.escape_debug()
                ),
            )),
        };
        Self { named: Some(Arc::new(named)), ..self }
    }

    /// A call of an action, by the full name that it has in the client. The parameters are moved.
    pub(crate) fn call<P, R>(&self, action: &'static str, params: P) -> Call<'a, R>
    where
        P: Serialize + Send + 'static,
    {
        let caller = self.caller.clone();
        match self.named.as_deref() {
            None => Call::new(caller, action, Ok(Payload::typed(params))),
            Some(Ok(name)) => {
                let own = action.strip_prefix(self.of).unwrap_or(action);
                Call::new(caller, Cow::Owned(format!("{name}{own}")), Ok(Payload::typed(params)))
            }
            Some(Err(error)) => Call::new(caller, action, Err(error.clone())),
        }
    }
}
