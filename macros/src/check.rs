//! The rules for a whole service.
//!
//!
//! What breaks a rule is reported and left out, so that the rest still expands, and the compiler does not
//! complain about everything that refers to it.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{Expr, ExprLit, GenericParam, Ident, Lit, Path, parse_quote};

use crate::ast::{
    Action, Contract, ContractMethod, Event, Hook, Inputs, Method, Named, Service, ServiceName, Version,
};
use crate::errors::Errors;
use crate::{names, signature, wire};

/// Checks a service and leaves out what cannot be generated.
pub(crate) fn service(service: &mut Service, errors: &mut Errors) {
    check_service_name(&service.name, errors);
    if let Some(names) = &service.depends_on {
        check_depends_on(names, errors);
    }
    let parameters: Vec<Ident> = service
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.clone()),
            GenericParam::Const(parameter) => Some(parameter.ident.clone()),
            _ => None,
        })
        .collect();
    check_error(&mut service.error, &parameters, errors);
    let has_client = service.client.is_some();
    for action in &mut service.actions {
        // An action without arguments has an empty list of them: no member is allowed.
        if matches!(action.inputs, Inputs::Empty)
            && action.options.strict.map_or(service.strict, |(on, _)| on)
        {
            action.inputs = Inputs::Named(Vec::new());
        }
    }
    keep_sound(&mut service.actions, errors, |action, errors| {
        check_action(action, has_client, &parameters, errors)
    });
    keep_sound(&mut service.events, errors, check_event);
    let mut hooks = |hooks: &mut Vec<Hook>, what: &str| {
        keep_sound(hooks, errors, |hook, errors| check_hook(hook, what, errors));
        keep_first(
            hooks,
            errors,
            |hook| (String::new(), hook.method.ident.span(), &hook.method),
            |_| format!("a service has one `#[{what}]` hook: call the second one from the first"),
        );
    };
    hooks(&mut service.started, "started");
    hooks(&mut service.stopped, "stopped");
    keep_first(
        &mut service.actions,
        errors,
        |item| (item.name.text.clone(), item.name.span, &item.method),
        |name| {
            format!(
                "this service already has an action called `{name}`; `#[action(name = \"…\")]` renames one"
            )
        },
    );
    keep_first(
        &mut service.events,
        errors,
        |item| (item.pattern.text.clone(), item.pattern.span, &item.method),
        |pattern| format!("this service already has a handler for `{pattern}`: let one method do both"),
    );
}

/// Checks a contract and leaves out what cannot be generated.
pub(crate) fn contract(contract: &mut Contract, errors: &mut Errors) {
    check_name_of_another(&contract.name.name, "a service", contract.name.span, errors);
    if let Some(Version::Text(version)) = &contract.name.version {
        check_name_of_another(version, "a version", contract.name.version_span, errors);
    }
    check_error(&mut contract.error, &[], errors);
    keep_sound(&mut contract.methods, errors, |method: &ContractMethod, errors| {
        check_name_of_another(&method.name.text, "an action", method.name.span, errors);
        check_client_method(&method.ident, errors);
    });
    let mut seen: Vec<String> = Vec::new();
    contract.methods.retain(|method| {
        // Two methods with exclusive `cfg`s may have the same name.
        if method.cfgs.is_empty() && seen.contains(&method.name.text) {
            errors.at_span(
                method.name.span,
                format!("this client already has the action `{}`", method.name.text),
            );
            return false;
        }
        seen.push(method.name.text.clone());
        true
    });
}

fn keep_sound<T>(items: &mut Vec<T>, errors: &mut Errors, mut check: impl FnMut(&T, &mut Errors)) {
    items.retain(|item| {
        let before = errors.len();
        check(item, errors);
        errors.len() == before
    });
}

/// Removes items whose name an earlier item has, unless a `cfg` may separate the two.
fn keep_first<T>(
    items: &mut Vec<T>,
    errors: &mut Errors,
    describe: impl Fn(&T) -> (String, Span, &Method),
    message: impl Fn(&str) -> String,
) {
    let mut seen: Vec<(String, bool)> = Vec::new();
    items.retain(|item| {
        let (name, span, method) = describe(item);
        let conditional = !method.cfgs.is_empty();
        let clash = seen
            .iter()
            .any(|(earlier, earlier_conditional)| *earlier == name && !(conditional && *earlier_conditional));
        if clash {
            errors.at_span(span, message(&name));
            return false;
        }
        seen.push((name, conditional));
        true
    });
}

fn check_service_name(name: &ServiceName, errors: &mut Errors) {
    if let Err(message) = names::check_name("a service", &name.name) {
        errors.at_span(name.span, message);
    }
    if let Some(Version::Text(version)) = &name.version
        && let Err(message) = names::check_name("a version", version)
    {
        errors.at_span(name.version_span, message);
    }
}

