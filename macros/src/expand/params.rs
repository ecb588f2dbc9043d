//! Generates the hidden structs whose fields are the named arguments.
//!
//!
//! Handler and client use the same struct, so a call within one process moves it instead of encoding it. It
//! is at module level, because its fields name the user's own types.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, Path};

use super::quiet;
use crate::ast::{Argument, Inputs};
use crate::wire;

/// The use of a struct, and so the directions in which it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Travels {
    /// Params of an action. The handler decodes them. They are encoded only if there is a client.
    Params { client: bool, strict: bool },
    /// Params of an action of another service.
    Out,
    /// The payload of an event.
    Payload,
}

impl Travels {
    fn is_encoded(self) -> bool {
        matches!(self, Self::Out | Self::Params { client: true, .. })
    }

    fn is_decoded(self) -> bool {
        self != Self::Out
    }
}

/// The name of the struct for one method: `__TripsRequestParams`.
///
/// The method's own spelling is kept if camel case would lose a difference, as between `a_b` and `aB`.
pub(super) fn ident(service: &Ident, method: &Ident) -> Ident {
    let method = method.unraw().to_string();
    let is_snake_case = !method.contains("__")
        && !method.starts_with('_')
        && !method.ends_with('_')
        && !method.contains(|c: char| c.is_uppercase())
        && !method.split('_').skip(1).any(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let method = if is_snake_case { camel_case(&method) } else { format!("_{method}_") };
    format_ident!("__{}{}Params", service.unraw(), method)
}

fn camel_case(text: &str) -> String {
    text.split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect()
}

/// The type that the handler decodes: the hidden struct, the user's own type, or `Empty`.
pub(super) fn ty(inputs: &Inputs, ident: &Ident, krate: &impl ToTokens) -> TokenStream {
    match inputs {
        Inputs::Empty => quote!(#krate::Empty),
        Inputs::Named(_) => quote!(#ident),
        Inputs::Whole(ty) | Inputs::Shared(ty) => quote!(#ty),
        Inputs::Raw => quote!(#krate::Payload),
    }
}

/// The struct itself. Nothing if there are no named arguments.
pub(super) fn definition(
    inputs: &Inputs,
    ident: &Ident,
    full_name: &str,
    cfgs: &[Attribute],
    travels: Travels,
    krate: &Path,
) -> TokenStream {
    let Inputs::Named(arguments) = inputs else { return TokenStream::new() };
    let private = quote!(#krate::__private);
    let serde = quote!(#private::serde).to_string().replace(' ', "");
    let serialize = travels.is_encoded().then(|| quote!(#private::serde::Serialize,));
    let deserialize = travels.is_decoded().then(|| quote!(#private::serde::Deserialize));
    // Otherwise a caller that sends `null` would get an error with the name of a generated struct.
    let expecting = travels.is_decoded().then(|| {
        let text = match travels {
            Travels::Payload => format!("an object, the payload of `{full_name}`"),
            _ => format!("an object, the params of `{full_name}`"),
        };
        quote!(#[serde(expecting = #text)])
    });
    let strict = matches!(travels, Travels::Params { strict: true, .. })
        .then(|| quote!(#[serde(deny_unknown_fields)]));
    // Makes the derived code a method of the struct, so that the trait can be implemented around it.
    let remote = travels.is_decoded().then(|| quote!(, remote = "Self"));
    let quiet = quiet();
    let fields = arguments.iter().map(|argument| field(argument, travels));
    let reads = travels.is_decoded().then(|| {
        quote! {
            #(#cfgs)*
            #quiet
            #[automatically_derived]
            impl<'de> #private::serde::Deserialize<'de> for #ident {
                fn deserialize<D>(from: D) -> ::core::result::Result<Self, D::Error>
                where
                    D: #private::serde::Deserializer<'de>,
                {
                    // Called by the name of the method. Otherwise this function would call itself.
                    #ident::deserialize(#private::Named(from))
                }
            }
        }
    });
    let writes = (travels.is_decoded() && travels.is_encoded()).then(|| {
        quote! {
            #(#cfgs)*
            #quiet
            #[automatically_derived]
            impl #private::serde::Serialize for #ident {
                fn serialize<S>(&self, to: S) -> ::core::result::Result<S::Ok, S::Error>
                where
                    S: #private::serde::Serializer,
                {
                    #ident::serialize(self, to)
                }
            }
        }
    });
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #quiet
        #[derive(#serialize #deserialize)]
        #[serde(crate = #serde #remote)]
        #expecting
        #strict
        struct #ident { #(#fields,)* }
        #reads
        #writes
    }
}

fn field(argument: &Argument, travels: Travels) -> TokenStream {
    let Argument { ident, ty, wire } = argument;
    let rename = (ident.unraw() != wire.as_str()).then(|| quote!(#[serde(rename = #wire)]));
    let optional = wire::optional(ty).map(|_| {
        let default = travels.is_decoded().then(|| quote!(#[serde(default)]));
        let skip = travels
            .is_encoded()
            .then(|| quote!(#[serde(skip_serializing_if = "::core::option::Option::is_none")]));
        quote!(#default #skip)
    });
    quote!(#rename #optional #ident: #ty)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn names_of_hidden_structs_read_well_and_never_clash() {
        let name =
            |method: &str| ident(&parse_quote!(Trips), &Ident::new(method, proc_macro2::Span::call_site()));
        assert_eq!(name("request"), "__TripsRequestParams");
        assert_eq!(name("find_by_id"), "__TripsFindByIdParams");
        assert_ne!(name("a_b"), name("aB"));
        assert_ne!(name("a_1"), name("a1"));
        assert_ne!(name("_a"), name("a"));
    }
}
