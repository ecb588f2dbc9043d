//! Reads signatures: which argument is the context, which is data, and what is returned.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, Pat, PatType, ReceiverKind, ReturnType, Safety, Signature, Type};

use crate::ast::{Argument, Inputs, Receiver, Rename, Returns, Slot};
use crate::errors::Errors;
use crate::{suggest, wire};

/// The role of a method. It decides which arguments are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Action,
    RawAction,
    Event,
    /// A method of a `#[client]` trait.
    Contract,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Action => "an action",
            Self::RawAction => "a raw action",
            Self::Event => "an event handler",
            Self::Contract => "a method of a client",
        }
    }
}

/// Checks what all annotated methods need: `&self`, no generic parameters, no `unsafe`.
pub(crate) fn check_method(sig: &Signature, what: &str, errors: &mut Errors) {
    check_receiver(sig, what, errors);
    check_plain(sig, what, errors);
}

/// Checks that the signature has no `unsafe`, no `...` and no generic parameters.
pub(crate) fn check_plain(sig: &Signature, what: &str, errors: &mut Errors) {
    if !sig.generics.params.is_empty() {
        errors.at(
            &sig.generics,
            format!("{what} cannot be generic: a caller on another node has no types to choose"),
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, format!("{what} cannot be variadic"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, format!("{what} cannot be `unsafe`: anyone may call it"));
    }
}

fn check_receiver(sig: &Signature, what: &str, errors: &mut Errors) {
    let Some(receiver) = sig.receiver() else {
        errors.at(&sig.ident, format!("{what} is a method: add `&self` as its first argument"));
        return;
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => {}
        ReceiverKind::Reference(_, _, Some(_)) => errors.at(
            receiver,
            format!(
                "{what} takes `&self`, since many run at the same time; keep what changes behind a `Mutex` or in an \
                 atomic"
            ),
        ),
        ReceiverKind::Typed(_, ty) if wire::is_named(ty, "Arc") || is_shared_self(ty) => {}
        _ => errors.at(receiver, format!("{what} takes `&self`: the service stays when the call is over")),
    }
}

/// The receiver of a method. [`check_method`] checks whether it is possible.
pub(crate) fn receiver(sig: &Signature) -> Receiver {
    match sig.receiver().map(|receiver| &receiver.kind) {
        Some(ReceiverKind::Typed(_, ty)) if wire::is_named(ty, "Arc") => Receiver::Arc,
        _ => Receiver::Shared,
    }
}

/// `self: &Self`
fn is_shared_self(ty: &Type) -> bool {
    matches!(wire::peel(ty), Type::Reference(reference)
        if reference.mutability.is_none() && wire::is_named(&reference.elem, "Self"))
}

/// The arguments after `&self`.
pub(crate) struct Taken {
    pub(crate) inputs: Inputs,
    pub(crate) slots: Vec<Slot>,
}

/// Sorts the arguments into context, data and payload.
///
/// `parameters` are those of the impl. No argument may mention them.
pub(crate) fn read_arguments(
    sig: &Signature,
    role: Role,
    renames: &[Rename],
    parameters: &[Ident],
    errors: &mut Errors,
) -> Taken {
    let mut sorter = Sorter { role, renames, parameters, taken: Vec::new(), named: Vec::new(), whole: None };
    for argument in sig.inputs.iter() {
        if let FnArg::Typed(argument) = argument {
            sorter.sort(argument, errors);
        }
    }
    sorter.finish(errors)
}

struct Sorter<'a> {
    role: Role,
    renames: &'a [Rename],
    parameters: &'a [Ident],
    taken: Vec<Slot>,
    named: Vec<Argument>,
    whole: Option<Inputs>,
}