/// A service that is defined elsewhere may have any name that Node allows, such as `$node`.
fn check_name_of_another(name: &str, what: &str, span: Span, errors: &mut Errors) {
    if let Err(message) = names::check_foreign(what, name) {
        errors.at_span(span, message);
    }
}

/// Checks the error type. The client, which is outside the impl, names it.
fn check_error(error: &mut Option<Path>, parameters: &[Ident], errors: &mut Errors) {
    let Some(path) = &*error else { return };
    if let Some(trouble) = wire::trouble(&parse_quote!(#path), parameters) {
        errors.at_span(trouble.span, trouble.message("the error of a service"));
        *error = None;
    }
}

fn check_depends_on(names: &Expr, errors: &mut Errors) {
    match names {
        Expr::Array(array) => {
            for element in array.elems.iter() {
                if let Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) = element
                    && let Err(message) = names::check_name("a service", &name.value())
                {
                    errors.at(name, message);
                }
            }
        }
        Expr::Lit(literal) => {
            errors.at(literal, "`depends_on` takes a list, as in `depends_on = [\"drivers\"]`")
        }
        // Any other expression. The compiler checks that it is a list of names.
        _ => {}
    }
}

fn check_action_name(name: &Named, errors: &mut Errors) {
    if let Err(message) = names::check_name("an action", &name.text) {
        errors.at_span(name.span, message);
    }
}

fn check_client_method(ident: &Ident, errors: &mut Errors) {
    let name = ident.unraw().to_string();
    let taken = match name.as_str() {
        "new" => "the client's constructor is called `new`",
        "NAME" => "the client's constant is called `NAME`",
        "named" => "the client's method for another name of the service is called `named`",
        // They take `self` by value, so Rust finds them before a method that takes it by reference.
        "into" | "try_into" => "on a client this would be the method that every type has",
        _ => return,
    };
    errors.at(ident, format!("{taken}: name the method otherwise and write `#[action(name = \"{name}\")]`"));
}

fn check_action(action: &Action, has_client: bool, parameters: &[Ident], errors: &mut Errors) {
    let Action { method, options, .. } = action;
    let in_client = has_client && options.client;
    check_action_name(&action.name, errors);
    if in_client {
        check_client_method(&method.ident, errors);
    }
    if let Some((_, span)) = options.strict {
        check_strict(&action.inputs, span, errors);
    }
    match (options.blocking, method.is_async) {
        (Some(_), true) => errors.at(
            &method.ident,
            "a blocking action runs on a thread where it may block, so it is a plain `fn`: remove `async`, or `blocking`",
        ),
        (None, false) => errors.at(
            &method.ident,
            "an action is an `async fn`; one that computes for long or blocks is a plain `fn` under `#[action(blocking)]`",
        ),
        _ => {}
    }
    if let (Some(span), Some(_)) = (options.spawn, options.blocking) {
        errors.at_span(
            span,
            "`spawn` and `blocking` exclude each other: a blocking action has a thread of its own",
        );
    }
    match options.raw {
        Some(span) => {
            if options.blocking.is_some() {
                errors
                    .at_span(span, "`raw` and `blocking` exclude each other: a raw action is an `async fn`");
            }
            if !wire::is_named(&method.returns.ok, "Reply") {
                errors.at(
                    &method.returns.ok,
                    "a raw action builds the answer itself: it returns `Result<Reply>`",
                );
            }
        }
        None => signature::check_result(&method.returns.ok, parameters, in_client, errors),
    }
}

fn check_strict(inputs: &Inputs, span: Span, errors: &mut Errors) {
    match inputs {
        Inputs::Whole(ty) | Inputs::Shared(ty) => errors.at_span(
            span,
            format!(
                "`strict` is for named arguments; the type of the whole object decides itself: write \
                 `#[serde(deny_unknown_fields)]` on `{}`",
                wire::compact(ty)
            ),
        ),
        Inputs::Raw => {
            errors.at_span(span, "`strict` is for named arguments: a raw action reads its params itself")
        }
        Inputs::Empty | Inputs::Named(_) => {}
    }
}

fn check_event(event: &Event, errors: &mut Errors) {
    if let Err(message) = names::check_pattern(&event.pattern.text) {
        errors.at_span(event.pattern.span, message);
    }
    check_unit(&event.method, "an event handler", errors);
}

fn check_hook(hook: &Hook, what: &str, errors: &mut Errors) {
    check_unit(&hook.method, &format!("a `#[{what}]` hook"), errors);
}

fn check_unit(method: &Method, what: &str, errors: &mut Errors) {
    if !method.is_async {
        errors.at(&method.ident, format!("{what} is an `async fn`"));
    }
    if !wire::is_unit(&method.returns.ok) {
        errors.at(&method.returns.ok, format!("{what} returns `Result<()>`: nobody receives a value"));
    }
}
