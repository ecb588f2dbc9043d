//! The options of calls and events.

use ligand_transporters::{Name, NodeId};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

use crate::codec::as_value;
use crate::config::Timeout;
use crate::error::Error;
use crate::id::Id;

/// The options of a call. One value can be used for many calls ([`Call::with`](crate::call::Call::with)), and for
/// events ([`Emit::with`](crate::event::Emit::with)).
///
/// ```
/// use std::time::Duration;
///
/// use ligand::{CallOptions, Context, Error, ServiceBroker, ServiceDef};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let whoami = ServiceDef::builder("whoami").action("ask", |cx: Context, _: ligand::Empty| async move {
/// #     Ok::<_, Error>(format!("{}@{}", cx.meta().get::<String>("user").unwrap(), cx.meta().get::<u32>("tenant").unwrap()))
/// # });
/// # let broker = ServiceBroker::builder().service(whoami).build()?;
/// # broker.start().await?;
/// let as_ada = CallOptions::new()
///     .timeout(Duration::from_secs(2))
///     .meta_from(json!({ "user": "ada", "tenant": 7 }));
/// let who: String = broker.call("whoami.ask", json!({})).with(as_ada.clone()).await?;
/// assert_eq!(who, "ada@7");
/// broker.emit("user.asked", "ada").with(as_ada).await?;
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long the call may take. `None` means the default of the action or the broker. Zero means that no
    /// time is left.
    pub timeout: Option<Timeout>,
    /// The node that has to answer.
    pub node: Option<NodeId>,
    /// Values that are added to the meta, which a nested call inherits from the running one.
    pub meta: Map<String, Value>,
    /// Headers. They travel one hop.
    pub headers: Map<String, Value>,
    /// The id of the tree of calls, if it comes from outside the cluster (a gateway).
    pub request_id: Option<Id>,
    wrong: Option<Wrong>,
}

/// The options of an event. One value can be used for many events ([`Emit::with`](crate::event::Emit::with)). It can
/// be made from [`CallOptions`]: it takes over their meta, headers and request id. An event has neither a
/// timeout nor a node.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EmitOptions {
    /// Only subscribers of these groups receive the event. Empty means all groups.
    pub groups: Vec<Name>,
    /// Values that are added to the meta, which an event inherits from the running call.
    pub meta: Map<String, Value>,
    /// Headers. They travel one hop.
    pub headers: Map<String, Value>,
    /// The id of the tree of calls, if it comes from outside the cluster (a gateway).
    pub request_id: Option<Id>,
    wrong: Option<Wrong>,
}

/// The first option that cannot be sent.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    what: String,
    why: String,
}

impl Wrong {
    /// Makes it the error of `whose`, a call or an event.
    #[cold]
    pub(super) fn of(&self, whose: fmt::Arguments<'_>) -> Error {
        let Self { what, why } = self;
        Error::codec(format_args!("the {what} of {whose} {why}"))
    }
}

/// Writes one value. The first value that cannot be written is kept as the error.
fn put(
    into: &mut Map<String, Value>,
    wrong: &mut Option<Wrong>,
    what: &str,
    key: &str,
    value: &impl Serialize,
) {
    match as_value(value) {
        Ok(value) => {
            into.insert(key.to_owned(), value);
        }
        Err(why) => {
            wrong.get_or_insert_with(|| Wrong { what: format!("{what} '{key}'"), why });
        }
    }
}

/// Writes the members of a value that is an object in JSON.
fn put_all(into: &mut Map<String, Value>, wrong: &mut Option<Wrong>, what: &str, values: &impl Serialize) {
    let why = match as_value(values) {
        Ok(Value::Object(values)) => return into.extend(values),
        Ok(_) => "must be an object: a map, or a struct with named fields".to_owned(),
        Err(why) => why,
    };
    wrong.get_or_insert_with(|| Wrong { what: what.to_owned(), why });
}

/// What calls and events have in common.
macro_rules! beside {
    ($options:ident, $failing:literal) => {
        impl $options {
            /// No options.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            #[doc = concat!("Adds a value to the meta. One that cannot be written as JSON fails the ", $failing, ", which is not sent then.")]
            #[must_use]
            pub fn meta(mut self, key: &str, value: impl Serialize) -> Self {
                self.put_meta(key, &value);
                self
            }

            /// Adds several values to the meta: the members of a map, of a struct, or of `json!({ … })`. A
            /// value that is not an object in JSON fails like a single value that cannot be written.
            #[must_use]
            pub fn meta_from(mut self, values: impl Serialize) -> Self {
                self.put_meta_from(&values);
                self
            }

            /// Adds a header, like [`Self::meta`] adds a value.
            #[must_use]
            pub fn header(mut self, key: &str, value: impl Serialize) -> Self {
                self.put_header(key, &value);
                self
            }

            /// Adds several headers, like [`Self::meta_from`] adds values.
            #[must_use]
            pub fn headers_from(mut self, values: impl Serialize) -> Self {
                self.put_headers_from(&values);
                self
            }

            /// Sets the id of the tree of calls, if it comes from outside the cluster.
            #[must_use]
            pub fn request_id(mut self, id: impl Into<Id>) -> Self {
                self.request_id = Some(id.into());
                self
            }

            pub(super) fn put_meta(&mut self, key: &str, value: &impl Serialize) {
                put(&mut self.meta, &mut self.wrong, "meta value", key, value);
            }

            pub(super) fn put_meta_from(&mut self, values: &impl Serialize) {
                put_all(&mut self.meta, &mut self.wrong, "meta values", values);
            }

            pub(super) fn put_header(&mut self, key: &str, value: &impl Serialize) {
                put(&mut self.headers, &mut self.wrong, "header", key, value);
            }

            pub(super) fn put_headers_from(&mut self, values: &impl Serialize) {
                put_all(&mut self.headers, &mut self.wrong, "headers", values);
            }

            /// The first option that cannot be sent.
            #[inline]
            pub(super) fn wrong(&self) -> Option<&Wrong> {
                self.wrong.as_ref()
            }
        }
    };
}

beside!(CallOptions, "call");
beside!(EmitOptions, "event");

impl CallOptions {
    /// Sets how long a call may take. See [`Call::timeout`](crate::call::Call::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Sets the node that has to answer, by its id. If the id is invalid, the call is not made, and fails.
    #[must_use]
    pub fn node(mut self, node: impl AsRef<str>) -> Self {
        self.set_node(node.as_ref());
        self
    }

    pub(super) fn set_node(&mut self, node: &str) {
        match NodeId::foreign(node) {
            Ok(node) => self.node = Some(node),
            Err(error) => {
                self.wrong.get_or_insert_with(|| Wrong {
                    what: "node".to_owned(),
                    why: format!("cannot be one: {error}"),
                });
            }
        }
    }
}

impl EmitOptions {
    /// Sends the event only to subscribers of this group. It can be called several times, for several groups.
    #[must_use]
    pub fn group(mut self, group: impl Into<Name>) -> Self {
        self.groups.push(group.into());
        self
    }
}

impl From<CallOptions> for EmitOptions {
    fn from(options: CallOptions) -> Self {
        let CallOptions { timeout: _, node: _, meta, headers, request_id, wrong } = options;
        Self { groups: Vec::new(), meta, headers, request_id, wrong }
    }
}
