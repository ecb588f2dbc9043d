//! The roles of the four services, and the ids of their nodes.

use std::fmt;

use clap::ValueEnum;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum Role {
    /// Registers and logs in
    #[value(alias = "user")]
    Users,
    /// Takes requests and assigns drivers
    #[value(alias = "ride")]
    Rides,
    /// Charges cards
    #[value(alias = "payment")]
    Payments,
    /// Tells riders
    #[value(alias = "notification")]
    Notifications,
    /// Reads the input, plays the riders and prints what happens
    App,
}

/// The roles that are services.
pub(crate) const SERVICES: [Role; 4] = [Role::Users, Role::Rides, Role::Payments, Role::Notifications];

impl Role {
    /// The service's name, which is also that of its database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Rides => "rides",
            Self::Payments => "payments",
            Self::Notifications => "notifications",
            Self::App => "app",
        }
    }

    /// The node id of one of its replicas, counted from 1.
    pub(crate) fn node_id(self, replica: u16) -> String {
        match self {
            Self::App => self.name().to_owned(),
            service => format!("{service}-{replica}"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
