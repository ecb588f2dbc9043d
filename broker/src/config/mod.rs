//! The options of a broker, and the sources that they are read from.
//!
//! [`BrokerConfig`] is plain data with public fields. Programs set fields in code. They may also read files
//! and the environment with [`ConfigLoader`]. Code overrides the environment, the environment overrides
//! files, and files override the defaults. Nothing is read unless the program asks for it.
//!
//! Reading takes three steps. First, the names in each source are checked against one table of all options,
//! so that the error for a typo suggests the nearest name. Then the sources are merged. Finally, serde reads
//! the result. An error names the file or variable that the value came from.
//!
//! `docs/configuration.md` lists all options. It is generated from the code.

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
