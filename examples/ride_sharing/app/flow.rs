//! Checks whether the events of one ride are a complete flow. Plain data in, a verdict out.

use crate::events::{
    NOTIFICATION_SENT, PAYMENT_FAILED, PAYMENT_SUCCESS, RIDE_ACCEPTED, RIDE_CANCELLED, RIDE_REQUESTED,
};

/// One event of a ride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Requested,
    Accepted,
    Paid,
    Declined,
    Cancelled,
    Notified,
}

impl Step {
    /// The name of the event.
    pub(crate) const fn event(self) -> &'static str {
        match self {
            Self::Requested => RIDE_REQUESTED,
            Self::Accepted => RIDE_ACCEPTED,
            Self::Paid => PAYMENT_SUCCESS,
            Self::Declined => PAYMENT_FAILED,
            Self::Cancelled => RIDE_CANCELLED,
            Self::Notified => NOTIFICATION_SENT,
        }
    }
}

const PAID: &[Step] = &[Step::Requested, Step::Accepted, Step::Paid, Step::Notified];
const DECLINED: &[Step] = &[Step::Requested, Step::Accepted, Step::Declined, Step::Cancelled, Step::Notified];

/// The outcome of a ride.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Every event of a paid ride, once and in order.
    Paid,
    /// Every event of a declined payment, once and in order.
    Declined,
    /// Anything else.
    Incomplete {
        /// Events that did not arrive.
        missing: Vec<Step>,
        /// Events that arrived again, or should not have arrived.
        surplus: Vec<Step>,
    },
}

impl Flow {
    /// Judges the events of a ride in their causal order.
    pub(crate) fn of(steps: &[Step]) -> Self {
        if steps == PAID {
            return Self::Paid;
        }
        if steps == DECLINED {
            return Self::Declined;
        }
        let is_declined = steps.iter().any(|step| matches!(step, Step::Declined | Step::Cancelled));
        let expected = if is_declined { DECLINED } else { PAID };
        let missing = expected.iter().copied().filter(|step| !steps.contains(step)).collect();
        let mut surplus = steps.to_vec();
        for step in expected {
            if let Some(at) = surplus.iter().position(|other| other == step) {
                surplus.remove(at);
            }
        }
        Self::Incomplete { missing, surplus }
    }

    pub(crate) fn is_complete(&self) -> bool {
        !matches!(self, Self::Incomplete { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_complete_with_each_event_once_and_in_order() {
        assert_eq!(Flow::of(PAID), Flow::Paid);
        assert_eq!(Flow::of(DECLINED), Flow::Declined);
        for cut in 0..PAID.len() {
            let mut steps = PAID.to_vec();
            let step = steps.remove(cut);
            assert_eq!(Flow::of(&steps), Flow::Incomplete { missing: vec![step], surplus: vec![] });
        }
    }

    #[test]
    fn an_event_too_many_is_named() {
        let twice = [Step::Requested, Step::Accepted, Step::Paid, Step::Notified, Step::Notified];
        assert_eq!(Flow::of(&twice), Flow::Incomplete { missing: vec![], surplus: vec![Step::Notified] });
        let both =
            [Step::Requested, Step::Accepted, Step::Paid, Step::Declined, Step::Cancelled, Step::Notified];
        assert_eq!(Flow::of(&both), Flow::Incomplete { missing: vec![], surplus: vec![Step::Paid] });
    }

    #[test]
    fn a_wrong_order_is_incomplete() {
        let swapped = [Step::Accepted, Step::Requested, Step::Paid, Step::Notified];
        assert!(!Flow::of(&swapped).is_complete());
    }
}
