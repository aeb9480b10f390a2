//! The type that stands for a node type, what it declares by itself, `node(..)` that builds one, and its part
//! in the mesh.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, ext::IdentExt};

use super::{Cx, cfgs, docs, local, place, serve};
use crate::{
    model::{NodeType, Peers},
    names,
};

/// The marker type.
pub(super) fn marker(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let vis = &node.vis;
    let name = &node.name;
    let docs = docs::node(cx.schema, node);
    let derived = derived(name);
    quote_spanned! {place(name)=>
        #docs
        #[allow(dead_code)]
        #vis struct #name;

        #derived
    }
}

/// Written out, because the name `derive` may not be in scope where the macro is used.
pub(super) fn derived(name: &Ident) -> TokenStream {
    let text = name.unraw().to_string();
    quote! {
        #[automatically_derived]
        impl ::core::clone::Clone for #name {
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl ::core::marker::Copy for #name {}

        #[automatically_derived]
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#text)
            }
        }
    }
}

/// `impl NodeDeclaration`, and the builder: everything that does not depend on other node types.
pub(super) fn declaration(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let Cx {
        rt,
        caller,
        handler,
        ..
    } = cx;
    let vis = &node.vis;
    let name = &node.name;
    let text = name.unraw().to_string();
    let doc = &node.docs.text;
    let client = names::client(name);
    let specs = node.commands.iter().map(|command| {
        let cfgs = cfgs(command);
        let spec = names::spec(&command.name);
        quote!(#cfgs #spec)
    });
    let builder_docs = docs::builder(node);
    // If the node is part of no mesh, the error points here.
    let here = cx.rt_at(name.span());
    let builder = if node.commands.is_empty() {
        quote_spanned! {place(name)=>
            #builder_docs
            #vis fn node() -> #here::NodeBuilder<#name> {
                #here::NodeBuilder::without_handler()
            }
        }
    } else {
        let bound = names::handler(name);
        let serve = serve::name();
        let value = local("handler", name.span());
        quote_spanned! {place(name)=>
            #builder_docs
            #vis fn node<#handler: #bound>(#value: #handler) -> #here::NodeBuilder<#name> {
                #here::NodeBuilder::new(#serve(#here::Arc::new(#value)))
            }
        }
    };
    quote! {
        impl #rt::NodeDeclaration for #name {
            type Client<#caller: #rt::NodeType> = #client<#caller>;
            const NAME: &'static ::core::primitive::str = #text;
            const DOC: &'static ::core::primitive::str = #doc;
            const COMMANDS: &'static [#rt::CommandSpec] = &[#(#specs),*];

            fn client<#caller: #rt::NodeType>(core: #rt::ClientCore) -> #client<#caller> {
                #client { core, caller: ::core::marker::PhantomData }
            }
        }

        #[allow(dead_code)]
        impl #name {
            #builder
        }
    }
}

/// `impl NodeType`: its part in the mesh, with the node types that it dials.
pub(super) fn implementation(cx: &Cx<'_>, index: usize) -> TokenStream {
    let schema = cx.schema;
    let node = &schema.nodes[index];
    // If the mesh is less visible than the node, the error points to where the schema names the node.
    let mention = node.mention();
    let rt = cx.rt_at(mention);
    let mut mesh = cx.mesh.clone();
    mesh.set_span(mesh.span().located_at(mention));
    let path = node.path();
    let declared = quote!(<#path as #rt::NodeDeclaration>);
    let links = schema.links();
    let dials = links.iter().filter(|link| link.from == index);
    let dialled: Vec<_> = dials.map(|link| &schema.nodes[link.to].name).collect();
    let dials = dialled.iter().map(|name| name.unraw().to_string());
    let reverse = node.reverse.as_ref().map(|_| {
        let callers = dialled.iter().filter(|name| node.lets_call_back(name));
        let callers = callers.map(|name| name.unraw().to_string());
        quote!(.reverse(&[#(#callers),*]))
    });
    let allow = match &node.allow {
        Peers::Any(_) => TokenStream::new(),
        Peers::Named(names) => {
            let names = names.iter().map(|name| name.unraw().to_string());
            quote!(.allow(&[#(#names),*]))
        }
    };
    quote_spanned! {Span::call_site().located_at(mention)=>
        impl #rt::NodeType for #path {
            type Mesh = #mesh;
            const SPEC: &'static #rt::NodeSpec = &#rt::NodeSpec::new(
                #declared::NAME,
                #declared::DOC,
                &[#(#dials),*],
                #declared::COMMANDS,
            ) #allow #reverse;
        }
    }
}
