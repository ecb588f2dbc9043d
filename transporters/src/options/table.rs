//! A set of options as one table.

use super::Expected;
use super::names;
use crate::TransportError;

/// A set of options that are known by name.
///
/// [`options!`](crate::options!) implements this trait. There is no need to implement it by hand.
pub trait Options {
    /// The owner of the options, for messages, such as `the NATS transporter`.
    const OWNER: &'static str;

    /// The options of this set, with their current values.
    fn own(&self) -> Vec<Row>;

    /// The options of the sets that this set shares with others.
    fn shared(&self) -> Vec<Row>;

    /// Names that are known elsewhere and are not options here.
    fn foreign(&self) -> Vec<(&'static str, Foreign)>;

    /// Sets the option of the row named `row`. `name` is the name as it was written.
    ///
    /// # Errors
    /// If the value is not valid. Nothing is changed then.
    fn put(&mut self, row: &str, name: &str, value: &str) -> Result<(), Unfit>;

    /// All options.
    fn rows(&self) -> Vec<Row> {
        let mut rows = self.own();
        rows.extend(self.shared());
        rows
    }
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its name. The end of `queueOptions.<name>` is free.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
    /// The unit of a plain number. Empty if it has none.
    pub unit: &'static str,
    /// Whether its value is never printed.
    pub secret: bool,
    /// Whether it accepts a JSON object as one value.
    pub whole: bool,
    /// Its value, as documentation writes it.
    pub value: String,
}

impl Row {
    /// All its names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether `name` means this option.
    pub(super) fn is(&self, name: &str) -> bool {
        self.names().any(|own| names::is(name, own))
    }

    /// Whether the name of this row has a free end, and `name` is one of the names that it stands for.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.names().filter_map(names::open).any(|open| name.starts_with(open))
    }
}

/// An option without a field of its own, and how it is set.
#[derive(Debug)]
pub struct Also<T> {
    put: fn(&mut T, &str, &str) -> Result<(), Unfit>,
    default: &'static str,
    unit: &'static str,
    secret: bool,
    whole: bool,
}

impl<T> Also<T> {
    /// Creates an option from the function that sets it. The function gets the options, the name as it was
    /// written, and the value.
    #[must_use]
    pub const fn new(put: fn(&mut T, &str, &str) -> Result<(), Unfit>) -> Self {
        Self { put, default: "", unit: "", secret: false, whole: false }
    }

    /// Sets the default, as documentation writes it.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Sets the unit of a plain number, for documentation.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Marks the value as secret: it is never printed.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Accepts a JSON object as one value.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    #[doc(hidden)]
    pub fn put(&self, options: &mut T, name: &str, value: &str) -> Result<(), Unfit> {
        (self.put)(options, name, value)
    }
}

/// Why a value was not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unfit {
    /// Something else was expected, such as `a port`. Error messages put it after "give".
    Expected(Expected),
    /// The name matches a row with a free end, but there is no such option.
    Unknown,
    /// Setting the option failed with an error of its own.
    Error(TransportError),
}

impl From<Expected> for Unfit {
    fn from(expected: Expected) -> Self {
        Self::Expected(expected)
    }
}

impl From<TransportError> for Unfit {
    fn from(error: TransportError) -> Self {
        Self::Error(error)
    }
}

/// What happens to a name that is not an option here but is known elsewhere, usually to Node's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// The option has no effect. A warning says why.
    Moot(&'static str),
    /// The option has no effect. A warning says why, unless the value is the one in the first field.
    MootUnless(&'static str, &'static str),
    /// Only the value in the first field is accepted. For any other, the error says to give what is in the
    /// second field.
    Only(&'static str, Expected),
    /// The option is refused. The error says what to give instead.
    Refused(Expected),
}

/// The functions with which [`options!`](crate::options!) builds a row.
#[doc(hidden)]
pub mod row {
    use super::{Also, Row};
    use crate::options::Kind;

    pub fn field<T>(
        kind: &Kind<T>,
        value: &T,
        name: &'static str,
        aliases: &'static [&'static str],
        meaning: &'static str,
    ) -> Row {
        let Kind { unit, secret, whole, .. } = *kind;
        Row { name, aliases, meaning, unit, secret, whole, value: kind.show(value) }
    }

    pub fn also<T>(
        also: &Also<T>,
        name: &'static str,
        aliases: &'static [&'static str],
        meaning: &'static str,
    ) -> Row {
        let Also { default, unit, secret, whole, .. } = *also;
        Row { name, aliases, meaning, unit, secret, whole, value: default.to_owned() }
    }

    /// A value as `Debug` prints it.
    pub fn debug<T: std::fmt::Debug>(kind: &Kind<T>, value: &T) -> String {
        match format!("{value:?}") {
            shown if !kind.secret || shown == "None" => shown,
            shown if shown.starts_with("Some(") => "Some(***)".to_owned(),
            _ => "***".to_owned(),
        }
    }
}

