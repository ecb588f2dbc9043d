//! Options of transporters: what there is, and how it is read.
//!
//! [`options!`](crate::options!) writes a set of options once: what each means, its name, what [`Kind`] of value
//! it takes, its field and its default. From that follow
//!
//! * the struct with its documented fields, `Default`, and a `Debug` that prints no secret;
//! * reading by name, from the query of a URL, a configuration file and the environment;
//! * errors, which name the option, what was given unless it is secret, and what to give;
//! * the table in `docs/transporters.md` (`reference`).
//!
//! What several transporters have in common is a set of its own that others share. Names that Node has and that
//! mean nothing here are no options but [`Foreign`].
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
