//! Reads the user's tokens into the [`ast`](crate::ast).

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, Parser};
use syn::{
    Attribute, FnArg, GenericParam, Ident, ImplItem, ImplItemFn, Item, ItemImpl, ItemTrait, Signature,
    TraitItem, TraitItemFn, parse_quote,
};

use crate::ast::{
    Action, ActionOptions, Client, Contract, ContractMethod, Event, EventOptions, Hook, Method, Named,
    Service,
};
use crate::entries::Entries;
use crate::errors::Errors;
use crate::options::{ClientOption, ServiceOptions};
use crate::signature::{self, Role};
use crate::wire;

/// The attributes that give a method its role.
const ROLES: &[&str] = &["action", "event", "started", "stopped"];

/// The result of parsing the input of an attribute macro.
pub(crate) struct Parsed<T> {
    /// The user's item without our helper attributes. It is emitted in any case.
    pub(crate) item: TokenStream,
    /// `None` if too little could be read to generate anything.
    pub(crate) ast: Option<T>,
}

/// Reads `#[service(attr)] item`.
pub(crate) fn service(attr: TokenStream, item: TokenStream, errors: &mut Errors) -> Parsed<Service> {
    let entries = errors.check(Entries::parse.parse2(attr));
    let mut item = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(item)) => item,
        Ok(other) => {
            let message =
                "`#[service]` goes on the `impl` block with the service's methods: `impl Trips { … }`";
            errors.at(heading(&other), message);
            return Parsed { item, ast: None };
        }
        // Invalid syntax. The error of rustc is best if it sees the code itself.
        Err(error) => {
            errors.push(error);
            return Parsed { item, ast: None };
        }
    };
    refuse_second_service(&mut item, errors);
    let options = entries.map(|entries| ServiceOptions::service(&entries, errors));
    let ident = service_ident(&item, errors);
    let parameters = parameters(&item, errors);
    let methods = Methods::read(&mut item, &parameters, errors);
    let ast = build(options, ident, &item, methods);
    Parsed { item: item.into_token_stream(), ast }
}

fn build(
    options: Option<ServiceOptions>,
    ident: Option<Ident>,
    item: &ItemImpl,
    methods: Methods,
) -> Option<Service> {
    let (options, ident) = (options?, ident?);
    let client = match options.client {
        ClientOption::Off => None,
        ClientOption::On { vis, name } => {
            Some(Client { vis, ident: name.unwrap_or_else(|| client_ident(&ident)) })
        }
    };
    Some(Service {
        name: options.name?,
        krate: options.krate,
        error: options.error,
        implements: options.implements,
        depends_on: options.depends_on,
        settings: options.settings,
        metadata: options.metadata,
        strict: options.strict,
        client,
        ident,
        self_ty: (*item.self_ty).clone(),
        generics: item.generics.clone(),
        actions: methods.actions,
        events: methods.events,
        started: methods.started,
        stopped: methods.stopped,
    })
}

fn client_ident(ident: &Ident) -> Ident {
    Ident::new(&format!("{}Client", ident.unraw()), ident.span())
}

/// Refuses a second `#[service]` on the same block. The compiler finds one on another block of the type.
fn refuse_second_service(item: &mut ItemImpl, errors: &mut Errors) {
    let is_service =
        |attr: &Attribute| attr.path().segments.last().is_some_and(|last| last.ident == "service");
    for attr in item.attrs.extract_if(.., |attr| is_service(attr)) {
        errors.at(
            &attr,
            "a type is one service: remove one of the two attributes, or give the second service a type of its own",
        );
    }
}

/// The few tokens of an item that an error underlines.
fn heading(item: &Item) -> TokenStream {
    match item {
        Item::Struct(item) => item.ident.to_token_stream(),
        Item::Enum(item) => item.ident.to_token_stream(),
        Item::Trait(item) => item.ident.to_token_stream(),
        Item::Mod(item) => item.ident.to_token_stream(),
        Item::Fn(item) => item.sig.ident.to_token_stream(),
        other => other.to_token_stream(),
    }
}

fn service_ident(item: &ItemImpl, errors: &mut Errors) -> Option<Ident> {
    if let Some((path, _)) = &item.trait_ {
        errors.at(path, "`#[service]` goes on the type's own `impl Trips { … }`, not on the impl of a trait");
        return None;
    }
    let ident = wire::last_segment(&item.self_ty).map(|segment| segment.ident.clone());
    if ident.is_none() {
        errors.at(&item.self_ty, "a service is a type with a name, such as a struct");
    }
    ident
}

