//! The options of each attribute, with their defaults.

use proc_macro2::Span;
use syn::{Expr, Ident, Lit, Path, Visibility, parse_quote};

use crate::ast::{Access, ActionOptions, EventOptions, Extra, Named, Rename, ServiceName, Timeout, Version};
use crate::entries::{Entries, Entry};
use crate::errors::Errors;
use crate::{names, suggest};

const SERVICE: &[&str] = &[
    "name",
    "version",
    "error",
    "implements",
    "depends_on",
    "settings",
    "metadata",
    "strict",
    "client",
    "crate",
];
const CONTRACT: &[&str] = &["name", "version", "error", "crate"];
const CLIENT: &[&str] = &["vis", "name"];
const ACTION: &[&str] = &[
    "name",
    "timeout",
    "visibility",
    "rest",
    "params",
    "spawn",
    "blocking",
    "encode",
    "strict",
    "raw",
    "client",
    "rename",
    "extra",
];
const CONTRACT_ACTION: &[&str] = &["name", "rename"];
const EVENT: &[&str] = &["group", "concurrency", "rename", "extra"];
const ACCESS: &[&str] = &["published", "public", "protected", "private"];

/// Keys of a definition that have their own option.
const NOT_EXTRA: &[&str] = &[
    "name",
    "rawName",
    "timeout",
    "visibility",
    "protected",
    "params",
    "rest",
    "group",
    "concurrency",
    "handler",
];

/// The content of `#[service(…)]`.
pub(crate) struct ServiceOptions {
    /// `None` only after an error.
    pub(crate) name: Option<ServiceName>,
    pub(crate) krate: Path,
    /// The error of the service, if it names one.
    pub(crate) error: Option<Path>,
    /// The contract that it implements.
    pub(crate) implements: Option<Path>,
    pub(crate) depends_on: Option<Expr>,
    pub(crate) settings: Option<Expr>,
    pub(crate) metadata: Option<Expr>,
    pub(crate) strict: bool,
    pub(crate) client: ClientOption,
}

/// The option `client`: the visibility, and the name if it is not `<Type>Client`.
pub(crate) enum ClientOption {
    Off,
    On { vis: Visibility, name: Option<Ident> },
}

impl ServiceOptions {
    /// Options of `#[service]`.
    pub(crate) fn service(entries: &Entries, errors: &mut Errors) -> Self {
        Self::read(entries, SERVICE, "service", errors)
    }

    /// Options of `#[client]`.
    pub(crate) fn contract(entries: &Entries, errors: &mut Errors) -> Self {
        Self::read(entries, CONTRACT, "client", errors)
    }

    fn read(entries: &Entries, known: &[&str], attribute: &str, errors: &mut Errors) -> Self {
        let mut this = Self {
            name: None,
            krate: parse_quote!(::ligand),
            error: None,
            implements: None,
            depends_on: None,
            settings: None,
            metadata: None,
            strict: false,
            client: ClientOption::On { vis: parse_quote!(pub(crate)), name: None },
        };
        let (mut name, mut version) = (None, None);
        let before = errors.len();
        entries.check_unique(errors);
        if let Some(text) = &entries.positional {
            errors.at(text, format!("the name has a key: `name = \"{}\"`", text.value()));
        }
        for entry in &entries.entries {
            match entry.key.as_str() {
                key if !known.contains(&key) => errors.push(entry.unknown(known)),
                "name" => name = errors.check(entry.string("trips")),
                "version" => version = errors.check(read_version(entry)),
                "error" => this.error = errors.check(entry.path("StockError")),
                "implements" => this.implements = errors.check(entry.path("contracts::Stock")),
                "depends_on" => this.depends_on = errors.check(entry.expr()),
                "settings" => this.settings = errors.check(entry.expr()),
                "metadata" => this.metadata = errors.check(entry.expr()),
                "strict" => this.strict = errors.check(entry.switch()).unwrap_or_default(),
                "client" => {
                    if let Some(client) = read_client(entry, errors) {
                        this.client = client;
                    }
                }
                _ => {
                    if let Some(path) = errors.check(entry.path("path::to::ligand")) {
                        this.krate = path;
                    }
                }
            }
        }
        if let Some(name) = name {
            let (version, version_span) =
                version.map_or((None, name.span()), |(version, span)| (Some(version), span));
            this.name = Some(ServiceName { name: name.value(), span: name.span(), version, version_span });
        } else if errors.len() == before {
            errors.at_span(
                Span::call_site(),
                format!("the service needs a name: `#[{attribute}(name = \"trips\")]`"),
            );
        }
        this
    }
}

