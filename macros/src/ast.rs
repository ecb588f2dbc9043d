//! What the macros have read from the user's code.
//!
//!
//! Nothing here knows the tokens that will be generated. The code that generates them cannot fail.

use proc_macro2::Span;
use syn::{Attribute, Expr, Generics, Ident, Path, Type, Visibility};

/// An `impl` block under `#[service(…)]`.
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    pub(crate) krate: Path,
    /// The error of its actions, if it names one. The client returns it.
    pub(crate) error: Option<Path>,
    /// The contract that it implements, if it names one.
    pub(crate) implements: Option<Path>,
    pub(crate) depends_on: Option<Expr>,
    pub(crate) settings: Option<Expr>,
    pub(crate) metadata: Option<Expr>,
    /// Whether its actions refuse members that match no argument. An action may override it.
    pub(crate) strict: bool,
    /// The typed client to generate, if any.
    pub(crate) client: Option<Client>,
    /// The type's own name, the last segment of `self_ty`.
    pub(crate) ident: Ident,
    pub(crate) self_ty: Type,
    pub(crate) generics: Generics,
    pub(crate) actions: Vec<Action>,
    pub(crate) events: Vec<Event>,
    pub(crate) started: Vec<Hook>,
    pub(crate) stopped: Vec<Hook>,
}

/// A trait under `#[client(…)]`: the contract of a service that is defined elsewhere.
pub(crate) struct Contract {
    pub(crate) name: ServiceName,
    pub(crate) krate: Path,
    /// The error of the service, if the contract names one.
    pub(crate) error: Option<Path>,
    pub(crate) client: Client,
    /// The name of the trait.
    pub(crate) ident: Ident,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) methods: Vec<ContractMethod>,
}

/// The generated client's visibility and name.
pub(crate) struct Client {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
}

/// The name of a service and its version.
pub(crate) struct ServiceName {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) version: Option<Version>,
    /// The position of the version, or of the name if there is no version.
    pub(crate) version_span: Span,
}

/// A version. Node writes a number as `v1`, and any other version as it is.
pub(crate) enum Version {
    Number(u32),
    Text(String),
}

impl ServiceName {
    /// `v1.trips`, the name that calls and INFO packets use.
    pub(crate) fn full(&self) -> String {
        match &self.version {
            None => self.name.clone(),
            Some(Version::Number(number)) => format!("v{number}.{}", self.name),
            Some(Version::Text(text)) => format!("{text}.{}", self.name),
        }
    }
}

/// The common parts of all annotated methods.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) docs: Vec<Attribute>,
    /// `#[cfg(…)]` of the method. The code that is generated for it has the same condition.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) is_async: bool,
    pub(crate) receiver: Receiver,
    pub(crate) returns: Returns,
}

/// The receiver of a method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receiver {
    /// `&self`
    Shared,
    /// `self: Arc<Self>`
    Arc,
}

/// A method under `#[action]`.
pub(crate) struct Action {
    pub(crate) method: Method,
    /// The name on the wire, without the name of the service.
    pub(crate) name: Named,
    pub(crate) inputs: Inputs,
    /// The arguments of the method after `&self`, in order.
    pub(crate) slots: Vec<Slot>,
    pub(crate) options: ActionOptions,
}

/// A method under `#[event("…")]`.
pub(crate) struct Event {
    pub(crate) method: Method,
    pub(crate) pattern: Named,
    pub(crate) inputs: Inputs,
    pub(crate) slots: Vec<Slot>,
    pub(crate) options: EventOptions,
}

/// A method under `#[started]` or `#[stopped]`.
pub(crate) struct Hook {
    pub(crate) method: Method,
    pub(crate) takes_cx: bool,
}

/// A method of a `#[client]` trait.
pub(crate) struct ContractMethod {
    pub(crate) ident: Ident,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) name: Named,
    pub(crate) inputs: Inputs,
    pub(crate) output: Type,
    /// The `E` of `Result<T, E>`, if there is one.
    pub(crate) failure: Option<Type>,
}

/// A name, and its position in the code.
pub(crate) struct Named {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// How the data on the wire is passed to the method.
pub(crate) enum Inputs {
    /// It takes no data.
    Empty,
    /// Each argument is a field of the object.
    Named(Vec<Argument>),
    /// The `T` of `Params<T>`: the whole object.
    Whole(Type),
    /// `Shared<T>` as written: the whole payload of an event, which is decoded once for all its handlers.
    Shared(Type),
    /// The handler reads the payload itself.
    Raw,
}

impl Action {
    /// Whether it refuses members that match no argument. A type of the user decides that itself.
    pub(crate) fn is_strict(&self, service: &Service) -> bool {
        matches!(self.inputs, Inputs::Named(_)) && self.options.strict.map_or(service.strict, |(on, _)| on)
    }

    /// Whether the typed client has it.
    pub(crate) fn in_client(&self, service: &Service) -> bool {
        service.client.is_some() && self.options.client
    }
}

impl Inputs {
    /// Whether the data is decoded into a type, of the user or of this crate.
    pub(crate) const fn is_typed(&self) -> bool {
        !matches!(self, Self::Raw)
    }
}

/// A named argument: a field of the params object.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// The field's name on the wire.
    pub(crate) wire: String,
}

/// An argument of the method.
pub(crate) enum Slot {
    Context(Span),
    Field(Ident, Span),
    Whole(Span),
    Shared(Span),
    Payload(Span),
}

/// The parts of a return type.
pub(crate) struct Returns {
    /// As written: `Result<Trip, TripError>`.
    pub(crate) whole: Type,
    pub(crate) ok: Type,
    /// `None` if an alias such as `ligand::Result` contains it.
    pub(crate) err: Option<Type>,
}

/// How long a call of an action may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timeout {
    Millis(u64),
    Never,
}

/// Who may call an action. These are the values of Node's `visibility`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Published,
    Public,
    Protected,
    Private,
}

/// A key of the definition that is passed on unchanged, and its value.
pub(crate) struct Extra {
    pub(crate) key: String,
    pub(crate) value: Expr,
}

/// `rename(a = "b")`: the argument, and its name on the wire.
pub(crate) struct Rename {
    pub(crate) argument: String,
    pub(crate) span: Span,
    pub(crate) wire: String,
}

/// The content of `#[action(…)]`.
pub(crate) struct ActionOptions {
    pub(crate) name: Option<Named>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) access: Option<Access>,
    /// Node's validation schema for the params.
    pub(crate) params: Option<Expr>,
    pub(crate) spawn: Option<Span>,
    pub(crate) blocking: Option<Span>,
    pub(crate) encode: bool,
    /// Whether unknown members of the params are refused. `None` means as the service says.
    pub(crate) strict: Option<(bool, Span)>,
    pub(crate) raw: Option<Span>,
    /// Whether the typed client has this action.
    pub(crate) client: bool,
    pub(crate) rename: Vec<Rename>,
    pub(crate) extra: Vec<Extra>,
}

/// The content of `#[event(…)]`.
#[derive(Default)]
pub(crate) struct EventOptions {
    pub(crate) pattern: Option<Named>,
    pub(crate) group: Option<String>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) rename: Vec<Rename>,
    pub(crate) extra: Vec<Extra>,
}
