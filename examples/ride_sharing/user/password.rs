//! Password hashing: argon2id with 19 MiB, two passes and one lane. It does not run on the threads that serve
//! requests.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use ligand::{Result, ResultExt as _};
use tokio::sync::Semaphore;

/// Memory of one hash, in KiB.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The number of hashes that are computed at the same time. Each takes a core and [`MEMORY`].
const AT_ONCE: usize = 4;

/// Hashes and verifies passwords, a limited number at a time.
#[derive(Debug)]
pub(super) struct Passwords {
    turns: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE) }
    }
}

impl Passwords {
    /// The hash with its salt and parameters, as text.
    pub(super) async fn hash(&self, password: String) -> Result<String> {
        let hash =
            self.aside(move || hasher()?.hash_password(password.as_bytes()).map(|hash| hash.to_string()));
        hash.await?.or_internal("hashing the password")
    }

    /// Whether the password matches the hash. Without a hash, it takes as long, and returns `false`.
    pub(super) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let verify = move || {
            let argon = hasher()?;
            match hash {
                Some(hash) => argon.verify_password(password.as_bytes(), hash.as_str()).map(|()| true),
                None => argon.hash_password(password.as_bytes()).map(|_| false),
            }
        };
        match self.aside(verify).await? {
            Ok(right) => Ok(right),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error).or_internal("verifying the password"),
        }
    }

    /// Runs `work` on a thread for blocking work, when it is its turn.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _turn = self.turns.acquire().await.or_internal("waiting to hash a password")?;
        tokio::task::spawn_blocking(work).await.or_internal("hashing a password")
    }
}

fn hasher() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}