/// Defines a set of options: a struct, and the implementation of [`Options`](crate::options::Options) for it.
/// The module [`options`](mod@crate::options) has an example.
///
/// * `fields`: options with a field, each with its meaning as the doc comment:
///   `"name" | "other name": KIND => pub field: Type = default;`
/// * `first`, `then`: options without a field of their own. The table lists them before or after the others:
///   `"name": Also::new(…);`
/// * `shared`: sets that other sets share too: `pub field: Set = default;`
/// * `state`: fields that are not options.
#[macro_export]
macro_rules! options {
    (
        $(#[$attr:meta])*
        $vis:vis struct $Set:ident of $owner:literal $(, elsewhere $foreign:expr)?;
        $(first {
            $($(#[doc = $first_meaning:literal])* $first:literal $(| $first_alias:literal)* : $first_also:expr;)*
        })?
        fields {
            $(
                $(#[doc = $meaning:literal])*
                $name:literal $(| $alias:literal)* : $kind:expr => $field_vis:vis $field:ident: $type:ty = $default:expr;
            )*
        }
        $(then {
            $($(#[doc = $then_meaning:literal])* $then:literal $(| $then_alias:literal)* : $then_also:expr;)*
        })?
        $(shared {
            $($(#[$shared_attr:meta])* $shared_vis:vis $shared:ident: $shared_type:ty = $shared_default:expr;)*
        })?
        $(state {
            $($(#[$state_attr:meta])* $state_vis:vis $state:ident: $state_type:ty = $state_default:expr;)*
        })?
    ) => {
        $(#[$attr])*
        #[non_exhaustive]
        $vis struct $Set {
            $($($(#[$state_attr])* $state_vis $state: $state_type,)*)?
            $(
                $(#[doc = $meaning])*
                #[doc = ""]
                #[doc = concat!("Option `", $name, "`. Default: `", stringify!($default), "`.")]
                $field_vis $field: $type,
            )*
            $($($(#[$shared_attr])* $shared_vis $shared: $shared_type,)*)?
        }

        impl ::std::default::Default for $Set {
            fn default() -> Self {
                Self {
                    $($($state: $state_default,)*)?
                    $($field: $default,)*
                    $($($shared: $shared_default,)*)?
                }
            }
        }

        /// Prints no secrets.
        impl ::std::fmt::Debug for $Set {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let mut debug = f.debug_struct(stringify!($Set));
                $($(debug.field(stringify!($state), &self.$state);)*)?
                $(
                    let kind: $crate::options::Kind<$type> = $kind;
                    let value = $crate::options::row::debug(&kind, &self.$field);
                    debug.field(stringify!($field), &format_args!("{value}"));
                )*
                $($(debug.field(stringify!($shared), &self.$shared);)*)?
                debug.finish()
            }
        }

        impl $crate::options::Options for $Set {
            const OWNER: &'static str = $owner;

            fn own(&self) -> ::std::vec::Vec<$crate::options::Row> {
                ::std::vec![
                    $($({
                        let also: $crate::options::Also<Self> = $first_also;
                        $crate::options::row::also(
                            &also, $first, &[$($first_alias),*], concat!($($first_meaning, "\n"),*))
                    },)*)?
                    $({
                        let kind: $crate::options::Kind<$type> = $kind;
                        $crate::options::row::field(
                            &kind, &self.$field, $name, &[$($alias),*], concat!($($meaning, "\n"),*))
                    },)*
                    $($({
                        let also: $crate::options::Also<Self> = $then_also;
                        $crate::options::row::also(
                            &also, $then, &[$($then_alias),*], concat!($($then_meaning, "\n"),*))
                    },)*)?
                ]
            }

            fn shared(&self) -> ::std::vec::Vec<$crate::options::Row> {
                #[allow(unused_mut, reason = "not every set shares")]
                let mut rows = ::std::vec::Vec::new();
                $($(rows.extend($crate::options::Options::rows(&self.$shared));)*)?
                rows
            }

            fn foreign(&self) -> ::std::vec::Vec<(&'static str, $crate::options::Foreign)> {
                #[allow(unused_mut, reason = "not every set has any")]
                let mut foreign = ::std::vec::Vec::new();
                $(foreign.extend_from_slice($foreign);)?
                $($(foreign.extend($crate::options::Options::foreign(&self.$shared));)*)?
                foreign
            }

            #[allow(unused_variables, reason = "a field does not care for the name")]
            fn put(
                &mut self,
                row: &str,
                name: &str,
                value: &str,
            ) -> ::std::result::Result<(), $crate::options::Unfit> {
                match row {
                    $($($first => {
                        let also: $crate::options::Also<Self> = $first_also;
                        also.put(self, name, value)
                    })*)?
                    $($name => {
                        let kind: $crate::options::Kind<$type> = $kind;
                        self.$field = kind.read(value)?;
                        Ok(())
                    })*
                    $($($then => {
                        let also: $crate::options::Also<Self> = $then_also;
                        also.put(self, name, value)
                    })*)?
                    _ => {
                        $($(
                            let of_set = $crate::options::Options::rows(&self.$shared);
                            if of_set.iter().any(|of_set| of_set.name == row) {
                                return $crate::options::Options::put(&mut self.$shared, row, name, value);
                            }
                        )*)?
                        Err($crate::options::Unfit::Unknown)
                    }
                }
            }
        }

        impl $Set {
            /// Sets an option by its name. The value is text, as in the query of a URL. Times take a unit
            /// (`500ms`, `10s`, `2m`). An object is JSON, or each of its keys is set by a name with a dot
            /// (`tls.caFile`).
            ///
            /// # Errors
            /// If there is no such option, or if the value is not valid. The message contains no secrets.
            #[allow(dead_code, reason = "sets that others share are set by those")]
            pub fn set(
                &mut self,
                name: &str,
                value: &str,
            ) -> ::std::result::Result<(), $crate::TransportError> {
                $crate::options::set(self, name, value)
            }
        }
    };
}
