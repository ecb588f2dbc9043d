//! Converts a user's error to the wire form, and back.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{at, located, quiet};
use crate::action_error::{ErrorType, Meaning, Shape, Wire};

/// `From<MyError> for ligand::Error`, and `FromActionError for MyError`.
pub(crate) fn action_error(error: &ErrorType) -> TokenStream {
    let ErrorType { ident, generics, krate, shapes } = error;
    let quiet = quiet();
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let out = shapes.iter().map(|shape| outward(shape, error));
    let back: Vec<TokenStream> = shapes.iter().filter_map(|shape| homeward(shape, error)).collect();
    let from = if back.is_empty() {
        quote!(::core::option::Option::None)
    } else {
        quote! {
            match (error.name(), error.error_type()?) {
                #(#back)*
                _ => ::core::option::Option::None,
            }
        }
    };
    // An enum without variants has no values to convert.
    let into = if shapes.is_empty() { quote!(match error {}) } else { quote!(match error { #(#out)* }) };
    quote! {
        #quiet
        #[automatically_derived]
        impl #impl_generics ::core::convert::From<#ident #ty_generics> for #krate::Error #where_clause {
            fn from(error: #ident #ty_generics) -> Self {
                #into
            }
        }

        #quiet
        #[automatically_derived]
        impl #impl_generics #krate::FromActionError for #ident #ty_generics #where_clause {
            fn from_action_error(error: &#krate::Error) -> ::core::option::Option<Self> {
                #from
            }
        }
    }
}

fn path(shape: &Shape, error: &ErrorType) -> TokenStream {
    let ident = &error.ident;
    match &shape.variant {
        Some(variant) => quote!(#ident::#variant),
        None => quote!(#ident),
    }
}

/// One name for each field, which cannot collide with the user's names.
fn bindings(shape: &Shape) -> Vec<Ident> {
    (0..shape.fields.len()).map(|index| format_ident!("__field{index}")).collect()
}

/// The arm that converts a variant into the broker's error.
fn outward(shape: &Shape, error: &ErrorType) -> TokenStream {
    let krate = &error.krate;
    let private = quote!(#krate::__private);
    let path = path(shape, error);
    let Meaning::Own(Wire { name, code, error_type, retryable }) = &shape.meaning else {
        let members = shape.fields.iter().map(|field| &field.member);
        let span = located(shape.fields.first().map_or_else(|| error.ident.span(), |field| field.ty.span()));
        let into = quote_spanned!(span=> ::core::convert::Into::into(inner));
        return quote!(#path { #(#members: inner)* } => #into,);
    };
    let bindings = bindings(shape);
    // By reference, because the message is made from the whole error afterwards.
    let (patterns, entries): (Vec<TokenStream>, Vec<TokenStream>) = shape
        .fields
        .iter()
        .zip(&bindings)
        .filter(|(field, _)| !field.skip)
        .map(|(field, binding)| {
            let (member, key) = (&field.member, field.key());
            let span = located(field.ty.span());
            // Errors about serialization point at the type, while the variable is still the one that the
            // pattern binds.
            let used = Ident::new(&binding.to_string(), span);
            let private = at(&private, span);
            let value = quote_spanned!(span=> #private::to_value(#used));
            (quote!(#member: ref #binding,), quote!((#key, #value)))
        })
        .unzip();
    let told = at(&quote!(#private::Told), located(error.ident.span()));
    let message = quote_spanned!(located(error.ident.span())=> #told::told(&error));
    quote! {
        #path { #(#patterns)* .. } => #private::application(
            #private::ErrorParts {
                name: #name,
                code: #code,
                error_type: #error_type,
                message: #message,
                retryable: #retryable,
                data: ::core::option::Option::None,
            },
            [#(#entries),*],
        ),
    }
}

/// The arm that rebuilds a variant. `None` if the wire does not carry it completely.
fn homeward(shape: &Shape, error: &ErrorType) -> Option<TokenStream> {
    let Meaning::Own(Wire { name, error_type, .. }) = &shape.meaning else { return None };
    if shape.fields.iter().any(|field| field.skip) {
        return None;
    }
    let private = {
        let krate = &error.krate;
        quote!(#krate::__private)
    };
    let path = path(shape, error);
    let fields = shape.fields.iter().map(|field| {
        let (member, key, ty) = (&field.member, field.key(), &field.ty);
        // A missing field is read as null, which an `Option` accepts.
        let decoded = quote_spanned!(located(ty.span())=> #private::from_value::<#ty>(error, #key)?);
        quote!(#member: #decoded)
    });
    Some(quote! {
        (#name, #error_type) => ::core::option::Option::Some(#path { #(#fields),* }),
    })
}