/// The type and const parameters of the impl.
fn parameters(item: &ItemImpl, errors: &mut Errors) -> Vec<Ident> {
    let mut found = Vec::new();
    for parameter in item.generics.params.iter() {
        match parameter {
            GenericParam::Type(parameter) => found.push(parameter.ident.clone()),
            GenericParam::Const(parameter) => found.push(parameter.ident.clone()),
            _ => errors.at(
                parameter,
                "a service owns its state, so that it can outlive whoever made it: no lifetimes",
            ),
        }
    }
    found
}

#[derive(Default)]
struct Methods {
    actions: Vec<Action>,
    events: Vec<Event>,
    started: Vec<Hook>,
    stopped: Vec<Hook>,
}

impl Methods {
    /// Reads every annotated method and removes the annotation.
    fn read(item: &mut ItemImpl, parameters: &[Ident], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        for item in &mut item.items {
            let ImplItem::Fn(method) = item else { continue };
            let Some(attr) = take_role(method, errors) else { continue };
            let entries = Entries::of(&attr, errors);
            let source = Source { method, attr: &attr, parameters };
            if attr.path().is_ident("action") {
                this.actions.extend(source.action(&entries, errors));
            } else if attr.path().is_ident("event") {
                this.events.extend(source.event(&entries, errors));
            } else {
                let hook = source.hook(&entries, errors);
                let list =
                    if attr.path().is_ident("started") { &mut this.started } else { &mut this.stopped };
                list.extend(hook);
            }
            method.attrs.push(allow_what_we_ask_for());
        }
        this
    }
}

/// Allows lints that ask for changes which are impossible here: `async`, a receiver, owned arguments, and a
/// name that the wire prescribes.
fn allow_what_we_ask_for() -> Attribute {
    parse_quote!(#[allow(
        clippy::needless_pass_by_value,
        clippy::new_ret_no_self,
        clippy::should_implement_trait,
        clippy::unused_async,
        clippy::unused_self,
        clippy::wrong_self_convention
    )])
}

/// Removes the role attributes and returns the first.
fn take_role(method: &mut ImplItemFn, errors: &mut Errors) -> Option<Attribute> {
    let is_role = |attr: &Attribute| ROLES.iter().any(|role| attr.path().is_ident(role));
    let mut roles = method.attrs.extract_if(.., |attr| is_role(attr)).collect::<Vec<_>>().into_iter();
    let first = roles.next();
    for other in roles {
        errors.at(
            &other,
            "a method has one role: put the second attribute on a method of its own that calls this one",
        );
    }
    first
}

/// A method with its attribute.
struct Source<'a> {
    method: &'a ImplItemFn,
    attr: &'a Attribute,
    parameters: &'a [Ident],
}

impl Source<'_> {
    fn action(&self, entries: &Entries, errors: &mut Errors) -> Option<Action> {
        let before = errors.len();
        let options = ActionOptions::read(entries, errors);
        let role = if options.raw.is_some() { Role::RawAction } else { Role::Action };
        let what = if options.raw.is_some() { "a raw action" } else { "an action" };
        let sig = &self.method.sig;
        signature::check_method(sig, what, errors);
        let taken = signature::read_arguments(sig, role, &options.rename, self.parameters, errors);
        let method = self.common(what, errors)?;
        let name = action_name(sig, &options);
        (errors.len() == before).then_some(Action {
            method,
            name,
            inputs: taken.inputs,
            slots: taken.slots,
            options,
        })
    }

    fn event(&self, entries: &Entries, errors: &mut Errors) -> Option<Event> {
        let before = errors.len();
        let mut options = EventOptions::read(entries, errors);
        let what = "an event handler";
        let sig = &self.method.sig;
        let pattern = options.pattern.take();
        if pattern.is_none() && errors.len() == before {
            errors
                .at(self.attr, "which event? write its name or pattern first: `#[event(\"user.created\")]`");
        }
        signature::check_method(sig, what, errors);
        let taken = signature::read_arguments(sig, Role::Event, &options.rename, self.parameters, errors);
        let method = self.common(what, errors)?;
        if errors.len() != before {
            return None;
        }
        Some(Event { method, pattern: pattern?, inputs: taken.inputs, slots: taken.slots, options })
    }

    fn hook(&self, entries: &Entries, errors: &mut Errors) -> Option<Hook> {
        let before = errors.len();
        let sig = &self.method.sig;
        let is_started = self.attr.path().is_ident("started");
        let what = if is_started { "a `#[started]` hook" } else { "a `#[stopped]` hook" };
        for entry in &entries.entries {
            errors.push(entry.error(format!("{what} has no options")));
        }
        signature::check_method(sig, what, errors);
        let mut takes_cx = false;
        for argument in sig.inputs.iter() {
            let FnArg::Typed(argument) = argument else { continue };
            if is_started && !takes_cx && wire::is_named(&argument.ty, "ServiceCx") {
                takes_cx = true;
            } else if is_started {
                errors.at(argument, "a `#[started]` hook takes `&self` and, if wanted, one `ServiceCx`");
            } else {
                errors.at(argument, "a `#[stopped]` hook takes `&self` and nothing else");
            }
        }
        let method = self.common(what, errors)?;
        (errors.len() == before).then(|| Hook { method, takes_cx })
    }

    fn common(&self, what: &str, errors: &mut Errors) -> Option<Method> {
        let sig = &self.method.sig;
        let returns = signature::read_returns(sig, what, errors)?;
        Some(Method {
            ident: sig.ident.clone(),
            docs: pick(&self.method.attrs, "doc"),
            cfgs: pick(&self.method.attrs, "cfg"),
            is_async: sig.asyncness.is_some(),
            receiver: signature::receiver(sig),
            returns,
        })
    }
}

