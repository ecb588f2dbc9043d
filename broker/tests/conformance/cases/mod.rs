//! The cases, one file per behaviour.

mod balanced;
mod broadcast;
mod calls;
mod context;
mod crash;
mod crosswise;
mod errors;
mod late_join;
mod leave;
mod oversized;
mod ping;
mod refused_start;
mod rejoin;
mod services;

use super::{Case, Cluster, Failure, Outcome, ensure};

/// All cases in the order they run.
pub(super) const ALL: &[Case] = &[
    calls::CASE,
    errors::CASE,
    context::CASE,
    balanced::CASE,
    broadcast::CASE,
    ping::CASE,
    oversized::CASE,
    late_join::CASE,
    services::CASE,
    leave::CASE,
    crash::CASE,
    rejoin::CASE,
    crosswise::CASE,
    refused_start::CASE,
];
