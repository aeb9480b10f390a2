//! The constants that describe commands: for the wire, the master and the diagrams.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use super::{Cx, cfgs, runtime_name};
use crate::{
    model::{Callers, Command, NodeType},
    names,
};

pub(super) fn constant(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    let rt = &cx.rt;
    let cfgs = cfgs(command);
    let constant = names::spec(&command.name);
    let name = command.name.unraw().to_string();
    let id = names::command_id(&node.name, &command.name);
    let fingerprint = names::fnv1a_64(&declaration(command));
    let delivery = runtime_name(command.delivery.variant);
    let args = args(command)
        .into_iter()
        .map(|(name, ty)| quote!((#name, #ty)));
    let returns = returns(command);
    // The types of a broken command have no wire types.
    let shapes = (!command.broken).then(|| {
        let wire_types = cx.wire_types.each(command);
        quote!(.shapes(&[#(#rt::shape(#wire_types)),*]))
    });
    let doc = Some(&command.docs.text)
        .filter(|text| !text.is_empty())
        .map(|text| quote!(.doc(#text)));
    let options = &command.options;
    let timeout = options.timeout_ms.map(|ms| quote!(.timeout_ms(#ms)));
    let idempotent = options.idempotent.then(|| quote!(.idempotent()));
    let concurrency = options
        .concurrency
        .map(|handlers| quote!(.concurrency(#handlers)));
    let attempts = options
        .attempts
        .map(|attempts| quote!(.attempts(#attempts)));
    let backoff = options.backoff_ms.map(|ms| quote!(.backoff_ms(#ms)));
    let incompatible = options
        .incompatible_ms
        .map(|ms| quote!(.incompatible_ms(#ms)));
    let version = options.version.map(|version| quote!(.version(#version)));
    let orphans = options
        .adopt_orphans
        .then(|| quote!(.orphans(#rt::Orphans::Adopt)));
    let allow = match &options.allow {
        Some(Callers::Named(names)) => {
            let names = names.iter().map(|name| name.unraw().to_string());
            Some(quote!(.allow(&[#(#names),*])))
        }
        Some(Callers::Anyone) | None => None,
    };
    quote! {
        #cfgs
        #[allow(non_upper_case_globals)]
        const #constant: #rt::CommandSpec =
            #rt::CommandSpec::new(#name, #id, #fingerprint, #rt::Delivery::#delivery, &[#(#args),*], #returns)
                #shapes #doc #timeout #idempotent #concurrency #attempts #backoff #incompatible #version #orphans #allow;
    }
}

/// The text that a command's fingerprint is made of: everything on which both sides must agree.
/// Changing its form changes every fingerprint, and so breaks the protocol.
fn declaration(command: &Command) -> String {
    let args: Vec<String> = args(command)
        .into_iter()
        .map(|(name, ty)| format!("{name}: {ty}"))
        .collect();
    let version = command.options.version.unwrap_or(0);
    format!(
        "{} {}({}) -> {} #{version}",
        command.delivery.keyword,
        command.name.unraw(),
        args.join(", "),
        returns(command)
    )
}

fn args(command: &Command) -> Vec<(String, String)> {
    command
        .args
        .iter()
        .map(|arg| {
            (
                arg.name.unraw().to_string(),
                names::text(arg.ty.to_token_stream()),
            )
        })
        .collect()
}

fn returns(command: &Command) -> String {
    match &command.returns {
        Some(ty) => names::text(ty.to_token_stream()),
        None => "()".to_string(),
    }
}