fn read_version(entry: &Entry) -> syn::Result<(Version, Span)> {
    let lit = entry.string_or_int("1")?;
    let version = match &lit {
        Lit::Int(number) => Version::Number(number.base10_parse()?),
        Lit::Str(text) => Version::Text(text.value()),
        _ => return Err(entry.error("`version` takes a number or a string")),
    };
    Ok((version, lit.span()))
}

fn read_client(entry: &Entry, errors: &mut Errors) -> Option<ClientOption> {
    const EXAMPLE: &str = "client(vis = pub, name = TripsApi)";
    if let Some(wanted) = entry.bool() {
        let on = ClientOption::On { vis: parse_quote!(pub(crate)), name: None };
        return Some(if wanted { on } else { ClientOption::Off });
    }
    let entries = errors.check(entry.list(&format!("{EXAMPLE}`, or `client = false")))?;
    entries.check_unique(errors);
    let (mut vis, mut name) = (parse_quote!(pub(crate)), None);
    for entry in &entries.entries {
        match entry.key.as_str() {
            "vis" => vis = errors.check(entry.vis())?,
            "name" => {
                let path = errors.check(entry.path("TripsApi"))?;
                let Some(ident) = path.get_ident() else {
                    errors.push(entry.error("`name` takes the name of the struct, as in `name = TripsApi`"));
                    return None;
                };
                name = Some(ident.clone());
            }
            _ => errors.push(entry.unknown(CLIENT)),
        }
    }
    Some(ClientOption::On { vis, name })
}

