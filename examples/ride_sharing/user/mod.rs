//! The user service: registration, login, and who is behind a session token.

mod password;
mod store;

use ligand::{Error, Id, Result, ResultExt as _, service};

pub(crate) use store::UserStore;

use password::Passwords;

/// Hosts `users`.
pub(crate) struct Users {
    store: UserStore,
    passwords: Passwords,
}

/// Errors that the caller has caused.
#[derive(Debug, thiserror::Error, ligand::ActionError)]
pub(crate) enum UserError {
    #[error("the name `{name}` is taken")]
    #[action_error(code = 409)]
    NameTaken { name: String },
    /// Also used for an unknown name, so that nobody learns which names exist.
    #[error("wrong name or password")]
    #[action_error(code = 401)]
    WrongPassword,
    #[error("no such session, log in first")]
    #[action_error(code = 401)]
    UnknownSession,
    #[error(transparent)]
    #[action_error(transparent)]
    Other(#[from] Error),
}

impl Users {
    pub(crate) fn new(store: UserStore) -> Self {
        Self { store, passwords: Passwords::default() }
    }
}

#[service(name = "users", error = UserError)]
impl Users {
    /// Creates an account.
    #[action]
    async fn register(&self, name: String, password: String) -> Result<(), UserError> {
        let hash = self.passwords.hash(password).await?;
        if self.store.insert(&name, &hash).await.or_internal("storing the user")? {
            Ok(())
        } else {
            Err(UserError::NameTaken { name })
        }
    }

    /// Opens a session, and returns its token.
    #[action]
    async fn login(&self, name: String, password: String) -> Result<String, UserError> {
        let hash = self.store.hash_of(&name).await.or_internal("looking up the user")?;
        if !self.passwords.verify(password, hash).await? {
            return Err(UserError::WrongPassword);
        }
        // 128 bits from the operating system's random generator.
        let token = Id::random().to_string();
        self.store.open_session(&token, &name).await.or_internal("opening a session")?;
        Ok(token)
    }

    /// The user of a session.
    #[action]
    async fn whois(&self, token: String) -> Result<String, UserError> {
        let name = self.store.session(&token).await.or_internal("looking up the session")?;
        name.ok_or(UserError::UnknownSession)
    }
}
