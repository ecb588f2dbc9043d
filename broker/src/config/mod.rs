//! The options of a broker: what there is, and where it is read from.
//!
//! [`BrokerConfig`] is plain data with public fields. Programs set fields in code, and may read files and
//! the environment with [`ConfigLoader`]: code wins over environment, environment over files, files over
//! defaults. Nothing is read unless asked for.
//!
//! A source goes three steps: its names are checked against one table of all options, so that a typo is
//! answered with the nearest name; sources are laid over each other; serde reads the result, and whatever
//! cannot be read or cannot work is blamed on the file or variable it came from.
//!
//! All options are listed in `docs/configuration.md`, which is made from the code.

mod broker;
mod choices;
mod discoverer;
mod duration;
mod env;
mod error;
#[cfg(feature = "config-file")]
mod file;
mod kind;
mod load;
mod parts;
mod redact;
#[cfg(test)]
mod reference;
mod source;
mod table;
mod transit;
mod transporter;
mod validate;

pub use broker::BrokerConfig;
pub use choices::{OnIdConflict, Protocol, SerializerKind, StrategyKind};
pub use discoverer::DiscovererConfig;
pub use duration::Timeout;
pub(crate) use error::debug_is_text;
pub use error::{ConfigError, Origin};
pub use load::ConfigLoader;
#[cfg(not(feature = "config-file"))]
#[doc(hidden)]
pub use load::FilesAreRead;
pub use parts::{
    AdvertiseConfig, ControlConfig, ErrorsConfig, InternalServices, RegistryConfig, TrackingConfig,
    WatchdogConfig,
};
pub use redact::redact;
pub use transit::{Limits, TransitConfig};
pub use transporter::TransporterConfig;