impl ActionOptions {
    fn new() -> Self {
        Self {
            name: None,
            timeout: None,
            access: None,
            params: None,
            spawn: None,
            blocking: None,
            encode: false,
            strict: None,
            raw: None,
            client: true,
            rename: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Options of `#[action]` in a service.
    pub(crate) fn read(entries: &Entries, errors: &mut Errors) -> Self {
        Self::read_known(entries, ACTION, errors)
    }

    /// Options of `#[action]` in a `#[client]` trait.
    pub(crate) fn read_contract(entries: &Entries, errors: &mut Errors) -> Self {
        Self::read_known(entries, CONTRACT_ACTION, errors)
    }

    fn read_known(entries: &Entries, known: &[&str], errors: &mut Errors) -> Self {
        let mut this = Self::new();
        entries.check_unique(errors);
        if let Some(text) = &entries.positional {
            errors.at(text, format!("an action's name has a key: `name = \"{}\"`", text.value()));
        }
        for entry in &entries.entries {
            if !known.contains(&entry.key.as_str()) {
                errors.push(unknown_action_option(entry, known));
                continue;
            }
            let result = this.set(entry, errors);
            errors.check(result);
        }
        this
    }

    fn set(&mut self, entry: &Entry, errors: &mut Errors) -> syn::Result<()> {
        match entry.key.as_str() {
            "name" => self.name = Some(Named::of(&entry.string("book")?)),
            "timeout" => self.timeout = Some(read_timeout(entry)?),
            "visibility" => self.access = Some(read_access(entry)?),
            "params" => self.params = Some(entry.expr()?),
            "rest" => self.extra.push(Extra { key: "rest".into(), value: entry.expr()? }),
            "spawn" => self.spawn = entry.flag().map(|()| Some(entry.span))?,
            "blocking" => self.blocking = entry.flag().map(|()| Some(entry.span))?,
            "raw" => self.raw = entry.flag().map(|()| Some(entry.span))?,
            "encode" => self.encode = entry.flag().map(|()| true)?,
            "strict" => self.strict = Some((entry.switch()?, entry.span)),
            "client" => {
                self.client = entry.bool().ok_or_else(|| {
                    entry.error("`client` takes `true` or `false`: whether the typed client has this action")
                })?;
            }
            "rename" => self.rename = read_renames(entry, errors)?,
            _ => self.extra.extend(read_extra(entry, errors)?),
        }
        Ok(())
    }
}

/// The error for an unknown key. It says how to set keys of Node's definition that have no option.
fn unknown_action_option(entry: &Entry, known: &[&str]) -> syn::Error {
    let message = suggest::unknown("option", &entry.key, known);
    if known.contains(&"extra") && suggest::nearest(&entry.key, known).is_none() {
        return entry.error(format!(
            "{message}; any other key of the definition goes into `extra({} = …)`",
            entry.key
        ));
    }
    entry.error(message)
}

fn read_timeout(entry: &Entry) -> syn::Result<Timeout> {
    let lit = entry.string_or_int("\"3s\"")?;
    let millis = match &lit {
        Lit::Str(text) if text.value() == "never" => return Ok(Timeout::Never),
        Lit::Str(text) => names::parse_duration(&text.value()),
        // A plain number is in milliseconds, as in Node.
        Lit::Int(number) => names::parse_duration(&format!("{}ms", number.base10_digits())),
        _ => return Err(entry.error("`timeout` takes a string or a number")),
    };
    match millis {
        Ok(0) => Err(
            "a timeout of zero would fail every call: write `timeout = \"never\"` for no limit, or leave it out \
             for the broker's `requestTimeout`"
                .into(),
        ),
        Ok(millis) => Ok(Timeout::Millis(millis)),
        Err(message) => Err(message),
    }
    .map_err(|message: String| syn::Error::new(lit.span(), message))
}

fn read_access(entry: &Entry) -> syn::Result<Access> {
    let text = entry.string("protected")?;
    match text.value().as_str() {
        "published" => Ok(Access::Published),
        "public" => Ok(Access::Public),
        "protected" => Ok(Access::Protected),
        "private" => Ok(Access::Private),
        other => Err(syn::Error::new(text.span(), suggest::unknown("value", other, ACCESS))),
    }
}

fn read_renames(entry: &Entry, errors: &mut Errors) -> syn::Result<Vec<Rename>> {
    let entries = entry.list("rename(argument = \"name on the wire\")")?;
    entries.check_unique(errors);
    let mut renames = Vec::new();
    for entry in &entries.entries {
        let Some(wire) = errors.check(entry.string("name on the wire")) else { continue };
        if wire.value().is_empty() || wire.value().contains(char::is_control) {
            errors.at(&wire, "a name on the wire is not empty and has no control characters");
        } else {
            renames.push(Rename { argument: entry.key.clone(), span: entry.span, wire: wire.value() });
        }
    }
    Ok(renames)
}

fn read_extra(entry: &Entry, errors: &mut Errors) -> syn::Result<Vec<Extra>> {
    let entries = entry.list("extra(cache = true)")?;
    entries.check_unique(errors);
    let mut extra = Vec::new();
    for entry in &entries.entries {
        if NOT_EXTRA.contains(&entry.key.as_str()) {
            errors.push(
                entry.error(format!("`{}` is no extra key: the attribute itself decides it", entry.key)),
            );
        } else if let Some(value) = errors.check(entry.expr()) {
            extra.push(Extra { key: entry.key.clone(), value });
        }
    }
    Ok(extra)
}

impl EventOptions {
    /// Options of `#[event]`.
    pub(crate) fn read(entries: &Entries, errors: &mut Errors) -> Self {
        let mut this = Self { pattern: entries.positional.as_ref().map(Named::of), ..Self::default() };
        entries.check_unique(errors);
        for entry in &entries.entries {
            let result = this.set(entry, errors);
            errors.check(result);
        }
        this
    }

    fn set(&mut self, entry: &Entry, errors: &mut Errors) -> syn::Result<()> {
        match entry.key.as_str() {
            "group" => {
                let text = entry.string("mail")?;
                names::check_name("a group", &text.value())
                    .map_err(|message| syn::Error::new(text.span(), message))?;
                self.group = Some(text.value());
            }
            "concurrency" => match entry.int("1")? {
                0 => return Err(entry.error("with `concurrency = 0` no event would ever be handled")),
                limit => self.concurrency = Some(limit),
            },
            "rename" => self.rename = read_renames(entry, errors)?,
            "extra" => self.extra = read_extra(entry, errors)?,
            "name" => {
                return Err(
                    entry.error("an event's name stands first, without a key: `#[event(\"user.created\")]`")
                );
            }
            _ => return Err(entry.unknown(EVENT)),
        }
        Ok(())
    }
}

impl Named {
    fn of(lit: &syn::LitStr) -> Self {
        Self { text: lit.value(), span: lit.span() }
    }
}
