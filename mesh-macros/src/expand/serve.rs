//! The dispatch: from a command's id to the handler's method.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{Cx, cfgs, local, place};
use crate::{
    model::{Command, Delivery, NodeType},
    names,
};

/// The hidden type that holds the handler.
pub(super) fn name() -> Ident {
    format_ident!("__Serve")
}

pub(super) fn expand(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    if node.commands.is_empty() {
        return TokenStream::new();
    }
    let Cx { rt, handler, .. } = cx;
    let marker = &node.name;
    let bound = names::handler(marker);
    let serve = name();
    let methods = Kind::ALL.iter().map(|kind| method(cx, node, *kind));
    quote! {
        struct #serve<#handler>(#rt::Arc<#handler>);

        // A deprecated command is still served.
        #[allow(deprecated)]
        impl<#handler: #bound> #rt::Serve for #serve<#handler> {
            #(#methods)*
        }
    }
}

/// What a request is: each kind has a method of the dispatch, and takes another kind of reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Tell,
    Job,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Call, Self::Tell, Self::Job];

    fn of(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Balanced | Delivery::Gather => Self::Call,
            Delivery::Broadcast => Self::Tell,
            Delivery::QueuedBalanced | Delivery::QueuedBroadcast => Self::Job,
        }
    }
}

/// The method for the commands of one kind; none where there are no such commands.
fn method(cx: &Cx<'_>, node: &NodeType, kind: Kind) -> Option<TokenStream> {
    let rt = &cx.rt;
    let commands = || {
        let commands = node.commands.iter().filter(|command| !command.broken);
        commands.filter(|command| Kind::of(command.delivery) == kind)
    };
    commands().next()?;
    let request = local("request", node.name.span());
    let arms = commands().map(|command| arm(cx, node, command));
    let signature = match kind {
        Kind::Call => quote!(fn call(&self, #request: #rt::CallRequest)),
        Kind::Tell => quote!(fn tell(&self, #request: #rt::TellRequest)),
        Kind::Job => quote!(fn job(&self, #request: #rt::JobRequest) -> #rt::JobRun),
    };
    Some(quote! {
        #signature {
            match #request.command() {
                #(#arms)*
                _ => #request.unknown(),
            }
        }
    })
}

fn arm(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    let rt = cx.rt_at(command.name.span());
    let cfgs = cfgs(command);
    let id = names::command_id(&node.name, &command.name);
    let (request, handler, context) = (
        local("request", command.name.span()),
        local("handler", command.name.span()),
        local("cx", command.name.span()),
    );
    let args = cx.wire_types.args(command);
    let way = match command.delivery {
        Delivery::Balanced | Delivery::Gather => {
            let answer = cx.wire_types.answer(command);
            quote!(answer::<#args, #answer, _, _, _>)
        }
        Delivery::Broadcast => quote!(tell::<#args, _, _, _>),
        Delivery::QueuedBalanced | Delivery::QueuedBroadcast => quote!(work::<#args, _, _, _>),
    };
    // Not the names of the arguments: a constant of the same name would turn them into patterns.
    let values: Vec<Ident> = (0..command.args.len())
        .map(|index| local(&format!("argument_{index}"), command.name.span()))
        .collect();
    let bound = names::handler(&node.name);
    let method = &command.name;
    quote_spanned! {place(&command.name)=>
        #cfgs
        #id => {
            let #handler = ::core::clone::Clone::clone(&self.0);
            #rt::#way(#request, move |#context, (#(#values,)*)| async move {
                #bound::#method(&*#handler, #context, #(#values),*).await
            })
        }
    }
}
