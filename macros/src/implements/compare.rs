//! Compares names: which parts of a contract a service lacks, and which types have to be compared (pure).

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Type};

use super::data::{Offer, OfferedAction, OfferedArgument, OfferedData, Term, TermData, Terms};
use crate::errors::Errors;
use crate::{suggest, wire};

/// An action of the service with the name of an action of the contract.
pub(super) struct Kept<'a> {
    /// The index in the contract.
    pub(super) index: usize,
    pub(super) term: &'a Term,
    pub(super) action: &'a OfferedAction,
    pub(super) arguments: Vec<KeptArgument<'a>>,
    /// The errors about its arguments. They are reported only if the action is compiled at all.
    pub(super) wrong: TokenStream,
}

/// An argument that has the same name on both sides.
pub(super) struct KeptArgument<'a> {
    /// The index in the contract.
    pub(super) index: usize,
    /// `None` for the whole object.
    pub(super) wire: Option<&'a str>,
    pub(super) ty: &'a Type,
}

/// Reports what the service lacks, and pairs its actions with those of the contract.
pub(super) fn compare<'a>(terms: &'a Terms, offer: &'a Offer, errors: &mut Errors) -> Vec<Kept<'a>> {
    let contract = &terms.contract;
    if offer.name.value() != terms.service {
        errors.at(
            &offer.name,
            format!(
                "the contract `{contract}` is of the service `{}`; this one is called `{}`: its contract and it have \
                 one name and one version",
                terms.service,
                offer.name.value()
            ),
        );
    }
    let mut kept = Vec::new();
    for (index, term) in terms.actions.iter().enumerate() {
        if term.conditional {
            errors.at(
                &offer.ident,
                format!(
                    "the contract `{contract}` has its action `{}` under a `cfg`, so what it asks for differs from \
                     build to build: for `implements`, give the action a contract of its own",
                    term.name
                ),
            );
            continue;
        }
        let of_this_name: Vec<_> = offer.actions.iter().filter(|action| action.name == term.name).collect();
        if of_this_name.is_empty() {
            errors.at(&offer.ident, missing(terms, term, offer));
        }
        kept.extend(of_this_name.into_iter().map(|action| pair(contract, index, term, action)));
    }
    kept
}

fn missing(terms: &Terms, term: &Term, offer: &Offer) -> String {
    let contract = &terms.contract;
    let is_extra = |name: &&str| terms.actions.iter().all(|term| term.name != *name);
    let names: Vec<&str> = offer.actions.iter().map(|action| action.name.as_str()).filter(is_extra).collect();
    let meant = match suggest::nearest(&term.name, &names) {
        Some(near) => format!("; is `{near}` meant to be it?"),
        None => String::new(),
    };
    format!(
        "the contract `{contract}` asks for the action `{}`; this service has none of that name{meant}",
        term.text
    )
}

fn pair<'a>(contract: &str, index: usize, term: &'a Term, action: &'a OfferedAction) -> Kept<'a> {
    let mut wrong = Errors::default();
    let name = &term.name;
    let arguments = match (&term.data, &action.data) {
        (_, OfferedData::Raw) => Vec::new(),
        (TermData::Named(asked), OfferedData::Named(offered)) => {
            named(contract, name, asked, offered, action.ident.span(), &mut wrong)
        }
        (TermData::Whole(_), OfferedData::Whole(ty)) => vec![KeptArgument { index: 0, wire: None, ty }],
        (TermData::Whole(asked), OfferedData::Named(_)) => {
            wrong.at(
                &action.ident,
                format!(
                    "the contract `{contract}` gives the action `{name}` one `{asked}` as the whole object, and here \
                     its arguments are fields: take `Params<{asked}>`"
                ),
            );
            Vec::new()
        }
        (TermData::Named(_), OfferedData::Whole(ty)) => {
            wrong.at(
                ty,
                format!(
                    "the contract `{contract}` gives the action `{name}` arguments by name, and here it takes the whole \
                     object: take what `{}` says",
                    term.text
                ),
            );
            Vec::new()
        }
    };
    let wrong = under(&action.cfgs, &wrong.into_tokens());
    Kept { index, term, action, arguments, wrong }
}

fn named<'a>(
    contract: &str,
    name: &str,
    asked: &'a [(String, String)],
    offered: &'a [OfferedArgument],
    action: Span,
    wrong: &mut Errors,
) -> Vec<KeptArgument<'a>> {
    let mut kept = Vec::new();
    for (index, (wire, ty)) in asked.iter().enumerate() {
        match offered.iter().find(|argument| argument.wire == *wire) {
            Some(argument) => kept.push(KeptArgument { index, wire: Some(wire), ty: &argument.ty }),
            None => {
                let extra: Vec<&str> = offered
                    .iter()
                    .map(|argument| argument.wire.as_str())
                    .filter(|extra| asked.iter().all(|(wire, _)| wire != extra))
                    .collect();
                let meant = match suggest::nearest(wire, &extra) {
                    Some(near) => format!("; is `{near}` meant to be it?"),
                    None => String::new(),
                };
                wrong.at_span(
                    action,
                    format!(
                        "the contract `{contract}` gives the action `{name}` the argument `{wire}: {ty}`; here it has \
                         none of that name{meant}"
                    ),
                );
            }
        }
    }
    for extra in offered {
        if asked.iter().all(|(wire, _)| *wire != extra.wire) && wire::optional(&extra.ty).is_none() {
            wrong.at(
                &extra.ident,
                format!(
                    "the contract `{contract}` gives the action `{name}` no argument `{}`, so its callers leave it \
                     out: make it an `Option`, or add it to the contract",
                    extra.wire
                ),
            );
        }
    }
    kept
}

/// Items under the conditions of an action.
fn under(cfgs: &[Attribute], items: &TokenStream) -> TokenStream {
    if cfgs.is_empty() || items.is_empty() {
        return items.clone();
    }
    quote!(#(#cfgs)* const _: () = { #items };)
}
