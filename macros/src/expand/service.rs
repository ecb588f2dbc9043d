//! Generates `impl IntoServiceDef`, which connects the builder with the user's methods.
//!
//!
//! The user's expressions (settings, extra keys) are in the same function. So its own variables have names
//! that nobody else uses. Only `self` is meant to be visible.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;

use super::params::{self, Travels};
use super::{at, checks, client, invocation, located, quiet};
use crate::ast::{Access, Action, Event, Extra, Hook, Receiver, Service, Timeout, Version};
use crate::wire;

/// Everything that is generated next to the user's impl block.
pub(crate) fn service(service: &Service) -> TokenStream {
    let once = once(service);
    let structs = structs(service);
    let checks = checks::service(service);
    let glue = glue(service);
    let client = client::of_service(service);
    quote! {
        // First, because the compiler reports errors in this order, and these errors are the clearest.
        #once
        const _: () = { #checks };
        #structs
        const _: () = {
            #glue
            // Makes the compiler run again when the variable changes. It has no other effect.
            const _: ::core::option::Option<&str> = ::core::option_env!("LIGAND_SCHEMA");
        };
        #client
    }
}

/// Items that a type can have only once. For a second `#[service]`, the compiler would only report
/// conflicting impls. With these items it names what exists twice: the struct if both are in one module, the
/// constant if not.
fn once(service: &Service) -> TokenStream {
    let Service { ident, self_ty, .. } = service;
    let quiet = quiet();
    let (impl_generics, _, where_clause) = service.generics.split_for_impl();
    let span = located(ident.span());
    let marker = |of: &str| {
        let text =
            format!("__{of}_is_a_service_already_so_move_its_methods_into_one_impl_under_one_attribute");
        Ident::new(&text, span)
    };
    // With the arguments of the type: `Trips<A>` and `Trips<B>` are different.
    let whole: String =
        wire::compact(self_ty).chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let (in_module, on_type) = (marker(whole.trim_end_matches('_')), marker(&ident.unraw().to_string()));
    quote! {
        #[doc(hidden)]
        #quiet
        struct #in_module;
        const _: () = {
            #quiet
            impl #impl_generics #self_ty #where_clause {
                #[doc(hidden)]
                #[allow(non_upper_case_globals)]
                const #on_type: () = ();
            }
        };
    }
}

fn structs(service: &Service) -> TokenStream {
    let full = service.name.full();
    let actions = service.actions.iter().map(|action| {
        let ident = params::ident(&service.ident, &action.method.ident);
        let name = format!("{full}.{}", action.name.text);
        params::definition(
            &action.inputs,
            &ident,
            &name,
            &action.method.cfgs,
            Travels::Params { client: action.in_client(service), strict: action.is_strict(service) },
            &service.krate,
        )
    });
    let events = service.events.iter().map(|event| {
        let ident = params::ident(&service.ident, &event.method.ident);
        params::definition(
            &event.inputs,
            &ident,
            &event.pattern.text,
            &event.method.cfgs,
            Travels::Payload,
            &service.krate,
        )
    });
    quote!(#(#actions)* #(#events)*)
}

fn glue(service: &Service) -> TokenStream {
    let Service { krate, self_ty, .. } = service;
    let quiet = quiet();
    let (impl_generics, _, where_clause) = service.generics.split_for_impl();
    let name = &service.name.name;
    let about = about(service);
    let actions = service.actions.iter().map(|item| action(item, service));
    let events = service.events.iter().map(|item| event(item, service));
    let started = service.started.iter().map(|hook| started(hook, service));
    let stopped = service.stopped.iter().map(|hook| stopped(hook, service));
    quote! {
        #quiet
        #[automatically_derived]
        impl #impl_generics #krate::IntoServiceDef for #self_ty #where_clause {
            fn into_service_def(self) -> #krate::ServiceDef {
                let __builder = #krate::ServiceDef::builder(#name);
                #about
                let __this = #krate::__private::Arc::new(self);
                #(#actions)*
                #(#events)*
                #(#started)*
                #(#stopped)*
                __builder.build()
            }
        }
    }
}

