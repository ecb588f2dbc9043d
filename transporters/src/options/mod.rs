//! Options of transporters: which ones exist, and how they are read.
//!
//! [`options!`](crate::options!) defines a set of options in one place: the meaning of each option, its name,
//! the [`Kind`] of its value, its field and its default. From this come:
//!
//! * the struct with its documented fields, `Default`, and a `Debug` that prints no secret;
//! * reading by name, from the query of a URL, a configuration file and the environment;
//! * errors that name the option, the value unless it is secret, and what to give instead;
//! * the table in `docs/transporters.md` (`reference`).
//!
//! Options that several transporters have in common are a set of their own, which the sets of those
//! transporters share. Names that Node has but that have no meaning here are not options. They are listed as
//! [`Foreign`].
//!
//! ```
//! use ligand_transporters::options::{COUNT, SECRET};
//! use ligand_transporters::options;
//!
//! options! {
//!     /// Options of carrier pigeons.
//!     #[derive(Clone)]
//!     pub struct PigeonOptions of "the pigeon transporter";
//!     fields {
//!         /// Pigeons that are in the air at once.
//!         "pigeons": COUNT => pub pigeons: usize = 3;
//!         /// What opens the loft.
//!         "loft.password": SECRET => pub password: Option<String> = None;
//!     }
//! }
//!
//! let mut options = PigeonOptions::default();
//! options.set("loft", r#"{ "password": "corn" }"#)?;
//! assert_eq!(format!("{options:?}"), "PigeonOptions { pigeons: 3, password: Some(***) }");
//! let wrong = options.set("pigeons", "none").unwrap_err();
//! assert_eq!(wrong.to_string(), "option `pigeons` of the pigeon transporter is `none`: give a number above 0");
//! let unknown = options.set("pidgeons", "5").unwrap_err();
//! assert!(unknown.to_string().contains("did you mean `pigeons`?"), "{unknown}");
//! # Ok::<(), ligand_transporters::TransportError>(())
//! ```

pub(crate) mod kind;
mod names;
#[cfg(test)]
mod reference;
mod set;
mod table;

pub use kind::{BYTES, COUNT, Expected, FLAG, Kind, MILLISECONDS, PORT, SECONDS, SECRET, TEXT};
#[cfg(test)]
pub(crate) use reference::Table;
pub use set::{set, set_value};
#[allow(unused_imports, reason = "not every set of features asks")]
pub(crate) use set::{set_keys, try_set, wrong};
#[doc(hidden)]
pub use table::row;
pub use table::{Also, Foreign, Options, Row, Unfit};
