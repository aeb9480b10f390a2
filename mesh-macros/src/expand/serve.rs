//! The dispatch: from a command's id to the handler's method.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{Cx, cfgs, local, place, runtime_name};
use crate::{
    delivery::Returns,
    model::{Command, NodeType},
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
    let methods = Returns::ALL.map(|returns| method(cx, node, returns));
    let methods = methods.into_iter().flatten();
    quote! {
        struct #serve<#handler>(#rt::Arc<#handler>);

        // A deprecated command is still served.
        #[allow(deprecated)]
        impl<#handler: #bound> #rt::Serve for #serve<#handler> {
            #(#methods)*
        }
    }
}

/// The method for the commands whose handlers return the same kind of result. Each kind has a request type of its own,
/// so that a wrong kind of reply does not compile. `None` if there are no such commands.
fn method(cx: &Cx<'_>, node: &NodeType, returns: Returns) -> Option<TokenStream> {
    let rt = &cx.rt;
    let commands = || {
        let commands = node.commands.iter().filter(|command| !command.broken);
        commands.filter(|command| command.delivery.returns == returns)
    };
    commands().next()?;
    let request = local("request", node.name.span());
    let arms = commands().map(|command| arm(cx, node, command));
    let signature = match returns {
        Returns::Answer => quote!(fn call(&self, #request: #rt::CallRequest)),
        Returns::Nothing => quote!(fn tell(&self, #request: #rt::TellRequest)),
        Returns::JobResult => quote!(fn job(&self, #request: #rt::JobRequest) -> #rt::JobRun),
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
    let returns = command.delivery.returns;
    let dispatch = runtime_name(returns.dispatch());
    let types = match returns {
        Returns::Answer => {
            let answer = cx.wire_types.answer(command);
            quote!(#args, #answer)
        }
        Returns::Nothing | Returns::JobResult => args,
    };
    // Not the names of the arguments: if a constant had the same name, the binding would be a constant pattern.
    let values: Vec<Ident> = (0..command.args.len())
        .map(|index| local(&format!("argument_{index}"), command.name.span()))
        .collect();
    let bound = names::handler(&node.name);
    let method = &command.name;
    quote_spanned! {place(&command.name)=>
        #cfgs
        #id => {
            let #handler = ::core::clone::Clone::clone(&self.0);
            #rt::#dispatch(#types, #request, move |#context, (#(#values,)*)| async move {
                #bound::#method(&*#handler, #context, #(#values),*).await
            })
        }
    }
}