/// The options of the attribute for the whole service. At this point, expressions may still use `self`.
fn about(service: &Service) -> TokenStream {
    let version = service.name.version.as_ref().map(|version| match version {
        Version::Number(number) => quote!(let __builder = __builder.version(#number);),
        Version::Text(text) => quote!(let __builder = __builder.version(#text);),
    });
    let depends_on =
        service.depends_on.iter().map(|names| quote!(let __builder = __builder.depends_on(#names);));
    let settings = service.settings.iter().map(|value| quote!(let __builder = __builder.settings(#value);));
    let metadata = service.metadata.iter().map(|value| quote!(let __builder = __builder.metadata(#value);));
    quote!(#version #(#depends_on)* #(#settings)* #(#metadata)*)
}

fn action(action: &Action, service: &Service) -> TokenStream {
    let span = located(action.method.ident.span());
    let krate = at(&service.krate, span);
    let cfgs = &action.method.cfgs;
    let definition = action_definition(action, &krate, span);
    let params = params::ty(&action.inputs, &params::ident(&service.ident, &action.method.ident), &krate);
    let call = invocation::method(&action.method, &action.slots, &service.self_ty, &krate);
    let (method, body) = if action.options.blocking.is_some() {
        (quote_spanned!(span=> action_blocking), at_once(&call, action.method.receiver, &krate, span))
    } else if action.options.raw.is_some() {
        (quote_spanned!(span=> action_raw), in_future(&call, &krate, span))
    } else {
        (quote_spanned!(span=> action), in_future(&call, &krate, span))
    };
    quote_spanned! {span=>
        #(#cfgs)*
        let __builder = {
            let __this = #krate::__private::Arc::clone(&__this);
            __builder.#method(#definition, move |ctx: #krate::Context, params: #params| #body)
        };
    }
}

fn event(event: &Event, service: &Service) -> TokenStream {
    let span = located(event.method.ident.span());
    let krate = at(&service.krate, span);
    let cfgs = &event.method.cfgs;
    let definition = event_definition(event, &krate, span);
    let params = params::ty(&event.inputs, &params::ident(&service.ident, &event.method.ident), &krate);
    let call = invocation::method(&event.method, &event.slots, &service.self_ty, &krate);
    let body = in_future(&call, &krate, span);
    quote_spanned! {span=>
        #(#cfgs)*
        let __builder = {
            let __this = #krate::__private::Arc::clone(&__this);
            __builder.event(#definition, move |ctx: #krate::Context, params: #params| #body)
        };
    }
}

fn started(hook: &Hook, service: &Service) -> TokenStream {
    let span = located(hook.method.ident.span());
    let krate = at(&service.krate, span);
    let cfgs = &hook.method.cfgs;
    let cx = if hook.takes_cx { quote_spanned!(span=> , cx) } else { TokenStream::new() };
    let body = in_future(&invocation::by_type(&hook.method, &service.self_ty, &cx), &krate, span);
    quote_spanned! {span=>
        #(#cfgs)*
        let __builder = {
            let __this = #krate::__private::Arc::clone(&__this);
            __builder.started(move |cx: #krate::ServiceCx| #body)
        };
    }
}

fn stopped(hook: &Hook, service: &Service) -> TokenStream {
    let span = located(hook.method.ident.span());
    let krate = at(&service.krate, span);
    let cfgs = &hook.method.cfgs;
    let call = invocation::by_type(&hook.method, &service.self_ty, &TokenStream::new());
    let body = in_future(&call, &krate, span);
    quote_spanned! {span=>
        #(#cfgs)*
        let __builder = {
            let __this = #krate::__private::Arc::clone(&__this);
            __builder.stopped(move || #body)
        };
    }
}

/// The future owns a clone of the `Arc`, so it may outlive the call that made it.
fn in_future(call: &TokenStream, krate: &TokenStream, span: Span) -> TokenStream {
    quote_spanned! {span=> {
        let __this = #krate::__private::Arc::clone(&__this);
        async move { #call.await }
    }}
}

/// The call of a plain `fn`, which is done when it returns.
fn at_once(call: &TokenStream, receiver: Receiver, krate: &TokenStream, span: Span) -> TokenStream {
    match receiver {
        Receiver::Shared => call.clone(),
        Receiver::Arc => quote_spanned! {span=> {
            let __this = #krate::__private::Arc::clone(&__this);
            #call
        }},
    }
}

fn action_definition(action: &Action, krate: &TokenStream, span: Span) -> TokenStream {
    let options = &action.options;
    let name = &action.name.text;
    let timeout = options.timeout.iter().map(|timeout| match timeout {
        Timeout::Millis(millis) => {
            quote_spanned!(span=> .timeout(#krate::__private::Duration::from_millis(#millis)))
        }
        Timeout::Never => quote_spanned!(span=> .timeout(#krate::Timeout::Never)),
    });
    let access = options.access.iter().map(|access| {
        let variant = Ident::new(
            match access {
                Access::Published => "Published",
                Access::Public => "Public",
                Access::Protected => "Protected",
                Access::Private => "Private",
            },
            span,
        );
        quote_spanned!(span=> .visibility(#krate::Visibility::#variant))
    });
    let params = options.params.iter().map(|schema| quote_spanned!(span=> .params(#schema)));
    let spawn = options.spawn.iter().map(|_| quote_spanned!(span=> .spawn()));
    let encode = options.encode.then(|| quote_spanned!(span=> .encode()));
    let extra = extra(&options.extra, span);
    quote_spanned! {span=>
        #krate::ActionDef::new(#name) #(#timeout)* #(#access)* #(#params)* #(#spawn)* #encode #extra
    }
}

fn event_definition(event: &Event, krate: &TokenStream, span: Span) -> TokenStream {
    let pattern = &event.pattern.text;
    let group = event.options.group.iter().map(|group| quote_spanned!(span=> .group(#group)));
    let concurrency =
        event.options.concurrency.iter().map(|limit| quote_spanned!(span=> .concurrency(#limit)));
    let extra = extra(&event.options.extra, span);
    quote_spanned!(span=> #krate::EventDef::new(#pattern) #(#group)* #(#concurrency)* #extra)
}

fn extra(extra: &[Extra], span: Span) -> TokenStream {
    extra.iter().map(|Extra { key, value }| quote_spanned!(span=> .extra(#key, #value))).collect()
}
