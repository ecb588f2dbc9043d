//! The events of a ride: their names and their data.
//!
//! `rideRequested` → `rideAccepted` → `paymentSuccess` → `notificationSent`. If the payment is declined,
//! `paymentFailed` → `rideCancelled` → `notificationSent` follow `rideAccepted` instead. The fields are wire
//! format, in camelCase, as services in other languages expect them.

use serde::{Deserialize, Serialize};

pub(crate) const RIDE_REQUESTED: &str = "rideRequested";
pub(crate) const RIDE_ACCEPTED: &str = "rideAccepted";
pub(crate) const PAYMENT_SUCCESS: &str = "paymentSuccess";
pub(crate) const PAYMENT_FAILED: &str = "paymentFailed";
pub(crate) const RIDE_CANCELLED: &str = "rideCancelled";
pub(crate) const NOTIFICATION_SENT: &str = "notificationSent";

/// The number that the ride service gives a ride.
pub(crate) type RideId = i64;

/// A position, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) lat: f64,
    pub(crate) lon: f64,
}

/// A rider wants a ride.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RideRequested {
    pub(crate) ride: RideId,
    pub(crate) rider: String,
    pub(crate) card: String,
    pub(crate) from: Place,
    pub(crate) fare_cents: i64,
}

/// A driver has been found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RideAccepted {
    pub(crate) ride: RideId,
    pub(crate) rider: String,
    pub(crate) card: String,
    pub(crate) fare_cents: i64,
    pub(crate) driver: String,
}

/// The fare has been paid.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentSuccess {
    pub(crate) ride: RideId,
    pub(crate) rider: String,
    pub(crate) driver: String,
    pub(crate) fare_cents: i64,
}

/// The bank declined.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentFailed {
    pub(crate) ride: RideId,
    pub(crate) rider: String,
    pub(crate) reason: String,
}

/// The ride will not take place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RideCancelled {
    pub(crate) ride: RideId,
    pub(crate) rider: String,
    pub(crate) reason: String,
}

/// The rider has been notified.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationSent {
    pub(crate) ride: RideId,
    pub(crate) rider: String,
    pub(crate) text: String,
}

/// An amount in the usual notation.
pub(crate) fn dollars(cents: i64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}
