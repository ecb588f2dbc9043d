//! The accounts of the riders. Each rider registers and logs in once, for any number of rides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ligand::{CallError, Error, ServiceBroker};
use tokio::sync::OnceCell;

use crate::user::{UserError, UsersClient};

/// The session of each rider, as many as there are different riders in the input.
#[derive(Debug, Default)]
pub(crate) struct Riders(Mutex<HashMap<String, Arc<OnceCell<Session>>>>);

/// A rider who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) token: String,
    /// The node that checked the password.
    pub(crate) node: String,
}

impl Riders {
    /// The session of a rider.
    pub(crate) async fn session(&self, broker: &ServiceBroker, name: &str) -> Result<Session, Error> {
        let session = {
            let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sessions.entry(name.to_owned()).or_default())
        };
        session.get_or_try_init(|| log_in(broker, name)).await.cloned()
    }
}

async fn log_in(broker: &ServiceBroker, name: &str) -> Result<Session, Error> {
    let users = UsersClient::new(broker);
    let password = format!("the passphrase of {name}");
    match users.register(name.to_owned(), password.clone()).await {
        Ok(()) => {}
        // With the databases of an earlier run, the account already exists.
        Err(CallError::Service(UserError::NameTaken { .. }, _)) => {}
        Err(error) => return Err(error.into()),
    }
    // The undecoded answer also contains the node that gave it.
    let answer = users.login(name.to_owned(), password).raw().await?;
    Ok(Session { node: answer.node.to_string(), token: answer.decode()? })
}