impl Sorter<'_> {
    fn sort(&mut self, argument: &PatType, errors: &mut Errors) {
        let ty = &*argument.ty;
        if let Some(cfg) = argument.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            errors.at(cfg, "an argument cannot depend on a `cfg`: it is part of the interface");
        }
        if is_context(ty) {
            self.context(argument, errors);
        } else if wire::is_named(ty, "Payload") {
            self.payload(argument, errors);
        } else if self.role == Role::RawAction {
            errors.at(
                argument,
                "a raw action takes `Context` and `Payload` and nothing else; without `raw` its arguments are decoded",
            );
        } else if wire::is_named(ty, "Params") || has_params_attribute(&argument.attrs) {
            self.params(argument, errors);
        } else if wire::is_named(ty, "Shared") && self.role == Role::Event {
            self.take_whole(Inputs::Shared(ty.clone()), Slot::Shared(ty.span()), ty, errors);
        } else {
            self.named(argument, errors);
        }
    }

    fn context(&mut self, argument: &PatType, errors: &mut Errors) {
        if self.role == Role::Contract {
            errors.at(argument, "the context is the caller's own: `MailClient::new(&ctx)` passes it on");
        } else if matches!(wire::peel(&argument.ty), Type::Reference(_)) {
            errors.at(&argument.ty, "take `Context` by value: it is a handle that is cheap to pass on");
        } else if self.taken.iter().any(|slot| matches!(slot, Slot::Context(_))) {
            errors.at(argument, format!("{} takes one `Context` at most", self.role.name()));
        } else {
            self.taken.push(Slot::Context(argument.ty.span()));
        }
    }

    fn payload(&mut self, argument: &PatType, errors: &mut Errors) {
        let slot = Slot::Payload(argument.ty.span());
        if self.role == Role::Event {
            self.take_whole(Inputs::Raw, slot, &argument.ty, errors);
        } else if self.role != Role::RawAction {
            errors.at(
                argument,
                "`Payload` is for raw actions: write `#[action(raw)]`, or `Params<T>` for the whole object",
            );
        } else if self.taken.iter().any(|slot| matches!(slot, Slot::Payload(_))) {
            errors.at(argument, "a raw action takes one `Payload` at most");
        } else {
            self.taken.push(slot);
        }
    }

    fn params(&mut self, argument: &PatType, errors: &mut Errors) {
        let ty = wire::peel(&argument.ty);
        let inner = match wire::last_segment(ty).filter(|segment| segment.ident == "Params") {
            // With `#[params]`, the type itself is the object.
            None => ty.clone(),
            Some(segment) => match &wire::type_arguments(segment)[..] {
                [inner] => (*inner).clone(),
                _ => return errors.at(ty, "`Params` needs the type of the object: `Params<Cart>`"),
            },
        };
        self.check_type(&inner, errors);
        let slot = Slot::Whole(argument.ty.span());
        self.take_whole(Inputs::Whole(inner), slot, ty, errors);
    }

    fn take_whole(&mut self, inputs: Inputs, slot: Slot, blame: &Type, errors: &mut Errors) {
        if self.whole.is_some() {
            errors.at(blame, "the whole object can be taken once");
            return;
        }
        self.whole = Some(inputs);
        self.taken.push(slot);
    }

    fn named(&mut self, argument: &PatType, errors: &mut Errors) {
        let Some(ident) = plain_name(&argument.pat) else {
            errors.at(
                &argument.pat,
                "an argument needs a plain name, which becomes the field of the params; to take the object apart write \
                 `Params(…): Params<T>`",
            );
            return;
        };
        if self.check_type(&argument.ty, errors) {
            let name = ident.unraw().to_string();
            let renamed = self.renames.iter().find(|rename| rename.argument == name);
            let wire = renamed.map_or_else(|| wire_name(&name), |rename| rename.wire.clone());
            self.taken.push(Slot::Field(ident.clone(), argument.ty.span()));
            self.named.push(Argument { ident, ty: (*argument.ty).clone(), wire });
        } else {
            // The name is kept, so that `rename` does not report an unknown argument on top of the error
            // about its type.
            let wire = wire_name(&ident.unraw().to_string());
            self.named.push(Argument { ident, ty: (*argument.ty).clone(), wire });
        }
    }

    fn check_type(&self, ty: &Type, errors: &mut Errors) -> bool {
        match wire::trouble(ty, self.parameters) {
            Some(trouble) => {
                errors.at_span(trouble.span, trouble.message("an argument"));
                false
            }
            None => true,
        }
    }

    fn finish(self, errors: &mut Errors) -> Taken {
        self.check_renames(errors);
        if let (Some(_), Some(first)) = (&self.whole, self.named.first()) {
            errors.at(
                &first.ident,
                format!(
                    "`{0}` stands beside the whole object: either all arguments are fields, or one takes the object and \
                     `{0}` is a field of it",
                    first.ident
                ),
            );
        }
        for (index, argument) in self.named.iter().enumerate() {
            if self.named[..index].iter().any(|earlier| earlier.wire == argument.wire) {
                errors
                    .at(&argument.ident, format!("two arguments are called `{}` on the wire", argument.wire));
            }
        }
        let inputs = match (self.role, self.whole) {
            (Role::RawAction, _) => Inputs::Raw,
            (_, Some(whole)) => whole,
            _ if self.named.is_empty() => Inputs::Empty,
            _ => Inputs::Named(self.named),
        };
        Taken { inputs, slots: self.taken }
    }

    fn check_renames(&self, errors: &mut Errors) {
        let names: Vec<String> =
            self.named.iter().map(|argument| argument.ident.unraw().to_string()).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        for rename in self.renames {
            if known.contains(&rename.argument.as_str()) {
                continue;
            }
            if known.is_empty() {
                errors.at_span(rename.span, "`rename` is for named arguments, and there are none");
            } else {
                errors.at_span(rename.span, suggest::unknown("argument", &rename.argument, &known));
            }
        }
    }
}

