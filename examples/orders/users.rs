//! The users.

use ligand::{ActionError, service};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) name: String,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum UserError {
    #[error("there is no user {id}")]
    #[action_error(code = 404, type = "USER_NOT_FOUND")]
    NotFound { id: u32 },
}

#[derive(Debug)]
pub(crate) struct Users(Vec<User>);

impl Users {
    pub(crate) fn new() -> Self {
        let names = ["Ada Lovelace", "Grace Hopper", "Edsger Dijkstra"];
        Self((1..).zip(names).map(|(id, name)| User { id, name: name.to_owned() }).collect())
    }
}

#[service(name = "users")]
impl Users {
    #[action]
    async fn get(&self, id: u32) -> Result<User, UserError> {
        self.0.iter().find(|user| user.id == id).cloned().ok_or(UserError::NotFound { id })
    }
}