/// The attributes of one kind.
fn pick(attrs: &[Attribute], kind: &str) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident(kind)).cloned().collect()
}

fn action_name(sig: &Signature, options: &ActionOptions) -> Named {
    match &options.name {
        Some(name) => Named { text: name.text.clone(), span: name.span },
        None => Named { text: sig.ident.unraw().to_string(), span: sig.ident.span() },
    }
}

/// Reads `#[client(attr)] trait …`.
pub(crate) fn contract(attr: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Contract> {
    let entries = errors.check(Entries::parse.parse2(attr));
    let item = match errors.check(syn::parse2::<Item>(item))? {
        Item::Trait(item) => item,
        other => {
            errors.at(
                heading(&other),
                "`#[client]` goes on a trait that lists the actions: `trait Mail { … }`",
            );
            return None;
        }
    };
    let options = entries.map(|entries| ServiceOptions::contract(&entries, errors));
    check_trait(&item, errors);
    let mut methods = Vec::new();
    for item in &item.items {
        match item {
            TraitItem::Fn(method) => methods.extend(contract_method(method, errors)),
            other => errors.at(other, "a `#[client]` trait holds methods only, one per action"),
        }
    }
    let options = options?;
    Some(Contract {
        name: options.name?,
        krate: options.krate,
        error: options.error,
        client: Client { vis: item.vis.clone(), ident: client_ident(&item.ident) },
        docs: pick(&item.attrs, "doc"),
        ident: item.ident,
        methods,
    })
}

fn check_trait(item: &ItemTrait, errors: &mut Errors) {
    if !item.generics.params.is_empty() {
        errors.at(
            &item.generics,
            "a `#[client]` trait cannot be generic: the service on the other side is not",
        );
    }
    if !item.supertraits.is_empty() {
        errors.at(&item.supertraits, "a `#[client]` trait becomes a struct, so it cannot have supertraits");
    }
}

fn contract_method(item: &TraitItemFn, errors: &mut Errors) -> Option<ContractMethod> {
    let before = errors.len();
    let sig = &item.sig;
    let attr = item.attrs.iter().find(|attr| attr.path().is_ident("action"));
    let entries = attr.map(|attr| Entries::of(attr, errors)).unwrap_or_default();
    let options = ActionOptions::read_contract(&entries, errors);
    for attr in &item.attrs {
        if !["action", "doc", "cfg", "allow", "expect"].iter().any(|known| attr.path().is_ident(known)) {
            errors.at(
                attr,
                "a method of a client has `#[action(…)]`, `#[cfg(…)]` and documentation, nothing else",
            );
        }
    }
    if let Some(block) = &item.default {
        errors.at(block, "the service has the body: end the method with `;`");
    }
    signature::check_plain(sig, "a method of a client", errors);
    let taken = signature::read_arguments(sig, Role::Contract, &options.rename, &[], errors);
    let (output, failure) = signature::read_output(sig);
    signature::check_result(&output, &[], true, errors);
    (errors.len() == before).then(|| ContractMethod {
        ident: sig.ident.clone(),
        docs: pick(&item.attrs, "doc"),
        cfgs: pick(&item.attrs, "cfg"),
        name: action_name(sig, &options),
        inputs: taken.inputs,
        output,
        failure,
    })
}