/// The name on the wire. In Rust, a leading underscore marks an unused argument. Callers need not know that.
fn wire_name(argument: &str) -> String {
    argument.strip_prefix('_').filter(|rest| !rest.is_empty()).unwrap_or(argument).to_owned()
}

fn is_context(ty: &Type) -> bool {
    match wire::peel(ty) {
        Type::Reference(reference) => is_context(&reference.elem),
        other => wire::is_named(other, "Context"),
    }
}

fn has_params_attribute(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("params"))
}

fn plain_name(pat: &Pat) -> Option<Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(pat.ident.clone()),
        _ => None,
    }
}

/// Splits `Result<T>` or `Result<T, E>`.
pub(crate) fn read_returns(sig: &Signature, what: &str, errors: &mut Errors) -> Option<Returns> {
    let ReturnType::Type(_, ty) = &sig.output else {
        errors.at(&sig.ident, format!("{what} returns a `Result`: add `-> Result<()>`"));
        return None;
    };
    let parts = wire::last_segment(ty).filter(|segment| segment.ident == "Result").map(wire::type_arguments);
    let (ok, err) = match parts.as_deref() {
        Some([ok]) => (*ok, None),
        Some([ok, err]) => (*ok, Some(*err)),
        _ => {
            errors.at(
                ty,
                format!(
                    "{what} returns `Result<T>` or `Result<T, E>`, not `{}` (the macro knows the type by this name)",
                    wire::compact(ty)
                ),
            );
            return None;
        }
    };
    Some(Returns { whole: (**ty).clone(), ok: ok.clone(), err: err.cloned() })
}

/// The success type of a contract's method, and the `E` if there is one. `T`, `Result<T>` and `Result<T, E>`
/// all mean `T`.
pub(crate) fn read_output(sig: &Signature) -> (Type, Option<Type>) {
    let ReturnType::Type(_, ty) = &sig.output else {
        return (syn::parse_quote!(()), None);
    };
    let parts = wire::last_segment(ty).filter(|segment| segment.ident == "Result").map(wire::type_arguments);
    match parts.as_deref() {
        Some([ok, rest @ ..]) => ((*ok).clone(), rest.first().map(|err| (*err).clone())),
        _ => ((**ty).clone(), None),
    }
}

/// Checks the success type. The client, which is outside the impl, contains it.
pub(crate) fn check_result(ty: &Type, parameters: &[Ident], in_client: bool, errors: &mut Errors) {
    let Some(trouble) = wire::trouble(ty, parameters) else { return };
    match trouble.kind {
        // A handler may return a `&'static str`. Only a client has to decode the result.
        wire::Kind::Reference | wire::Kind::Lifetime if !in_client => {}
        wire::Kind::Reference => errors.at_span(
            trouble.span,
            "the typed client has to own what it hands out: return an owned type, or write `#[action(client = false)]`",
        ),
        _ => errors.at_span(trouble.span, trouble.message("the result")),
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn a_contract_accepts_results_and_plain_types() {
        for sig in ["fn a() -> Receipt", "fn a() -> Result<Receipt>", "fn a() -> ligand::Result<Receipt, E>"]
        {
            assert_eq!(wire::compact(&read_output(&syn::parse_str(sig).unwrap()).0), "Receipt", "{sig}");
        }
        assert_eq!(wire::compact(&read_output(&parse_quote!(fn a())).0), "()");
    }
}
