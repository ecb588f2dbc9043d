//! Watches a session: whether the server is still there, and still the right one.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use super::end::End;
use super::line::{Line, text};
use super::places::Places;
use super::sentinel::Sentinel;
use super::topology;
use crate::TransportError;

/// The condition under which a server is the right one.
pub(super) enum Guard {
    /// There is no condition.
    None,
    /// The server is the master, and Sentinel says so too.
    Sentinel {
        sentinel: Box<Sentinel>,
        /// The address of the master, as Sentinel gave it when the session was opened.
        told: (String, u16),
        places: Arc<Places>,
    },
    /// The server belongs to the larger part of the cluster.
    Cluster(topology::Watch),
}

impl Guard {
    /// Checks every `interval`, until something is wrong.
    pub(super) async fn watch(self, [listener, publisher]: [Line; 2], interval: Duration, end: End) {
        let there = async {
            loop {
                sleep(interval).await;
                if let Err(why) = tokio::try_join!(listener.ping(), publisher.ping()) {
                    return why;
                }
            }
        };
        let why = tokio::select! {
            why = there => why,
            why = self.right_one(&publisher, interval) => TransportError::Lost(why),
        };
        end.with(why);
    }

    /// Resolves with the reason once the server is no longer the right one.
    async fn right_one(self, line: &Line, interval: Duration) -> String {
        match self {
            Self::None => std::future::pending().await,
            Self::Cluster(watch) => loop {
                sleep(interval).await;
                if let Err(why) = watch.look(line).await {
                    return why;
                }
            },
            Self::Sentinel { mut sentinel, told, places } => {
                let mut number: usize = 0;
                loop {
                    sleep(interval).await;
                    if let Err(why) = master(line).await {
                        return why;
                    }
                    match sentinel.master().await {
                        Ok(now) if now != told => {
                            return format!("the master is now at {}:{}, says Sentinel", now.0, now.1);
                        }
                        Ok(_) => {}
                        Err(why) => {
                            tracing::debug!(error = %why, "a Sentinel gives no answer, turning to the next");
                            number = number.wrapping_add(1);
                            sentinel.turn_to(places.at(number));
                        }
                    }
                }
            }
        }
    }
}

/// Checks that a server considers itself the master.
///
/// # Errors
/// If the server is not a master, or does not answer.
pub(super) async fn master(line: &Line) -> Result<(), String> {
    let role = line.ask(&redis::cmd("ROLE")).await.map_err(|why| why.to_string())?;
    match &role {
        redis::Value::Array(facts) => match facts.first().and_then(text) {
            Some(role) if role == "master" => Ok(()),
            _ => Err("this server is no master any more".to_owned()),
        },
        // This user may not ask for the role. Sentinel's answer has to be enough.
        _ => Ok(()),
    }
}
