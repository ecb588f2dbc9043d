//! How much time a call gets.

use std::time::Duration;

use super::{CallOptions, ServiceBroker};
use crate::config::Timeout;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::registry::Action;

/// The time that the call may take: what the caller asked for, else what the action says, else the broker's
/// default, but never more than what is left of the running call. `None` means no limit. If no time is left,
/// the call is not made.
pub(super) fn budget(
    broker: &ServiceBroker,
    parent: Option<&Context>,
    action: &str,
    picked: Option<&Action>,
    options: Option<&CallOptions>,
) -> Result<Option<Duration>> {
    let wish = options.and_then(|options| options.timeout);
    let wish = wish.or_else(|| picked.and_then(|action| action.timeout));
    let own = match wish.unwrap_or(broker.shared().call_defaults.request_timeout) {
        Timeout::After(duration) => Some(duration),
        Timeout::Never => None,
    };
    let granted = match (own, parent.and_then(Context::remaining)) {
        (Some(own), Some(left)) => Some(own.min(left)),
        (own, left) => own.or(left),
    };
    if granted.is_some_and(|granted| granted.is_zero()) {
        let error = Error::of_action(ErrorKind::RequestSkipped, action, Some(broker.node_id()));
        return Err(error.with_outcome(Outcome::NotRun));
    }
    Ok(granted)
}
