//! What is generated stays quiet under lints that people turn on for their own code.

#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, clippy::pedantic)]
#![deny(missing_debug_implementations, single_use_lifetimes, unused_results, elided_lifetimes_in_paths)]
#![forbid(unsafe_code)]

use ligand::{ActionError, Result, client, service};

/// A service.
#[derive(Debug)]
pub struct Trips;

#[service(name = "trips", client(vis = pub))]
impl Trips {
    /// Asks for a ride.
    #[action]
    pub async fn request(&self, rider: u64, note: Option<String>) -> Result<u64> {
        drop(note);
        Ok(rider)
    }

    /// Hears of one.
    ///
    /// # Errors
    /// Never.
    #[event("trip.started")]
    pub async fn started(&self, rider: u64) -> Result<()> {
        let _ = rider;
        Ok(())
    }
}

/// Letters.
#[client(name = "mail")]
pub trait Mail {
    /// Sends one.
    async fn send(to: String) -> u64;
}

/// What went wrong.
#[derive(Debug, thiserror::Error, ActionError)]
pub enum TripError {
    /// Nobody there.
    #[error("no driver near {near}")]
    NoDriver {
        /// Where.
        near: String,
    },
}

fn main() {}
